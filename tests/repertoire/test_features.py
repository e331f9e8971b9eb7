"""What baselines see of repertoires, by hand."""

import numpy as np
import polars as pl
import pytest

from hopfield.repertoire import kmers
from hopfield.repertoire.columns import quantity, unclear
from hopfield.repertoire.features import Features, minmax
from hopfield.repertoire.repertoire import Repertoire


class Data(list):
    """Repertoires with their metadata."""

    def __init__(self, repertoires, **metadata):
        super().__init__(repertoires)
        self.metadata = pl.DataFrame({"repertoire_id": range(len(self)), **metadata})


def repertoire(junctions, v="TRBV1", j="TRBJ1", count=1):
    frame = pl.DataFrame({"junction_aa": junctions}, schema={"junction_aa": pl.String})
    genes = {"v_call": pl.lit(v), "j_call": pl.lit(j), "duplicate_count": pl.lit(count)}
    return Repertoire.from_frame("TRB", frame.with_columns(**genes))


THREE = [
    repertoire(["CASSF", "CASSLF"], v="TRBV2", count=3),
    repertoire(["CASSF", "CATTTF", "CATTTTF"], j="TRBJ2"),
    repertoire([]),
]


def test_minmax_is_the_double_loop():
    counts = np.random.default_rng(0).poisson(1.0, (7, 40)).astype(float)
    counts[5] = 0
    found = minmax(counts)
    for i, a in enumerate(counts):
        for j, b in enumerate(counts):
            low, high = (sum(map(which, a, b)) for which in (min, max))
            assert found[i, j] == pytest.approx(low / high if high else 1)


def test_minmax_of_repertoires():
    found = Features(Data(THREE)).minmax
    assert np.diag(found).tolist() == [1, 1, 1]
    # CASS, ASSF, CASS, ASSL, SSLF against CASS, ASSF, CATT, ATTT, TTTF, CATT, ATTT, TTTT, TTTF
    shared = 1 / 9 + 1 / 9
    assert found[0, 1] == pytest.approx(shared / (2 - shared))
    assert found[0, 2] == pytest.approx(0, abs=1e-6)


def test_rates_are_roots_of_rates():
    features = Features(Data(THREE))
    assert features.receptors.tolist() == [2, 3, 0]
    rates = features.rates.toarray()
    assert rates[1, kmers.feature("CATT")] == pytest.approx(np.sqrt(2 * 10_000 / 3))
    assert rates[1, kmers.feature("CA.TT")] == pytest.approx(np.sqrt(2 * 10_000 / 3))
    assert not rates[2].any()


def test_confounders_by_hand():
    found = Features(Data(THREE, age=[30, None, 50], sex=["f", "m", None])).confounders
    assert list(found) == [
        "clonotype count", "depth", "V genes", "J genes", "lengths", "age", "sex"
    ]  # fmt: skip
    np.testing.assert_allclose(found["clonotype count"], np.log([[3], [4], [1]]))
    np.testing.assert_allclose(found["depth"], np.log([[7], [4], [1]]))
    assert found["V genes"].tolist() == [[0, 1], [1, 0], [0, 0]]
    assert found["J genes"].tolist() == [[1, 0], [0, 1], [0, 0]]
    assert found["lengths"][:, :2].tolist() == [
        [5.5, 0.5],
        [6, (2 / 3) ** 0.5],
        [5.75, pytest.approx(0.658248)],
    ]
    assert found["lengths"][:, -1].tolist() == [0, 0, 1]  # where they are missing
    assert found["age"].tolist() == [[30, 0], [40, 1], [50, 0]]
    assert sorted(map(tuple, found["sex"].T)) == [(0, 0, 1), (0, 1, 0), (1, 0, 0)]


def test_columns_of_the_metadata():
    data = Data(THREE, age=["31", "> 40", " NA"], run=[1, 2, 2], batch=[None, "", "unknown"])
    found = Features(data, categories=("run", "batch")).confounders
    assert found["age"].tolist() == [[31, 0], [40, 0], [35.5, 1]]
    assert found["run"].tolist() == [[1, 0], [0, 1], [0, 1]]
    assert "batch" not in found  # it says nothing
    usual = Features(Data(THREE, Gender=["m", "f", "f"], run_id=[7, 7, 9])).confounders
    assert usual["Gender"].tolist() == [[0, 1], [1, 0], [1, 0]]
    assert usual["run_id"].tolist() == [[1, 0], [1, 0], [0, 1]]
    assert "age" not in Features(Data(THREE, age=["forty", "40-49", None])).confounders


def test_what_is_no_plain_number_is_said():
    column = pl.Series("age", ["31", ">89", "≥ 90", "89+", "-1.5", "1e2", "forty", "40-49", "NA"])
    assert quantity(column).to_list() == [31, 89, 90, 89, -1.5, 100, None, None, None]
    assert list(unclear(column)) == [
        "Column 'age': of cells such as '>89' the number is taken, in 3 repertoires.",
        "Column 'age': what is no number is taken for missing, in 2 repertoires.",
    ]
    assert list(unclear(pl.Series("age", [31.0, np.nan, None]))) == []


def test_a_repertoire_does_not_depend_on_the_others():
    every, one = Features(Data(THREE)), Features(Data(THREE[1:2]))
    np.testing.assert_array_equal(every.rates[[1]].toarray(), one.rates.toarray())
    for name in ("clonotype count", "depth"):
        assert every.confounders[name][1] == one.confounders[name][0]


def test_public_clones_and_bars(capsys):
    features = Features(Data([THREE[1], *THREE[1:]]), progress=True)
    assert features.clones.presence.toarray().tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]
    assert "clones" in capsys.readouterr().err
