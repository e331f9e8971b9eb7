"""Metrics against plain definitions, the bootstrap and scikit-learn; what has no value says why."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn import metrics as sklearn

from hopfield.errors import ArgumentError, ShapeError
from hopfield.repertoire.metrics import judge, judge_folds, paired
from hopfield.repertoire.targets import Target

NAMES = ("a", "b", "c", "d")


def target(values, kind="binary"):
    values = np.asarray(values, float)
    classes = int(values.max()) + 1 if kind == "multiclass" else 2
    return Target("label", kind, values, () if kind == "regression" else NAMES[:classes])


def both(probability):
    """Probabilities of the positive class, as those of two classes."""
    return np.stack([1 - np.asarray(probability), probability], 1)


def made(n, shift, seed=0):
    """Labels, and scores of two models that share half of their errors."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, n).astype(float)
    shared, *own = random.normal(size=(3, n))
    return truth, *(1 / (1 + np.exp(-(shared + o + shift * truth))) for o in own)


def resampled(n, times=2000):
    """Rows drawn with replacement, `(times, n)`."""
    return np.random.default_rng(1).integers(0, n, (times, n))


def areas(positive, score):
    """AUCs along the last dimension, by the ranks of the positives (Mann-Whitney)."""
    m = positive.sum(-1)
    ranks = (stats.rankdata(score, axis=-1) * positive).sum(-1)
    return (ranks - m * (m + 1) / 2) / (m * (positive.shape[-1] - m))


def middle(drawn):
    return np.quantile(drawn, (0.025, 0.975))


def test_auc_is_the_share_of_pairs_in_order():
    truth, score, _ = made(60, 1.0)
    score = score.round(1)  # ties
    positive, negative = score[truth == 1], score[truth == 0]
    pairs = [(p > q) + (p == q) / 2 for p in positive for q in negative]
    assert judge(target(truth), both(score)).auc.value == pytest.approx(np.mean(pairs))


def test_delongs_interval_is_the_bootstraps():
    truth, score, _ = made(300, 1.2)
    auc = judge(target(truth), both(score)).auc
    rows = resampled(300)
    drawn = areas(truth[rows], score[rows])
    np.testing.assert_allclose((auc.low, auc.high), middle(drawn), atol=0.01)


def test_delongs_interval_covers():
    inside = 0
    for seed in range(400):
        truth, score, _ = made(80, 1.5, seed)
        auc = judge(target(truth), both(score)).auc
        inside += auc.low <= 0.77337 <= auc.high  # Φ(1.5 / 2)
    assert 0.92 <= inside / 400 <= 0.98


def test_paired_difference_is_the_bootstraps():
    truth, first, second = made(300, 1.0)
    second = second * 0.5 + 0.25 * np.random.default_rng(5).random(300)
    found = paired(target(truth), both(first), both(second))
    rows = resampled(300)
    drawn = areas(truth[rows], first[rows]) - areas(truth[rows], second[rows])
    assert found.difference.value == pytest.approx(areas(truth, first) - areas(truth, second))
    got = (found.difference.low, found.difference.high)
    np.testing.assert_allclose(got, middle(drawn), atol=0.01)
    assert (found.p < 0.05) == (found.difference.low > 0 or found.difference.high < 0)


def test_paired_test_keeps_its_level():
    kinds = [
        paired(target(t), both(a), both(b)).p for t, a, b in (made(80, 1, i) for i in range(400))
    ]
    assert 0.02 <= np.mean(np.array(kinds) < 0.05) <= 0.09


def test_equal_models_do_not_differ():
    truth, score, _ = made(50, 1.0)
    found = paired(target(truth), both(score), both(score / 2))
    assert found.difference.value == 0
    assert found.p == 1


def test_where_influences_cancel_both_intervals_give_that_of_the_difference():
    truth = np.repeat([0.0, 1.0], 10)
    perfect, constant = both(truth), both(np.full(20, 0.5))
    alone = judge(target(truth), perfect).auc
    found = paired(target(truth), perfect, constant)
    assert found.difference.value == 0.5
    assert (found.difference.low, found.difference.high) == (alone.low - 0.5, 0.5)
    assert 0 < found.p < 1e-4
    same = paired(target(truth), perfect, perfect)
    assert same.difference.high == -same.difference.low == pytest.approx(1 - alone.low)
    assert same.p == 1
    few = target([0, 0, 1, 1])
    assert paired(few, both([0, 0, 1, 1]), both([0.5] * 4)).p > 0.01
    nothing = paired(target(truth), constant, constant)
    assert math.isnan(nothing.difference.low)
    assert (nothing.difference.note, nothing.p) == ("both are exact", 1)


