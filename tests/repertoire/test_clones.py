"""Public clones against sets of receptors."""

import numpy as np
import polars as pl
import pytest

from hopfield.repertoire.clones import keys, public_clones
from hopfield.repertoire.repertoire import ALPHABET, Repertoire


def repertoire(*receptors):
    names = ["junction_aa", "v_call", "j_call"]
    frame = pl.DataFrame(receptors, schema=dict.fromkeys(names, pl.String), orient="row")
    return Repertoire.from_frame("TRB", frame.with_columns(duplicate_count=1))


def drawn(seed, n=300):
    """Receptors of few kinds, so that many are shared, of few or many genes."""
    random = np.random.default_rng(seed)
    letters = list(ALPHABET[:2])
    return {
        (
            "C" + "".join(random.choice(letters, random.integers(1, 7))) + "F",
            f"TRBV{random.integers(1, 2 + seed)}",
            random.choice(["TRBJ1-1", "TRBJ2-1", ""]),
        )
        for _ in range(n)
    }


def test_presence_is_that_of_sets():
    sets = [drawn(seed) for seed in range(5)] + [set()]
    found = public_clones(repertoire(*receptors) for receptors in sets).presence.toarray()
    public = [
        receptor
        for receptor in set().union(*sets)
        if sum(receptor in receptors for receptors in sets) > 1
    ]
    expected = [[receptor in receptors for receptors in sets] for receptor in public]
    assert found.shape == (6, len(public))
    assert sorted(map(tuple, found.T)) == sorted(map(tuple, np.array(expected).astype(int)))


@pytest.mark.parametrize(
    "other",
    [
        ("CASSF", "TRBV1", "TRBJ2"),
        ("CASSF", "TRBV2", "TRBJ1"),
        ("CASSA", "TRBV1", "TRBJ1"),
        ("CSASF", "TRBV1", "TRBJ1"),
        ("CASF", "TRBV1", "TRBJ1"),
        ("CASSF", "TRBJ1", "TRBV1"),
    ],
)
def test_a_clone_is_junction_and_both_genes(other):
    one = repertoire(("CASSF", "TRBV1", "TRBJ1"))
    assert public_clones([one, repertoire(other)]).presence.shape == (2, 0)
    again = repertoire(other, ("CASSF", "TRBV1", "TRBJ1"), ("CW", "TRBV0", "TRBJ0"))
    assert public_clones([one, again, one]).presence.toarray().tolist() == [[1], [1], [1]]


def test_keys_do_not_depend_on_company():
    alone = keys(repertoire(("CASSF", "TRBV2", "TRBJ1")))
    among = keys(repertoire(("CASSF", "TRBV2", "TRBJ1"), ("CAF", "TRBV1", ""), ("CAAAAF", "", "")))
    assert alone[0] == among[1]
    assert len(np.unique(among)) == 3


def test_nothing():
    assert public_clones([]).presence.shape == (0, 0)
    assert public_clones([repertoire(), repertoire()]).presence.shape == (2, 0)
