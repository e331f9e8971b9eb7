"""The background: what is drawn looks like what it was learned from."""

from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopfield.errors import ArgumentError, FileError
from hopfield.repertoire import Repertoire
from hopfield.repertoire.simulation import Background, simulate
from hopfield.repertoire.simulation.background import SHIPPED, _Categories, _chain, _smoothed
from hopfield.repertoire.simulation.shipped import repertoires

TABLES = ("lengths", "starts", "ends", "sizes", "clones")


@pytest.fixture(scope="module")
def real():
    return repertoires()


@pytest.fixture(scope="module")
def drawn(real):
    """As many distinct receptors as each real repertoire has."""
    rng = np.random.default_rng(1)
    draws = (Background.default().draw(rng, len(one) + 500) for one in real)
    return [draw.distinct()[: len(one)].frame() for draw, one in zip(draws, real, strict=True)]


def repertoire(*rows, locus="TRB"):
    names = ("junction_aa", "v_call", "j_call", "duplicate_count")
    return Repertoire.from_frame(locus, pl.DataFrame(rows, schema=names, orient="row"))


def same(one, other):
    assert (one.locus, one.v_genes, one.j_genes) == (other.locus, other.v_genes, other.j_genes)
    for name in TABLES:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def spectrum(junctions, k):
    """How often each k-mer occurs, as shares."""
    counts = Counter(text[i : i + k] for text in junctions for i in range(len(text) - k + 1))
    total = sum(counts.values())
    return {word: count / total for word, count in counts.items()}


def distance(one, other):
    """Total variation: the share that would have to move."""
    return sum(abs(one.get(key, 0) - other.get(key, 0)) for key in {*one, *other}) / 2


def shared(frames, columns):
    """The share of receptors that two repertoires have in common, for each two of them."""
    sets = [frame.select(columns).unique() for frame in frames]
    return [
        one.join(other, on=columns).height / (one.height * other.height) ** 0.5
        for one, other in combinations(sets, 2)
    ]


def test_the_shipped_file_is_rebuilt_from_its_data(real, tmp_path):
    rebuilt = Background.fit(real)
    same(rebuilt, Background.default())
    assert SHIPPED.stat().st_size < 100_000
    for name in ("first.npz", "second.npz"):
        rebuilt.save(tmp_path / name)
    same(Background.load(tmp_path / "first.npz"), rebuilt)
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()


def test_both_ends_go_with_the_genes(real, drawn):
    real, drawn = pl.concat([one.frame() for one in real]), pl.concat(drawn)
    assert drawn["junction_aa"].str.contains("^C.*[FW]$").mean() > 0.9999
    for column, end in (
        ("v_call", pl.col("junction_aa").str.head(4)),
        ("j_call", pl.col("junction_aa").str.tail(5)),
    ):
        for gene in real[column].value_counts(sort=True)[column][:12]:
            one, other = (
                dict(frame.filter(pl.col(column) == gene).select(end)["junction_aa"]
                .value_counts(normalize=True).iter_rows())
                for frame in (real, drawn)
            )  # fmt: skip
            assert distance(one, other) < 0.06


def test_lengths_genes_and_words_are_nearer_to_the_data_than_the_data_to_themselves(real, drawn):
    real = [one.frame() for one in real]
    halves = [pl.concat(real[i::2]) for i in range(2)]
    whole, drawn = pl.concat(real), pl.concat(drawn)
    words = [spectrum(frame["junction_aa"], 4) for frame in (*halves, whole, drawn)]
    assert distance(*words[2:]) < distance(*words[:2])
    for column in (pl.col("junction_aa").str.len_chars(), pl.concat_str("v_call", "j_call")):
        shares = [
            dict(frame.select(x=column)["x"].value_counts(normalize=True).iter_rows())
            for frame in (*halves, whole, drawn)
        ]
        assert distance(*shares[2:]) < distance(*shares[:2])


def test_a_motif_that_is_rare_by_nature_is_rare(drawn):
    """What signals are implanted into: 0.27 of 10 000 real receptors have SFEN."""
    share = pl.concat(drawn)["junction_aa"].str.contains("SFEN").mean()
    assert 0 < share < 1.5e-4


def test_two_repertoires_share_as_many_receptors_as_real_ones(real, drawn):
    real = [one.frame() for one in real]
    for columns in (["junction_aa"], ["junction_aa", "v_call", "j_call"]):
        ours, theirs = shared(drawn, columns), shared(real, columns)
        assert min(theirs) < np.mean(ours) < max(theirs)


def test_clone_sizes_have_the_tail_of_real_ones(real):
    sizes = Background.default().draw_counts(np.random.default_rng(0), 75_000)
    theirs = np.concatenate([one.counts.numpy() for one in real])
    assert abs((sizes == 1).mean() - (theirs == 1).mean()) < 0.01
    assert sizes.max() > 200


def test_draws_are_those_of_the_seed_and_fit_their_lengths():
    background = Background.default()
    one, other, third = (background.draw(np.random.default_rng(seed), 500) for seed in (4, 4, 5))
    np.testing.assert_array_equal(one.residues, other.residues)
    assert (one.residues != third.residues).any()
    np.testing.assert_array_equal((one.residues > 0).sum(1), one.lengths)
    padding = one.residues == 0
    np.testing.assert_array_equal(np.sort(padding, axis=1), padding)


