"""Baselines on problems with known answers, and their formulas against plain ones."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit
from sklearn.metrics import log_loss, r2_score, roc_auc_score

from hopfield.errors import ArgumentError
from hopfield.repertoire.baselines import (
    BASELINES,
    Confounders,
    KmerRegression,
    MinMaxSVM,
    baselines,
    ensemble,
)
from hopfield.repertoire.baselines import PublicClones as CloneTest
from hopfield.repertoire.baselines.minmax_svm import calibrated
from hopfield.repertoire.baselines.public_clones import BetaBinomial
from hopfield.repertoire.clones import fisher
from hopfield.repertoire.features import Features
from hopfield.repertoire.simulation import PublicClones, simulated
from hopfield.repertoire.targets import Target

TRAIN, TEST = np.arange(60), np.arange(60, 100)


class Data(list):
    """Repertoires with their metadata."""

    def __init__(self, repertoires, metadata):
        super().__init__(repertoires)
        self.metadata = metadata


def cohort(**settings):
    made = simulated(repertoires=100, sequences=150, **settings)
    label = Target.of("diagnosis", made.metadata["diagnosis"])
    return Features(Data(made.repertoires, made.metadata)), label


@pytest.fixture(scope="module")
def kmer():
    """A k-mer in one receptor of ten, of the positives."""
    return cohort(signal="SFEN", witness=0.1)


@pytest.fixture(scope="module")
def clones():
    """Eight of 20 clones in each positive repertoire."""
    return cohort(signal=PublicClones(20, 0), witness=8)


def auc(model, features, label, train=TRAIN, test=TEST):
    predicted = model.fit(features, train, label).predict(features, test)
    np.testing.assert_allclose(predicted.sum(1), 1)
    return roc_auc_score(label.values[test], predicted[:, 1])


def thirds(label):
    """Classes: the negatives, and two halves of the positives that are alike."""
    values = label.values.copy()
    values[values == 1] = 1 + np.arange((values == 1).sum()) % 2
    return Target("thirds", "multiclass", values, ("none", "even", "odd"))


def test_a_planted_kmer_is_found(kmer):
    assert auc(KmerRegression(), *kmer) > 0.99
    assert auc(MinMaxSVM(), *kmer) > 0.95
    assert 0.2 < auc(Confounders(), *kmer) < 0.8


def test_a_planted_clone_is_found(clones):
    assert auc(CloneTest(), *clones) > 0.99
    assert 0.2 < auc(Confounders(), *clones) < 0.8


@pytest.mark.parametrize("name", ["depth", "V genes", "age", "sex", None])
def test_a_pure_confounder_is_told(kmer, name):
    features, label = kmer
    random = np.random.default_rng(0)
    column = {
        "depth": features.confounders["depth"][:, 0],
        "V genes": features.confounders["V genes"][:, :20].sum(1),
        "age": features.confounders["age"][:, 0],
        "sex": features.confounders["sex"][:, 0],
        None: features.confounders["age"][:, 0],
    }[name]
    noisy = column + random.normal(0, column.std() / 4, 100)
    confounded = replace(label, values=(noisy > np.median(noisy)) * 1.0)
    many = name in ("V genes", None)  # columns, one or some of which tell it
    assert auc(Confounders(name), features, confounded) > (0.75 if many else 0.9)


def test_labels_that_mean_nothing_are_told_by_chance(kmer, clones):
    found = {}
    for (features, label), models in (
        (kmer, (KmerRegression(), MinMaxSVM(), Confounders())),
        (clones, (CloneTest(),)),
    ):
        for seed in range(2):
            values = np.random.default_rng(seed).permutation(label.values)
            for model in models:
                reached = auc(model, features, replace(label, values=values))
                found.setdefault(model.name, []).append(reached)
    for name, values in found.items():
        assert np.mean(values) == pytest.approx(0.5, abs=0.15), name


@pytest.mark.parametrize("name", [*BASELINES, "all confounders"])
def test_labels_of_test_rows_are_not_seen(kmer, name):
    features, label = kmer
    train = TRAIN[:40]
    first = baselines(features, label)[name].fit(features, train, label).predict(features, TEST)
    hidden = label.values.copy()
    hidden[TEST] = 1 - hidden[TEST]
    hidden[TRAIN[40:]] = np.nan
    changed = replace(label, values=hidden)  # and what has no label is left out
    second = baselines(features, changed)[name].fit(features, TRAIN, changed)
    np.testing.assert_array_equal(first, second.predict(features, TEST))


@pytest.mark.parametrize("name", [*BASELINES, "all confounders"])
def test_several_classes(kmer, name):
    features, label = kmer
    classes = thirds(label)
    model = baselines(features, classes)[name].fit(features, TRAIN, classes)
    predicted = model.predict(features, TEST)
    assert predicted.shape == (40, 3)
    np.testing.assert_allclose(predicted.sum(1), 1)
    if name in (KmerRegression.name, MinMaxSVM.name):
        assert roc_auc_score(classes.values[TEST] == 0, predicted[:, 0]) > 0.95


@pytest.mark.parametrize("name", [*BASELINES, "all confounders"])
def test_a_class_that_training_rows_lack_is_unlikely(kmer, name):
    features, label = kmer
    classes = thirds(label)
    train = TRAIN[classes.values[TRAIN] != 1]
    predicted = baselines(features, classes)[name].fit(features, train, classes)
    assert (predicted.predict(features, TEST)[:, 1] < 0.1).all()


def test_a_quantity(kmer):
    features, label = kmer
    random = np.random.default_rng(0)
    of_signal = Target("of signal", "regression", label.values + random.normal(0, 0.1, 100), ())
    for model in (KmerRegression(), MinMaxSVM()):
        predicted = model.fit(features, TRAIN, of_signal).predict(features, TEST)
        assert r2_score(of_signal.values[TEST], predicted) > 0.3, model.name
    age = Target("age", "regression", features.confounders["age"][:, 0], ())
    predicted = Confounders("age").fit(features, TRAIN, age).predict(features, TEST)
    assert r2_score(age.values[TEST], predicted) > 0.99
    names = [*baselines(features, age)]
    assert CloneTest.name not in names
    with pytest.raises(ArgumentError, match="public clones cannot predict target 'age'"):
        CloneTest().fit(features, TRAIN, age)


def test_all_baselines_by_name(kmer):
    found = baselines(*kmer)
    assert list(found) == [
        "gapped k-mers", "MinMax SVM", "public clones", "clonotype count alone", "depth alone",
        "V genes alone", "J genes alone", "lengths alone", "age alone", "sex alone", "batch alone",
        "all confounders",
    ]  # fmt: skip
    assert all(name == model.name for name, model in found.items())


@pytest.mark.parametrize("name", [*BASELINES, "all confounders"])
def test_few_repertoires(kmer, name):
    features, label = kmer
    rows = np.concatenate([np.flatnonzero(label.values == c)[:3] for c in (0, 1)])
    for some in (rows, rows[1:5], rows[2:]):  # with no inner folds in the end
        model = baselines(features, label)[name].fit(features, some, label)
        assert np.isfinite(model.predict(features, TEST)).all()
    groups = np.zeros(100, np.int64)
    model = baselines(features, label)[name].fit(features, rows, label, groups)
    assert np.isfinite(model.predict(features, TEST)).all()


def test_groups_keep_settings_honest(kmer):
    """A subject's repertoires are alike and tell each other's labels, but no other subject's."""
    features, _ = kmer
    random = np.random.default_rng(0)
    groups = np.arange(100) // 5
    values = random.permutation(np.arange(20) % 2)[groups] * 1.0
    label = Target("label", "binary", values, ("a", "b"))
    table = features.confounders | {"subject": np.eye(20)[groups]}
    known = Features(features._data)
    known.__dict__["confounders"] = table
    model = Confounders("subject")
    alone = model.fit(known, np.arange(100), label).predict(known, np.arange(100))
    grouped = model.fit(known, np.arange(100), label, groups).predict(known, np.arange(100))
    assert np.abs(alone - 0.5).mean() > 0.3  # sure of itself
    assert np.abs(grouped - 0.5).mean() < 0.1