def test_figures_without_an_interval_say_why():
    constant = judge(target([0, 1, 0, 1]), both([0.3] * 4)).auc
    assert (constant.value, constant.note) == (0.5, "all predictions are equal")
    flat = judge(target([1.0, 2, 3], "regression"), np.full(3, 2.0)).r2
    assert (flat.value, flat.note) == (0, "all repertoires agree")
    nothing = judge(target([1.0, 1, 1], "regression"), np.full(3, 2.0)).r2
    for estimate in (constant, flat, nothing):
        assert math.isnan(estimate.low)
        assert math.isnan(estimate.high)


def test_all_in_order_has_an_interval_that_narrows():
    few, many = (
        judge(target(np.repeat([0, 1], n)), both(np.linspace(0, 1, 2 * n))).auc for n in (5, 100)
    )
    assert few.value == few.high == many.high == 1
    assert 0.5 < few.low < 0.9 < many.low < 1
    wrong = judge(target(np.repeat([1, 0], 5)), both(np.linspace(0, 1, 10))).auc
    assert (wrong.low, wrong.high) == pytest.approx((0, 1 - few.low))
    alone = judge(target([1, 0, 0, 0]), both([0.3, 0.1, 0.2, 0.4])).auc
    assert 0 < alone.low < alone.value < alone.high < 1


def test_binary_figures():
    truth, score, _ = made(200, 1.0)
    found = judge(target(truth), both(score))
    assert (found.repertoires, found.positives) == (200, truth.sum())
    assert found.brier == pytest.approx(sklearn.brier_score_loss(truth, score))
    assert found.average_precision == pytest.approx(sklearn.average_precision_score(truth, score))
    area = np.trapezoid(found.roc.true_positive, found.roc.false_positive)
    assert area == pytest.approx(found.auc.value) == pytest.approx(found.headline.value)


def test_reliability_of_probabilities_that_are_right():
    random = np.random.default_rng(0)
    probability = random.random(20_000)
    found = judge(target(random.random(20_000) < probability), both(probability)).reliability
    assert found.counts.sum() == 20_000
    assert len(found.counts) == 10
    np.testing.assert_allclose(found.observed, found.predicted, atol=0.03)
    assert ((found.low < found.observed) & (found.observed < found.high)).all()


def test_reliability_by_hand():
    found = judge(target([0, 1, 1, 1]), both([0.0, 0.05, 0.95, 1.0])).reliability
    np.testing.assert_allclose(found.predicted, [0.025, 0.975])
    np.testing.assert_allclose(found.observed, [0.5, 1.0])
    np.testing.assert_allclose(found.low, [0.0945, 0.3424], atol=1e-4)  # Wilson, by hand
    np.testing.assert_allclose(found.high, [0.9055, 1.0], atol=1e-4)


def test_one_class_has_no_auc_and_says_so():
    for label, note in ((0, "no repertoire is positive"), (1, "no repertoire is negative")):
        found = judge(target([label] * 3), both([0.1, 0.2, 0.3]))
        assert math.isnan(found.auc.value)
        assert math.isnan(found.average_precision)
        assert found.auc.note == note
        assert found.roc.threshold.size == 0
        assert found.brier >= 0
    p = both([0.1, 0.2, 0.3])
    assert math.isnan(paired(target([1, 1, 1]), p, p).p)


def test_unlabelled_are_left_out():
    truth, score, _ = made(50, 1.0)
    with_gaps = np.concatenate([truth, [np.nan] * 5])
    wide = both(np.concatenate([score, [0.9] * 4, [np.nan]]))
    assert judge(target(with_gaps), wide).auc == judge(target(truth), both(score)).auc


def test_multiclass():
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 90)
    probability = random.dirichlet(np.ones(3), 90) / 2 + np.eye(3)[truth] / 4 + 1 / 12
    found = judge(target(truth, "multiclass"), probability)
    macro = sklearn.roc_auc_score(truth, probability, multi_class="ovr")
    assert found.headline.value == pytest.approx(macro)
    assert np.mean([auc.value for auc in found.class_aucs]) == pytest.approx(macro)
    rows = resampled(90)
    drawn = np.mean([areas(truth[rows] == c, probability[rows, c]) for c in range(3)], 0)
    np.testing.assert_allclose((found.auc.low, found.auc.high), middle(drawn), atol=0.02)
    assert found.accuracy.value == np.mean(probability.argmax(1) == truth)
    assert found.accuracy.low < found.accuracy.value < found.accuracy.high
    assert found.confusion.trace() == found.accuracy.value * 90
    expected = np.mean(
        [sum((p - np.eye(3)[t]) ** 2) for p, t in zip(probability, truth, strict=True)]
    )
    assert found.brier == pytest.approx(expected)