def test_long_junctions_and_unknown_genes():
    rows = [("C" + "ARGY" * (5 + i % 9) + "DYW", "", f"IGHJ{1 + i % 2}", 1 + i) for i in range(40)]
    background = Background.fit([repertoire(*rows, locus="IGH")])
    drawn = background.draw(np.random.default_rng(0), 2000)
    assert background.locus == "IGH"
    assert drawn.v_genes == ("",)
    assert drawn.lengths.max() == 56
    assert set(drawn.lengths.tolist()) == {4 + 4 * n for n in range(5, 14)}


def test_genes_of_several_repertoires_are_brought_together():
    parts = [
        repertoire(("CASSF", "TRBV9", "TRBJ1-1", 2), ("CATSF", "TRBV2", "TRBJ1-1", 1)),
        repertoire(("CAWSF", "TRBV30", "TRBJ2-7", 1)),
    ]
    background = Background.fit(parts)
    assert background.v_genes == ("TRBV2", "TRBV30", "TRBV9")
    np.testing.assert_array_equal(background.lengths[..., 5], [[1, 0], [0, 1], [1, 0]])
    assert background.starts[1, 0, 0, 1] == 1  # the first C of TRBV30
    assert background.ends[1, 0, 16, 4] == 1  # the last F of TRBJ2-7, after S
    assert background.sizes.tolist() == [1, 2]
    assert background.clones.tolist() == [2, 1]


counts = st.lists(st.lists(st.integers(0, 10**6), min_size=3, max_size=3), min_size=1, max_size=4)


@given(counts)
def test_smoothing_lies_between_the_counts_and_the_prior(table):
    table, prior = np.array(table), np.array([0.5, 0.5, 0.0])
    found = _smoothed(table, prior)
    np.testing.assert_allclose(found.sum(1), 1)
    for row, counts in zip(found, table, strict=True):
        share = counts / counts.sum() if counts.any() else prior
        assert (row >= np.minimum(share, prior) - 1e-9).all()
        assert (row <= np.maximum(share, prior) + 1e-9).all()


def test_contexts_never_seen_lean_on_their_place():
    chain = _chain(Background.default().ends)
    np.testing.assert_allclose(chain.sum(-1), 1)
    assert chain[0, 0, 19, 4] > 0.99  # F ends a junction even after W
    assert np.allclose(
        chain[:, :, 0], chain[:, :, :1].mean(2)
    )  # nothing precedes only at the start


def test_categories_are_drawn_with_their_probabilities():
    probabilities = np.array([[0.0, 0.2, 0.8, 0.0], [1.0, 0.0, 0.0, 0.0]])
    rng = np.random.default_rng(0)
    drawn = _Categories(probabilities).draw(rng, np.repeat([0, 1], 20_000))
    assert (drawn[20_000:] == 0).all()
    shares = np.bincount(drawn[:20_000], minlength=4) / 20_000
    np.testing.assert_allclose(shares, probabilities[0], atol=0.01)
    assert shares[[0, 3]].tolist() == [0, 0]


def test_learned_from_a_folder_its_metadata_or_one_file(tmp_path):
    metadata = simulate(tmp_path / "cohort", repertoires=2, sequences=300, witness=1)
    same(Background.of(metadata), Background.of(metadata.parent))
    assert Background.of(metadata).lengths.sum() == 600
    alone = Background.of(tmp_path / "cohort/repertoires/repertoire-00001.tsv", "TRB")
    assert alone.lengths.sum() == 300
    alone.save(tmp_path / "alone.npz")
    same(Background.of(tmp_path / "alone.npz"), alone)
    with pytest.raises(ArgumentError, match="there is no receptor"):
        Background.of(tmp_path / "cohort/repertoires/repertoire-00001.tsv", "TRA")


def test_bad_input(tmp_path):
    alpha, beta = (repertoire(("CAF", "", "", 1), locus=locus) for locus in ("TRA", "TRB"))
    with pytest.raises(ArgumentError, match="receptors of TRA, TRB"):
        Background.fit([alpha, beta])
    with pytest.raises(ArgumentError, match="there is no receptor"):
        Background.fit([])
    np.savez(tmp_path / "other.npz", sizes=np.ones(3))
    with pytest.raises(ArgumentError, match="no background: it has no locus, v_genes"):
        Background.load(tmp_path / "other.npz")
    background = Background.default()
    for name, wrong in (
        ("lengths", background.lengths[:, 0]),
        ("lengths", background.lengths.astype(float)),
        ("starts", background.starts[:-1]),
        ("clones", 0 * background.clones),
        ("sizes", np.uint32(3)),
        ("v_genes", background.v_genes[1:]),
    ):
        replace(background, **{name: wrong}).save(tmp_path / "wrong.npz")
        with pytest.raises(FileError, match="no background: its tables are not those of counts"):
            Background.of(tmp_path / "wrong.npz")
    replace(background, locus="TRX").save(tmp_path / "wrong.npz")
    with pytest.raises(ArgumentError, match="locus is 'TRX'"):
        Background.of(tmp_path / "wrong.npz")
    for name in ("junk.npz", "junk.tsv", "junk.json"):
        (tmp_path / name).write_text("junk")
        with pytest.raises(FileError, match=name):
            Background.of(tmp_path / name)
