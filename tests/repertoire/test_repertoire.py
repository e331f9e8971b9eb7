"""A repertoire: distinct receptors, sorted, whatever the order of rows."""

import polars as pl
import pytest
import torch
from by_hand import drawn, frame, repertoire
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from hopfield.errors import ArgumentError, ShapeError
from hopfield.repertoire import ALPHABET, Repertoire

ROWS = st.lists(
    st.tuples(
        st.text("ACDY", min_size=1, max_size=4),
        st.sampled_from(["", "TRBV1", "TRBV2"]),
        st.sampled_from(["TRBJ1", "TRBJ2"]),
        st.integers(1, 9),
    ),
    max_size=30,
)


def equal(one, other):
    genes = (one.v_genes, one.j_genes) == (other.v_genes, other.j_genes)
    pairs = zip(one.arrays().values(), other.arrays().values(), strict=True)
    return genes and all(torch.equal(a, b) for a, b in pairs)


@settings(deadline=None, max_examples=40)
@given(ROWS, st.randoms())
def test_rows_merge_and_sort_in_any_order(rows, random):
    wanted = {}
    for *receptor, count in rows:
        wanted[tuple(receptor)] = wanted.get(tuple(receptor), 0) + count
    mixed = random.sample(rows, len(rows))
    made = Repertoire.from_frame("TRB", frame(mixed))
    in_order = sorted(wanted, key=lambda receptor: (len(receptor[0]), *receptor))
    assert made.frame().rows() == [(*receptor, wanted[receptor]) for receptor in in_order]
    assert equal(made, Repertoire.from_frame("TRB", frame(rows)))
    assert equal(made, Repertoire.from_frame("TRB", made.frame()))
    assert made.v_genes == tuple(sorted({v for _, v, _, _ in rows}))


@settings(deadline=None, max_examples=40)
@given(ROWS, st.integers(1, 12))
def test_blocks_hold_each_receptor_once(rows, size):
    made = repertoire(rows)
    blocks = [*made.blocks(size)]
    assert all(
        sum(map(len, block.groups)) == block.rows.stop - block.rows.start for block in blocks
    )
    assert [i for block in blocks for i in range(block.rows.start, block.rows.stop)] == [
        *range(len(made))
    ]
    residues = [group.flatten() for block in blocks for group in block.groups]
    assert torch.equal(torch.cat(residues) if residues else made.residues, made.residues)
    assert len(blocks) == max(-(-len(made) // size), 1)


def test_groups_are_the_lengths():
    made = repertoire(drawn(200))
    groups = [*made.by_length()]
    widths = [group.residues.shape[1] for group in groups]
    assert widths == sorted(set(made.lengths.tolist()))
    letters = ["".join(ALPHABET[i - 1] for i in row) for g in groups for row in g.residues.tolist()]
    assert letters == made.frame()["junction_aa"].to_list()
    assert all(
        (made.lengths[group.rows] == w).all() for group, w in zip(groups, widths, strict=True)
    )


def test_taken_receptors_are_those_of_the_frame():
    made = repertoire(drawn(60))
    kept = torch.rand(len(made)) < 0.3
    assert_frame_equal(made.take(kept).frame(), made.frame().filter(pl.Series(kept.numpy())))
    assert len(made.take(torch.zeros(len(made), dtype=torch.bool))) == 0


def test_the_longest_junction_is_the_last_that_fits():
    made = repertoire(["C" * 255])
    assert made.lengths.tolist() == [255]
    with pytest.raises(ArgumentError, match="to 256 residues"):
        repertoire(["C" * 256])


@pytest.mark.parametrize("junction", ["CAX", "C*F", "ca", "C_F", "CÄF"])
def test_what_is_no_residue_is_an_error(junction):
    with pytest.raises(ArgumentError, match="ACDEFGHIKLMNPQRSTVWY"):
        repertoire(["CASSF", junction])


def test_an_empty_junction_is_an_error():
    with pytest.raises(ArgumentError, match="0 to 5 residues"):
        repertoire(["CASSF", ""])


def test_columns_of_different_length_are_an_error():
    made = repertoire(["CAF", "CAAF"])
    with pytest.raises(ShapeError, match="differ in length"):
        Repertoire(**{**vars(made), "counts": made.counts[:1]})