def test_multiclass_without_a_class():
    first = np.array([0.2, 0.4, 0.4, 0.2])
    probability = np.stack([first, 0.9 - first, np.full(4, 0.1)], 1)
    labels = Target("label", "multiclass", np.array([0.0, 0, 1, 1]), NAMES[:3])
    found = judge(labels, probability)
    assert found.auc.value == 0.5
    assert found.auc.note == "1 of 3 classes have no repertoire here"
    assert found.confusion.shape == (3, 3)
    assert math.isnan(found.class_aucs[2].value)
    alone = judge(Target("label", "multiclass", np.zeros(4), NAMES[:3]), probability)
    assert math.isnan(alone.auc.value)
    assert alone.auc.note == "all repertoires are of one class"


def test_regression():
    random = np.random.default_rng(0)
    truth = random.normal(50, 10, 400)
    predicted = truth + random.normal(0, 8, 400)
    labels = target(truth, "regression")
    found = judge(labels, predicted)
    assert found.headline.value == pytest.approx(sklearn.r2_score(truth, predicted))
    assert found.mae == pytest.approx(sklearn.mean_absolute_error(truth, predicted))
    rows = resampled(400)
    drawn = 1 - ((truth - predicted)[rows] ** 2).mean(1) / truth[rows].var(1)
    np.testing.assert_allclose((found.r2.low, found.r2.high), middle(drawn), atol=0.03)
    assert found.spearman.low < found.spearman.value < found.spearman.high
    worse = paired(labels, predicted, np.full(400, truth.mean()))
    assert worse.difference.value == pytest.approx(found.r2.value)
    assert worse.p < 1e-4


def test_regression_without_spread():
    constant = judge(target([3.0, 3, 3, 3], "regression"), np.arange(4.0))
    assert math.isnan(constant.r2.value)
    assert constant.r2.note == constant.spearman.note == "all labels are equal"
    flat = judge(target([1.0, 2, 3, 4], "regression"), np.zeros(4))
    assert flat.spearman.note == "all predictions are equal"
    assert judge(target([1.0, 2, 3], "regression"), np.arange(3.0)).spearman.value == 1
    exact = judge(target([1.0, 2, 3, 4], "regression"), np.arange(4.0)).spearman
    assert exact.value == pytest.approx(1)
    assert exact.note == "all are in order"


def test_folds():
    truth, score, _ = made(60, 1.0)
    truth[:2] = np.nan
    fold = np.arange(60) % 5 - 1
    found = judge_folds(target(truth), both(score), fold)
    assert len(found.folds) == 4
    assert found.pooled.repertoires == sum(one.repertoires for one in found.folds) == 47
    expected = [judge(target(truth[fold == f]), both(score[fold == f])).auc.value for f in range(4)]
    assert found.mean.value == pytest.approx(np.mean(expected))
    assert found.mean.low < found.mean.value < found.mean.high


def test_folds_of_one_class_and_without_labels():
    truth = np.array([0, 1, 0, 1, 0, 0, np.nan, np.nan])
    score = np.array([0, 1, 1, 0, 0, 1, 0, 1])
    found = judge_folds(target(truth), both(score), np.arange(8) // 2)
    assert [one.repertoires for one in found.folds] == [2, 2, 2]
    assert math.isnan(found.folds[2].auc.value)
    assert found.mean.note == "of 2 of 3 folds"


@given(arrays(bool, st.integers(2, 30)), st.data())
def test_intervals_hold_their_value(positive, data):
    scores = st.floats(0, 1) | st.sampled_from([0.25, 0.5])
    score = data.draw(arrays(float, len(positive), elements=scores))
    found = judge(target(positive), both(score))
    if not math.isnan(found.auc.low):
        assert 0 <= found.auc.low <= found.auc.value + 1e-12
        assert found.auc.value <= found.auc.high + 1e-12 <= 1 + 1e-12
    curve = found.reliability
    assert (curve.low <= curve.observed + 1e-12).all()
    assert (curve.observed <= curve.high + 1e-12).all()


def test_errors():
    labels = target([0, 1])
    with pytest.raises(ShapeError, match=r"\(2,\); \(2, 2\) is expected"):
        judge(labels, np.zeros(2))
    with pytest.raises(ArgumentError, match="1 of 2 repertoires with a label"):
        judge(labels, both([0.5, np.nan]))
    with pytest.raises(ArgumentError, match="from 0 to 2; probabilities"):
        judge(labels, np.array([[0, 2.0], [0, 1]]))
    with pytest.raises(ArgumentError, match="no repertoire has a label"):
        judge(target([np.nan, np.nan]), both([0.5, 0.5]))
