"""`RepertoireClassifier`: scikit-learn's methods, every kind of label, and what makes no sense."""

import numpy as np
import polars as pl
import pytest
import torch
from by_hand import drawn, repertoire
from sklearn.base import clone
from sklearn.metrics import get_scorer, roc_auc_score
from sklearn.model_selection import cross_val_score

from conftest import SMALL
from hopfield.errors import ArgumentError, HopfieldError
from hopfield.repertoire import Repertoire, classifier, kmers
from hopfield.repertoire.classifier import RepertoireClassifier, rates_of
from hopfield.repertoire.targets import Target

QUICK = {
    "kernels": 4,
    "heads": 2,
    "v_size": 2,
    "j_size": 2,
    "start": "random",
    "epochs": 1,
    "batch": 7,
}
SOME = slice(14)
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="session")
def some(planted):
    return planted.repertoires[SOME]


@pytest.fixture(scope="session")
def labels(planted):
    return planted.metadata["diagnosis"][SOME]


@pytest.fixture
def rows(monkeypatch):
    """The cohort of each training, which then does not happen."""
    seen = []

    def train(network, tasks, cohort, *given, **named):
        seen.append(cohort)

    monkeypatch.setattr(classifier, "train", train)
    return seen


def parameters(model):
    return model.network_.state_dict()


