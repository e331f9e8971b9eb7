"""Gapped k-mers, against counting by hand."""

import re
from collections import Counter

import numpy as np
import pytest
from by_hand import drawn, repertoire
from hypothesis import given
from hypothesis import strategies as st

from hopfield.repertoire import ALPHABET, kmers

PATTERNS = ("xxxx", "x.xxx", "xx.xx", "xxx.x")


def by_hand(junctions):
    """Counts of all gapped 4-mers of some text."""
    found = Counter()
    for junction in junctions:
        for pattern in PATTERNS:
            for start in range(len(junction) - len(pattern) + 1):
                window = junction[start : start + len(pattern)]
                pairs = zip(window, pattern, strict=True)
                found["".join(a if p == "x" else "." for a, p in pairs)] += 1
    return found


def test_counts_are_those_by_hand():
    made = [repertoire(drawn(50, seed)) for seed in range(3)] + [repertoire(["CAF"])]
    counts = kmers.count(made)
    assert counts.shape == (4, kmers.FEATURES)
    for row, one in zip(counts, made, strict=True):
        wanted = by_hand(one.frame()["junction_aa"])
        _, places = row.reshape(1, -1).nonzero()
        assert {kmers.name(f): row[f] for f in places} == wanted


def test_distinct_receptors_count_once_each():
    once, often = repertoire([("CASSF", "V", "J", 1)]), repertoire([("CASSF", "V", "J", 99)])
    assert (kmers.count([once]) != kmers.count([often])).nnz == 0
    two_genes = repertoire([("CASSF", "V1", "J", 1), ("CASSF", "V2", "J", 1)])
    assert (kmers.count([two_genes]) != 2 * kmers.count([once])).nnz == 0


def test_no_repertoires_and_no_kmers_keep_the_shape():
    assert kmers.count([]).shape == (0, kmers.FEATURES)
    none = kmers.count([repertoire([]), repertoire(["CAF"])])
    assert none.shape == (2, kmers.FEATURES)
    assert none.nnz == 0


@given(st.integers(0, kmers.FEATURES - 1))
def test_a_feature_has_one_name(feature):
    name = kmers.name(feature)
    assert re.fullmatch(r"[A-Z](\.?[A-Z]){3}", name)
    assert name.count(".") <= 1
    assert kmers.feature(name) == feature


@pytest.mark.parametrize("name", ["", "SFE", "SFENE", "S..FEN", ".SFEN", "sfen", "SFEX", "S-FEN"])
def test_what_names_no_feature_is_an_error(name):
    with pytest.raises(ValueError, match=r"substring not found|not in tuple"):
        kmers.feature(name)


def test_features_are_in_the_order_of_their_letters():
    names = [kmers.name(f) for f in np.arange(0, kmers.OF_FORM, 997)]
    assert names == sorted(names)
    assert kmers.name(kmers.OF_FORM - 1) == ALPHABET[-1] * 4