def test_errors(kmer):
    features, label = kmer
    with pytest.raises(ArgumentError, match="gapped k-mers was not fit"):
        KmerRegression().predict(features, TEST)
    with pytest.raises(ArgumentError, match="the 30 training rows with a label"):
        MinMaxSVM().fit(features, TRAIN[label.values[TRAIN] == 1], label)
    with pytest.raises(ArgumentError, match="which is 'weight'; choose one of 'clonotype count'"):
        Confounders("weight").fit(features, TRAIN, label)


def test_fisher_is_scipys(clones):
    features, label = clones
    positives, negatives = (TRAIN[label.values[TRAIN] == c] for c in (1, 0))
    found = fisher(features.clones.presence, positives, negatives)
    dense = features.clones.presence.toarray()
    for clone in np.argsort(found)[:: max(1, len(found) // 50)]:
        a, b = dense[positives, clone].sum(), dense[negatives, clone].sum()
        table = [[a, len(positives) - a], [b, len(negatives) - b]]
        expected = stats.fisher_exact(table, alternative="greater").pvalue
        assert found[clone] == pytest.approx(expected)


def test_beta_binomial_likelihood_is_the_plain_one():
    model, n, k = BetaBinomial(2.5, 900.0), 40, 3
    # the chance of one order of k associated and n − k other clones, clone after clone
    terms = [(2.5 + i) for i in range(k)] + [(900 + i) for i in range(n - k)]
    plain = math.prod(term / (902.5 + i) for i, term in enumerate(terms))
    found = model.log_likelihood(np.array([k]), np.array([n]))
    assert found[0] == pytest.approx(math.log(plain))


@pytest.mark.parametrize("sharpness", [30.0, 3000.0])
def test_beta_binomial_is_the_likeliest(sharpness):
    random = np.random.default_rng(0)
    among = random.integers(500, 2000, 200)
    found = stats.betabinom.rvs(among, 0.01 * sharpness, 0.99 * sharpness, random_state=random)
    best = BetaBinomial.fit(found, among)
    height = best.log_likelihood(found, among).sum()
    for mean in np.linspace(0.005, 0.02, 31):
        for total in np.geomspace(5, 50_000, 41):
            other = BetaBinomial(mean * total, (1 - mean) * total)
            assert other.log_likelihood(found, among).sum() <= height + 1e-3
    assert best.alpha / (best.alpha + best.beta) == pytest.approx(0.01, rel=0.3)


def test_what_was_never_seen_is_not_impossible():
    among = np.full(50, 1000)
    never = BetaBinomial.fit(np.zeros(50, int), among)
    assert -50 < never.log_likelihood(np.array([1]), np.array([1000]))[0] < -5
    BetaBinomial.fit(np.zeros(3, int), np.zeros(3, int))


def test_clone_test_is_the_ratio_of_likelihoods(clones):
    features, label = clones
    model = CloneTest().fit(features, TRAIN, label)
    values = label.values[TRAIN]
    p = fisher(features.clones.presence, TRAIN[values == 1], TRAIN[values == 0])
    presence, among = features.clones.presence.toarray(), features.receptors
    candidates = []
    for threshold in CloneTest.grid:
        found = presence[:, p <= threshold].sum(1, dtype=int)
        sides = (TRAIN[values == c] for c in (0, 1))
        fits = [BetaBinomial.fit(found[side], among[side]) for side in sides]
        rest, own = (
            stats.betabinom.logpmf(found[TEST], among[TEST], fit.alpha, fit.beta) for fit in fits
        )
        candidates.append(expit(own - rest + np.log((values == 1).sum() / (values == 0).sum())))
    predicted = model.predict(features, TEST)[:, 1]
    assert min(np.abs(one - predicted).max() for one in candidates) < 1e-6


def test_calibration_recovers_probabilities():
    random = np.random.default_rng(0)
    for classes in (2, 3):
        logits = random.normal(0, 2, (4000, classes))
        right = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        labels = (random.random(4000)[:, None] > right.cumsum(1)).sum(1)
        found = calibrated(logits * 7 - np.arange(classes), labels)(logits * 7 - np.arange(classes))
        np.testing.assert_allclose(found, right, atol=0.06)
        turned = calibrated(-logits, labels)(-logits)
        assert log_loss(labels, turned) == pytest.approx(math.log(classes), abs=0.01)


def test_ensemble_is_the_mean_of_logits():
    first, second = np.array([[0.9, 0.1], [0.5, 0.5]]), np.array([[0.2, 0.8], [1.0, 0.0]])
    logit = np.log([[0.1 / 0.9, 0.8 / 0.2], [1.0, 1e-6]]).mean(1)
    np.testing.assert_allclose(ensemble([first, second])[:, 1], expit(logit))
    np.testing.assert_allclose(ensemble([first]), first)
    assert ensemble([np.array([1.0, 2.0]), np.array([3.0, 5.0])]).tolist() == [2, 3.5]
    several = ensemble([np.full((2, 3), 1 / 3), np.array([[0.5, 0.25, 0.25], [0, 0, 1]])])
    np.testing.assert_allclose(several.sum(1), 1)
    assert several.argmax(1).tolist() == [0, 2]