def same(one, other):
    pairs = zip(parameters(one).items(), parameters(other).items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def test_a_planted_motif_is_learned(planted, fitted):
    held_out, wanted = planted.repertoires[30:], planted.metadata["diagnosis"][30:]
    probabilities = fitted.predict_proba(held_out)
    assert roc_auc_score(wanted == "positive", probabilities[:, 1]) == 1
    assert fitted.score(held_out, wanted) == 1
    assert fitted.predict(held_out).tolist() == wanted.to_list()
    assert kmers.name(fitted.screens_[0].features[0]) == "SFEN"
    history = fitted.history_
    assert len(history.training) == len(history.validation) <= 3
    assert history.validation[history.best] == min(history.validation)


def test_probabilities_follow_from_the_outputs(planted, fitted):
    held_out = planted.repertoires[30:]
    outputs, probabilities = fitted.decision_function(held_out), fitted.predict_proba(held_out)
    assert outputs.shape == (10,)
    np.testing.assert_array_equal(fitted.outputs(held_out)[:, 0], outputs)
    np.testing.assert_allclose(probabilities[:, 1], 1 / (1 + np.exp(-outputs)), rtol=1e-6)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    chosen = fitted.classes_[probabilities.argmax(1)]
    assert fitted.predict(held_out).tolist() == chosen.tolist()
    assert fitted.classes_.tolist() == ["healthy", "positive"]


@pytest.mark.parametrize(
    "given",
    [np.arange(14) % 2, np.arange(14) % 2 == 0, np.arange(14) % 2 * 1.0, pl.Series(["c", "d"] * 7)],
)
def test_labels_are_predicted_as_they_were_given(some, given, tmp_path):
    model = RepertoireClassifier(**QUICK).fit(some, given)
    for one in (model, RepertoireClassifier.load(model.save(tmp_path / "model"))):
        assert one.classes_.tolist() == sorted(set(given))
        assert set(one.predict(some).tolist()) <= set(given)
    found = get_scorer("balanced_accuracy")(model, some, given)
    assert 0 <= found <= 1
    if len(set(given)) == 2:
        assert 0 <= get_scorer("roc_auc")(model, some, given) <= 1


def test_a_prediction_is_that_of_the_repertoire_alone(planted, fitted):
    held_out = planted.repertoires[30:]
    whole = fitted.decision_function(held_out)
    np.testing.assert_allclose(fitted.decision_function(held_out[::-1]), whole[::-1], **CLOSE)
    for one, wanted in zip(held_out[:3], whole, strict=False):
        rows = one.frame().sample(fraction=1, shuffle=True, seed=1)
        twice = pl.concat([rows, rows]).with_columns(pl.col("duplicate_count") * 1)
        mixed = Repertoire.from_frame(one.locus, rows)
        np.testing.assert_allclose(fitted.decision_function([mixed])[0], wanted, **CLOSE)
        halves = Repertoire.from_frame(one.locus, twice)
        assert len(halves) == len(one)


def test_labels_may_be_written_in_any_way(some, labels):
    some, labels = some[:8], labels[:8]
    fit = RepertoireClassifier(**QUICK).fit
    wanted = fit(some, labels)
    for other in (
        labels.to_list(),
        tuple(labels),
        labels.to_numpy(),
        Target.of("diagnosis", labels),
        [Target.of("diagnosis", labels)],
    ):
        assert same(fit(some, other), wanted)
        assert wanted.score(some, other) == wanted.score(some, labels)
    assert same(RepertoireClassifier(**QUICK).fit(some, labels == "positive"), wanted)
    assert same(fit(some, (labels == "positive").cast(int).to_list()), wanted)


def test_the_same_seed_gives_the_same_model_and_another_one_does_not(some, labels):
    one = RepertoireClassifier(**QUICK).fit(some, labels)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    assert same(RepertoireClassifier(**QUICK).fit(some, labels), one)
    assert torch.equal(torch.get_rng_state(), state)
    assert not same(RepertoireClassifier(**QUICK, seed=1).fit(some, labels), one)


def test_scikit_learn_can_copy_set_and_split_it(some, labels):
    model = RepertoireClassifier(**QUICK)
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    assert copied.set_params(heads=3) is copied
    assert copied.get_params() == model.get_params() | {"heads": 3}
    with pytest.raises(ValueError, match="depth"):
        copied.set_params(depth=3)
    assert same(clone(model.fit(some, labels)).fit(some, labels), model)
    scores = cross_val_score(model, some, labels.to_list(), cv=2)
    assert scores.shape == (2,)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_arguments_are_those_of_the_network_and_its_training(some, labels, rows):
    model = RepertoireClassifier(
        kernels=3, kernel_size=15, heads=5, queries=4, v_size=1, j_size=0, start="random"
    ).fit(some, labels)
    a = model.network_.architecture
    assert (a.kernels, a.kernel_size, a.heads, a.queries, a.v_size, a.j_size) == (3, 15, 5, 4, 1, 0)
    learned = {v for i in rows[0].train for v in some[i].v_genes}
    assert {*a.v_genes} == learned - {""}


def test_missing_labels_change_nothing(planted):
    some = planted.repertoires[:20]
    labels = planted.metadata["diagnosis"][:20].to_list()
    missing = [None if i % 4 == 3 else label for i, label in enumerate(labels)]
    kept = [i for i, label in enumerate(missing) if label is not None]
    settings = SMALL | {"epochs": 1}
    one = RepertoireClassifier(**settings).fit(some, missing)
    other = RepertoireClassifier(**settings).fit([some[i] for i in kept], [labels[i] for i in kept])
    assert same(one, other)
    assert one.history_ == other.history_ or np.isnan(one.history_.training[0])
    told = one.predict([some[i] for i in kept])
    accuracy = np.mean(told == np.array(labels)[kept])
    assert one.score(some, missing) == accuracy


def test_classes_are_told(planted):
    some = planted.repertoires[:18]
    kinds = ["abc"[i % 3] for i in range(18)]
    model = RepertoireClassifier(**QUICK).fit(some, kinds)
    found = model.predict_proba(some)
    assert found.shape == (18, 3)
    np.testing.assert_allclose(found.sum(1), 1)
    assert model.classes_.tolist() == ["a", "b", "c"]
    assert {*model.predict(some)} <= {"a", "b", "c"}
    assert model.score(some, kinds) == np.mean(model.predict(some) == np.array(kinds))


def test_quantities_are_told_in_their_units(planted):
    some = planted.repertoires[:20]
    age = Target.of("age", pl.Series(np.linspace(1000, 1100, 20)), "regression")
    model = RepertoireClassifier(**QUICK | {"epochs": 2}).fit(some, age)
    told = model.predict(some)
    assert told.shape == (20,)
    assert ((told > 900) & (told < 1200)).all()
    np.testing.assert_array_equal(model.predict_proba(some), told)
    left = np.square(told - age.values).sum() / np.square(age.values - age.values.mean()).sum()
    assert model.score(some, age) == pytest.approx(1 - left)
    assert model.classes_.size == 0


def test_several_targets_are_learned_together(planted):
    some, metadata = planted.repertoires[:20], planted.metadata[:20]
    targets = [
        Target.of("diagnosis", metadata["diagnosis"]),
        Target.of("kind", pl.Series(["abc"[i % 3] for i in range(20)])),
        Target.of("age", pl.Series(np.linspace(20, 80, 20)), "regression"),
    ]
    model = RepertoireClassifier(**SMALL | {"epochs": 1}).fit(some, targets)
    assert model.decision_function(some).shape == (20, 1 + 3 + 1)
    found = model.predict_proba(some)
    assert [part.shape for part in found] == [(20, 2), (20, 3), (20,)]
    told = model.predict(some)
    assert told.shape == (20, 3)
    assert {*told[:, 0]} <= {"healthy", "positive"}
    assert all(isinstance(age, float) for age in told[:, 2])
    assert len(model.screens_) == 3
    assert model.score(some, targets) == np.mean(told[:, 0] == metadata["diagnosis"].to_numpy())


def test_a_group_is_not_split(some, rows):
    subject = [i // 2 for i in range(14)]
    labels = ["ill" if s % 2 else "no" for s in subject]
    RepertoireClassifier(**QUICK).fit(some, labels, groups=subject)
    (cohort,) = rows
    learning, validating = (
        {subject[i] for i in part} for part in (cohort.train, cohort.validation)
    )
    assert not learning & validating
    assert learning | validating == {*subject}
    assert validating


def test_a_group_is_not_split_by_labels_that_are_missing(some, rows):
    subject = np.arange(14) // 2
    first = pl.Series([None if i % 2 else f"{i // 2 % 2}" for i in range(14)])
    second = pl.Series([f"{i // 2 % 3}" for i in range(14)])
    targets = [Target.of("first", first), Target.of("second", second)]
    RepertoireClassifier(**QUICK).fit(some, targets, groups=pl.Series(subject))
    (cohort,) = rows
    assert sorted([*cohort.train, *cohort.validation]) == [*range(14)]
    assert len(cohort.validation)
    assert not {*subject[cohort.train]} & {*subject[cohort.validation]}


def test_the_share_that_validates(some, labels, rows):
    for share, wanted in ((0, 0), (0.2, 3), (0.5, 7)):
        RepertoireClassifier(**QUICK, validation=share).fit(some, labels)
        assert abs(len(rows[-1].validation) - wanted) <= 1
        assert sorted([*rows[-1].train, *rows[-1].validation]) == [*range(14)]


def test_without_validation_all_epochs_are_made(some, labels):
    settings = QUICK | {"epochs": 5, "patience": 1, "validation": 0}
    history = RepertoireClassifier(**settings).fit(some, labels).history_
    assert len(history.training) == 6
    assert history.best == 5
    assert np.isnan(history.validation).all()


def test_the_screen_sees_the_rows_to_learn_from_alone(planted, monkeypatch):
    seen = []
    screen = classifier.screen
    monkeypatch.setattr(
        classifier, "screen", lambda *given: seen.append(given[2]) or screen(*given)
    )
    model = RepertoireClassifier(**SMALL | {"epochs": 0})
    model.fit(planted.repertoires[:20], planted.metadata["diagnosis"][:20])
    assert len(seen[0]) == 16


def test_rates_that_are_known_already_give_the_same(planted):
    some, labels = planted.repertoires[:20], planted.metadata["diagnosis"][:20]
    model = RepertoireClassifier(**SMALL | {"epochs": 0})
    one = parameters(model.fit(some, labels, rates=rates_of(some)))
    other = parameters(model.fit(some, labels))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_screen_that_finds_nothing_is_a_start_too():
    some = [repertoire(["CAF", f"C{'ACDEFGHIKLMNPQ'[i]}"]) for i in range(14)]  # no 4-mers
    model = RepertoireClassifier(**SMALL | {"epochs": 1}).fit(some, [i % 2 for i in range(14)])
    assert len(model.screens_[0].features) == 0
    assert np.isfinite(model.predict_proba(some)).all()


def test_a_single_receptor_each_is_enough():
    some = [repertoire(drawn(1, i, (8, 12))) for i in range(14)]
    model = RepertoireClassifier(**QUICK).fit(some, [i % 2 for i in range(14)])
    assert np.isfinite(model.predict_proba(some)).all()


def test_before_fit_each_method_says_so(some, tmp_path):
    model = RepertoireClassifier()
    for call in (
        lambda: model.predict(some),
        lambda: model.predict_proba(some),
        lambda: model.decision_function(some),
        lambda: model.score(some, [0] * 7 + [1] * 7),
        lambda: model.save(tmp_path / "model"),
    ):
        with pytest.raises(ArgumentError, match="not fit"):
            call()
    assert not (tmp_path / "model").exists()


def test_another_locus_is_an_error(fitted, some, labels):
    igh = [repertoire(drawn(5), "IGH")]
    with pytest.raises(ArgumentError, match="of locus IGH; the model knows TRB"):
        fitted.predict(igh)
    with pytest.raises(ArgumentError, match="2 loci"):
        fitted.predict([*some, *igh])
    with pytest.raises(ArgumentError, match="2 loci"):
        RepertoireClassifier(**QUICK).fit([*some[:-1], *igh], labels)


def test_empty_repertoires_are_an_error(fitted, some, labels):
    empty = repertoire([])
    with pytest.raises(
        ArgumentError, match="1 repertoires hold no receptor, the first is number 2"
    ):
        fitted.predict([some[0], some[1], empty])
    with pytest.raises(ArgumentError, match="number 0"):
        RepertoireClassifier(**QUICK).fit([empty, *some[1:]], labels)
    with pytest.raises(ArgumentError, match="0 loci"):
        fitted.predict([])


def test_lengths_that_differ_are_errors(some, labels):
    model = RepertoireClassifier(**QUICK)
    with pytest.raises(ArgumentError, match=r"shape \(13,\) for 14"):
        model.fit(some, labels[:-1])
    with pytest.raises(ArgumentError, match="13 labels for 14"):
        model.fit(some, Target.of("diagnosis", labels[:-1]))
    with pytest.raises(ArgumentError, match="13 entries for 14"):
        model.fit(some, labels, groups=range(13))
    with pytest.raises(ArgumentError, match="rates"):
        model.set_params(start="screen").fit(some, labels, rates=rates_of(some[:-1]))


@pytest.mark.parametrize(
    "wrong",
    [["a"] * 14, [None] * 14, [None] * 13 + ["a"], [], [["a", "b"]] * 14],
    ids=["alike", "none", "one", "empty", "two columns"],
)
def test_labels_that_tell_nothing_are_errors(some, wrong):
    with pytest.raises(ArgumentError, match="label"):
        RepertoireClassifier(**QUICK).fit(some, wrong)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kernels", 0),
        ("kernel_size", 8),
        ("heads", 0),
        ("queries", 1.5),
        ("v_size", -1),
        ("start", "seeded"),
        ("most_kmers", 0),
        ("epochs", -1),
        ("patience", 0),
        ("batch", 0),
        ("learning_rate", 0.0),
        ("learning_rate", "fast"),
        ("approximate", 0.0),
        ("approximate", 1.5),
        ("validation", 0.9),
        ("validation", "some"),
        ("validation", float("nan")),
        ("device", "abacus"),
        ("device", "meta"),
        ("seed", -1),
        ("seed", 0.5),
    ],
)
def test_arguments_that_make_no_sense_are_errors(some, labels, name, value):
    with pytest.raises(HopfieldError, match=name):
        RepertoireClassifier(**QUICK | {name: value}).fit(some, labels)
