"""The screen finds what was planted, in the rows that it is given."""

import numpy as np
import pytest
from by_hand import repertoire
from scipy.sparse import csr_array

from hopfield.errors import ArgumentError
from hopfield.repertoire import kmers
from hopfield.repertoire.screen import Screen, root_rates, screen
from hopfield.repertoire.targets import Target

ROWS = 60
RNG = np.random.default_rng(0)
NOISE = RNG.poisson(3.0, (ROWS, 400)).astype(np.float32)
ALL = np.arange(ROWS)


def target(kind, values, classes=()):
    return Target("label", kind, np.asarray(values, np.float64), classes)


def binary(values):
    return target("binary", values, ("no", "yes"))


def planted(*columns):
    """Noise, with signals added to some features: pairs of a feature and what is added."""
    counts = NOISE.copy()
    for feature, added in columns:
        counts[:, feature] += added
    return root_rates(csr_array(counts), np.full(ROWS, 1000))


def equal(one, other):
    return one.rows == other.rows and all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("features", "t", "rates")
    )


def test_the_planted_feature_is_first():
    yes = ALL % 2
    found = screen(planted((77, 6 * yes)), binary(yes), ALL, 5)
    assert found.features[0] == 77
    assert found.rows == ROWS
    assert len(found.features) == len(found.t) == len(found.rates) == 5
    assert found.t[0] > 6
    wanted = 10_000 * (NOISE[:, 77] + 6 * yes).mean() / 1000
    np.testing.assert_allclose(found.rates[0], wanted, rtol=1e-6)


def test_t_of_the_first_is_that_of_the_correlation():
    yes = (RNG.random(ROWS) < 0.5).astype(float)
    rates = planted((5, 4 * yes))
    found = screen(rates, binary(yes), ALL, 1)
    r = abs(np.corrcoef(rates.toarray()[:, found.features[0]], yes)[0, 1])
    np.testing.assert_allclose(found.t, r * np.sqrt((ROWS - 2) / (1 - r**2)), rtol=1e-5)


def test_what_repeats_is_taken_once():
    yes = ALL % 2
    noise = RNG.poisson(2.0, ROWS)
    shared = 6 * yes + noise
    counts = NOISE.copy()
    counts[:, 10:14] = shared[:, None]  # four overlaps of one motif
    counts[:, 20] += 3 * yes
    found = screen(root_rates(csr_array(counts), np.full(ROWS, 1000)), binary(yes), ALL, 3)
    assert 20 in found.features
    assert len({*found.features} & {10, 11, 12, 13}) == 1


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_rows_that_are_not_given_are_never_looked_at(kind):
    values = {"binary": ALL % 2, "multiclass": ALL % 3, "regression": RNG.normal(size=ROWS)}[kind]
    classes = {"binary": ("a", "b"), "multiclass": ("a", "b", "c"), "regression": ()}[kind]
    rows, rest = ALL[:40], ALL[40:]
    rates = planted((9, 4 * (ALL % 2)))
    found = screen(rates, target(kind, values, classes), rows)
    changed, labels = rates.toarray(), values.astype(float)
    changed[rest] = RNG.random((20, 400)) * 1e3
    labels[rest] = RNG.permutation(labels[rest])
    again = screen(csr_array(changed), target(kind, labels, classes), rows)
    assert equal(found, again)
    alone = screen(csr_array(rates.toarray()[rows]), target(kind, values[rows], classes), ALL[:40])
    assert equal(found, alone)


def test_unlabelled_rows_are_left_out():
    values = (ALL % 2).astype(float)
    values[::5] = np.nan
    rates = planted((9, 4 * (ALL % 2)))
    labelled = ALL[~np.isnan(values)]
    found = screen(rates, binary(values), ALL)
    assert equal(found, screen(rates, binary(values), labelled))
    assert found.rows == len(labelled)


def test_classes_each_find_their_own():
    classes = ALL % 3
    rates = planted(*((feature, 8 * (classes == c)) for c, feature in enumerate((30, 31, 32))))
    found = screen(rates, target("multiclass", classes, ("a", "b", "c")), ALL, 3)
    assert {30, 31, 32} >= {*found.features[:2].tolist()}
    assert found.t[:2].min() > 6


def test_a_quantity_finds_what_goes_with_it_up_or_down():
    age = RNG.normal(50, 10, ROWS)
    rates = planted((40, np.clip(age / 4, 0, None).round()), (41, (20 - age / 4).clip(0).round()))
    found = screen(rates, target("regression", age), ALL, 2)
    assert found.features[0] in (40, 41)
    assert found.t[0] > 6


def test_constant_columns_are_never_chosen():
    counts = NOISE.copy()
    counts[:, 100:] = 4
    rates = root_rates(csr_array(counts), np.full(ROWS, 1000))
    found = screen(rates, binary(ALL % 2), ALL, 200)
    assert (found.features < 100).all()
    assert np.isfinite(found.t).all()


def test_nothing_that_varies_finds_nothing():
    rates = root_rates(csr_array(np.full((ROWS, 50), 2.0, np.float32)), np.full(ROWS, 1000))
    found = screen(rates, binary(ALL % 2), ALL)
    assert len(found.features) == 0
    assert len(found.beyond_chance().features) == 0
    alike = screen(planted(), binary(np.zeros(ROWS)), ALL)
    assert len(alike.features) == 0


@pytest.mark.parametrize("labelled", [0, 3])
def test_fewer_than_four_labels_are_an_error(labelled):
    values = np.full(ROWS, np.nan)
    values[:labelled] = [0, 1, 0][:labelled]
    with pytest.raises(ArgumentError, match=f"{labelled} repertoires have a label"):
        screen(planted(), binary(values), ALL)


def test_four_labels_are_enough():
    found = screen(planted((3, 50 * (ALL % 2))), binary(ALL % 2), ALL[:4])
    assert len(found.features) == 1


def test_chance_ends_the_screen_unless_it_explains_all():
    shown = Screen(np.arange(5), np.array([30.0, 20.0, 15.0, 3.0, 25.0]), np.ones(5), ROWS)
    assert shown.beyond_chance().features.tolist() == [0, 1, 2]
    weak = Screen(np.arange(5), np.array([4.0, 3.0, 2.0, 1.0, 1.0]), np.ones(5), ROWS)
    assert weak.beyond_chance().features.tolist() == [0, 1]


def test_roots_of_rates_do_not_depend_on_the_depth():
    one = repertoire(["CASSFENF", "CASSLGF"])
    two = repertoire(["CASSFENF", "CASSLGF", "AA", "YY"])
    rates = root_rates(kmers.count([one, two]), np.array([2, 4]))
    feature = kmers.feature("SFEN")
    np.testing.assert_allclose(rates[[0, 1], [feature] * 2], [np.sqrt(5000), 50], rtol=1e-6)
