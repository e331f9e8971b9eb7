"""How well predictions agree with labels: with intervals, by fold and pooled; two models compared.

Intervals hold 95 %. Repertoires without a label are left out.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats
from sklearn import metrics

from hopfield.errors import ArgumentError, ShapeError
from hopfield.repertoire.targets import Target

Array = NDArray[np.float64]
Z = float(stats.norm.ppf(0.975))
BINS = 10


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval of 95 %; NaN where there is none, and `note` says why."""

    value: float
    low: float
    high: float
    note: str = ""


@dataclass(frozen=True, eq=False)
class Roc:
    """The points of a ROC curve, `(P,)` each; none where only one class is there."""

    false_positive: Array
    true_positive: Array
    threshold: Array


@dataclass(frozen=True, eq=False)
class Reliability:
    """Predicted probability against observed share, one entry for each bin that is not empty.

    Attributes:
        predicted: mean probability of the repertoires in the bin, `(B,)`.
        observed: share of positives among them, `(B,)`.
        low: of Wilson's interval of that share, `(B,)`.
        high: likewise.
        counts: repertoires in the bin, `(B,)`.
    """

    predicted: Array
    observed: Array
    low: Array
    high: Array
    counts: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class BinaryMetrics:
    """Predictions of a binary target.

    Attributes:
        repertoires: how many have a label.
        positives: how many of them are positive.
        auc: area under the ROC curve.
        average_precision: area under the precision-recall curve, as a step function.
        brier: mean squared error of the probability of the positive class.
        roc: the curve.
        reliability: in ten bins of equal width.
    """

    repertoires: int
    positives: int
    auc: Estimate
    average_precision: float
    brier: float
    roc: Roc
    reliability: Reliability

    @property
    def headline(self) -> Estimate:
        """The figure by which models are compared: the AUC."""
        return self.auc


@dataclass(frozen=True, eq=False)
class MulticlassMetrics:
    """Predictions of one of several classes.

    Attributes:
        repertoires: how many have a label.
        auc: the mean over classes of the AUC of one class against the rest.
        class_aucs: these, one for each class.
        accuracy: share of repertoires whose most probable class is theirs; Wilson's interval.
        brier: mean over repertoires of the squared error summed over classes, from 0 to 2.
        confusion: repertoires by class and most probable class, `(C, C)`.
    """

    repertoires: int
    auc: Estimate
    class_aucs: tuple[Estimate, ...]
    accuracy: Estimate
    brier: float
    confusion: NDArray[np.int64]

    @property
    def headline(self) -> Estimate:
        """The figure by which models are compared: the mean AUC."""
        return self.auc


@dataclass(frozen=True)
class RegressionMetrics:
    """Predictions of a quantity.

    Attributes:
        repertoires: how many have a label.
        r2: share of the variance that is explained; below 0 where the mean would be better.
        mae: mean absolute error.
        spearman: rank correlation; interval of Bonett and Wright 2000.
    """

    repertoires: int
    r2: Estimate
    mae: float
    spearman: Estimate

    @property
    def headline(self) -> Estimate:
        """The figure by which models are compared: R²."""
        return self.r2


Metrics = BinaryMetrics | MulticlassMetrics | RegressionMetrics


@dataclass(frozen=True, eq=False)
class FoldMetrics:
    """Predictions of the test rows of a cross-validation.

    Attributes:
        pooled: of all folds together, which takes the predictions of different folds as comparable.
        folds: of each fold.
        mean: of the headline figure over the folds that have one, with Student's interval.
    """

    pooled: Metrics
    folds: tuple[Metrics, ...]
    mean: Estimate


@dataclass(frozen=True)
class Paired:
    """Two models on the same repertoires.

    Attributes:
        difference: of their headline figures, first minus second.
        p: two-sided, that there is no difference.
    """

    difference: Estimate
    p: float


def judge(target: Target, predicted: Array) -> Metrics:
    """Predictions against labels.

    Args:
        target: labels of R repertoires; those without one are left out.
        predicted: probabilities of the classes, `(R, C)`, also for two; of a quantity `(R,)`.

    Raises:
        ShapeError: the predictions have another shape.
        ArgumentError: no repertoire has a label; one that has is not predicted, or not by a
            probability.
    """
    truth, predicted = _labelled(target, predicted)
    return JUDGES[target.kind](truth, predicted)


def judge_folds(target: Target, predicted: Array, fold: NDArray[np.int64]) -> FoldMetrics:
    """Predictions of a cross-validation, by fold and pooled.

    Args:
        target: labels of R repertoires.
        predicted: as for `judge`, each by the model that was not trained on the repertoire.
        fold: `(R,)`, in which fold it was tested; −1 where in none.

    Raises:
        ShapeError, ArgumentError: as for `judge`.
    """
    pooled = judge(target.subset(np.flatnonzero(fold >= 0)), predicted[fold >= 0])
    members = (np.flatnonzero(fold == f) for f in np.unique(fold[(fold >= 0) & target.labelled]))
    folds = tuple(judge(target.subset(rows), predicted[rows]) for rows in members)
    return FoldMetrics(pooled, folds, mean([one.headline.value for one in folds]))


def paired(target: Target, first: Array, second: Array) -> Paired:
    """Whether one model is better than another on the same repertoires.

    The test of DeLong, DeLong and Clarke-Pearson 1988 for AUCs and means of AUCs; for R² the same
    with the influence of each repertoire on it.

    Args:
        target: labels of R repertoires.
        first: predictions as for `judge`.
        second: likewise, of the other model.

    Raises:
        ShapeError, ArgumentError: as for `judge`.
    """
    one, other = (HEADLINES[target.kind](*_labelled(target, p)) for p in (first, second))
    difference = one.value - other.value
    error = _norm(one.influence - other.influence)
    interval = Estimate(difference, difference - Z * error, difference + Z * error, one.note)
    return Paired(
        interval, math.erfc(abs(difference) / error / 2**0.5) if error else difference == 0
    )


def mean(values: list[float]) -> Estimate:
    """The mean of figures that are at most 1, with Student's interval; NaNs are left out."""
    there = np.array([value for value in values if not math.isnan(value)])
    if len(there) < 2:
        value = there.mean() if len(there) else math.nan
        return Estimate(value, math.nan, math.nan, "fewer than two folds have a value")
    half = stats.t.ppf(0.975, len(there) - 1) * stats.sem(there)
    note = f"of {len(there)} of {len(values)} folds" if len(there) < len(values) else ""
    return Estimate(there.mean(), there.mean() - half, min(1.0, there.mean() + half), note)


class Headline(NamedTuple):
    """A figure and how much each repertoire moves it, `(n,)`: the squares sum to its variance."""

    value: float
    influence: Array
    note: str = ""


def _labelled(target: Target, predicted: Array) -> tuple[Array, Array]:
    """Labels and predictions of the repertoires that have a label."""
    classes = () if target.kind == "regression" else (len(target.classes),)
    if predicted.shape != (len(target), *classes):
        raise ShapeError(
            f"predicted has shape {predicted.shape}; {(len(target), *classes)} is expected for "
            f"target {target.name!r}"
        )
    truth, predicted = target.values[target.labelled], predicted[target.labelled]
    if not len(truth):
        raise ArgumentError(f"no repertoire has a label of target {target.name!r}")
    if not np.isfinite(predicted).all():
        raise ArgumentError(
            f"{(~np.isfinite(predicted.reshape(len(truth), -1)).all(1)).sum()} of {len(truth)} "
            f"repertoires with a label of target {target.name!r} have no finite prediction"
        )
    if classes and not (predicted.min() >= 0 and predicted.max() <= 1):
        raise ArgumentError(
            f"predictions of target {target.name!r} go from {predicted.min():g} to "
            f"{predicted.max():g}; probabilities are expected"
        )
    return truth, predicted


def _binary(truth: Array, predicted: Array) -> BinaryMetrics:
    positive, probability = truth == 1, predicted[:, 1]
    both = 0 < positive.sum() < len(positive)
    curve = metrics.roc_curve(positive, probability) if both else (np.empty(0),) * 3
    return BinaryMetrics(
        repertoires=len(truth),
        positives=int(positive.sum()),
        auc=_auc(positive, probability),
        average_precision=(
            float(metrics.average_precision_score(positive, probability)) if both else math.nan
        ),
        brier=float(np.mean((probability - truth) ** 2)),
        roc=Roc(*curve),
        reliability=_reliability(positive, probability),
    )


def _multiclass(truth: Array, predicted: Array) -> MulticlassMetrics:
    classes = predicted.shape[1]
    label, guess = truth.astype(np.int64), predicted.argmax(1)
    one_hot = np.eye(classes)[label]
    sizes = np.bincount(label, minlength=classes)
    smallest = int(sizes[sizes > 0].min())
    right = int((guess == label).sum())
    low, high = _wilson(np.array([right]), np.array([len(label)]))
    return MulticlassMetrics(
        repertoires=len(truth),
        auc=_area(_one_against_rest(truth, predicted), smallest, len(truth) - smallest),
        class_aucs=tuple(_auc(label == c, predicted[:, c]) for c in range(classes)),
        accuracy=Estimate(right / len(label), low[0], high[0]),
        brier=float(((predicted - one_hot) ** 2).sum(1).mean()),
        confusion=metrics.confusion_matrix(label, guess, labels=range(classes)),
    )


def _regression(truth: Array, predicted: Array) -> RegressionMetrics:
    r2 = _explained(truth, predicted)
    error = Z * _norm(r2.influence)
    return RegressionMetrics(
        repertoires=len(truth),
        r2=Estimate(r2.value, r2.value - error, min(1.0, r2.value + error), r2.note),
        mae=float(np.abs(truth - predicted).mean()),
        spearman=_spearman(truth, predicted),
    )


JUDGES: dict[str, Callable[[Array, Array], Metrics]] = {
    "binary": _binary,
    "multiclass": _multiclass,
    "regression": _regression,
}
HEADLINES: dict[str, Callable[[Array, Array], Headline]] = {
    "binary": lambda truth, predicted: _placements(truth == 1, predicted[:, 1]),
    "multiclass": lambda truth, predicted: _one_against_rest(truth, predicted),
    "regression": lambda truth, predicted: _explained(truth, predicted),
}


def _auc(positive: NDArray[np.bool_], score: Array) -> Estimate:
    return _area(_placements(positive, score), int(positive.sum()), int((~positive).sum()))


def _area(area: Headline, positives: int, negatives: int) -> Estimate:
    """An AUC with its interval: DeLong's on the logit scale, which never leaves 0 to 1.

    Where DeLong has none (all ranked right or all wrong, or a class of one) it is method 5 of
    Newcombe 2006 (Statistics in Medicine 25:559).
    """
    value, error = area.value, _norm(area.influence)
    if math.isnan(value):
        low, high = math.nan, math.nan
    elif value in (0, 1) or math.isnan(error):
        low = _newcombe(value, positives, negatives)
        high = 1 - _newcombe(1 - value, positives, negatives)
    else:
        middle, half = math.log(value / (1 - value)), Z * error / (value * (1 - value))
        low, high = (1 / (1 + math.exp(-bound)) for bound in (middle - half, middle + half))
    return Estimate(value, low, high, area.note)


def _newcombe(auc: float, positives: int, negatives: int) -> float:
    """The lower bound of an AUC: the value which is Z of its own standard errors below it."""
    if auc == 0:
        return 0.0
    size = (positives + negatives) / 2 - 1

    def excess(t: float) -> float:
        variance = t * (1 - t) * (1 + size * ((1 - t) / (2 - t) + t / (1 + t)))
        return (auc - t) ** 2 - Z**2 * variance / (positives * negatives)

    return float(optimize.brentq(excess, 0.0, min(auc, 1 - 1e-9)))


def _placements(positive: NDArray[np.bool_], score: Array) -> Headline:
    """The AUC, and by how much each repertoire moves it: DeLong's placements, by ranks.

    Ranks as in Sun and Xu 2014 (IEEE Signal Processing Letters 21:1389).
    """
    m, n = int(positive.sum()), int((~positive).sum())
    if not m or not n:
        note = "no repertoire is positive" if n else "no repertoire is negative"
        return Headline(math.nan, np.full(len(score), math.nan), note)
    ranks = stats.rankdata(score)
    above = (ranks[positive] - stats.rankdata(score[positive])) / n
    below = 1 - (ranks[~positive] - stats.rankdata(score[~positive])) / m
    value = float(above.mean())
    influence = np.empty(len(score))
    influence[positive] = (above - value) / math.sqrt(m * (m - 1)) if m > 1 else math.nan
    influence[~positive] = (below - value) / math.sqrt(n * (n - 1)) if n > 1 else math.nan
    return Headline(value, influence)


def _one_against_rest(truth: Array, predicted: Array) -> Headline:
    """The mean of the AUCs of the classes that are there and are not alone."""
    areas = [_placements(truth == c, predicted[:, c]) for c in range(predicted.shape[1])]
    there = [area for area in areas if not area.note]
    if not there:
        return Headline(math.nan, areas[0].influence, "all repertoires are of one class")
    missing = len(areas) - len(there)
    return Headline(
        float(np.mean([area.value for area in there])),
        np.mean([area.influence for area in there], 0),
        f"{missing} of {len(areas)} classes have no repertoire here" if missing else "",
    )


def _explained(truth: Array, predicted: Array) -> Headline:
    """R²; the influence of a repertoire is that of a ratio of two means."""
    variance = truth.var()
    if variance == 0:
        return Headline(math.nan, np.full(len(truth), math.nan), "all labels are equal")
    squares, error = (truth - predicted) ** 2, np.mean((truth - predicted) ** 2)
    share = error / variance
    influence = (share * ((truth - truth.mean()) ** 2) - squares) / variance / len(truth)
    return Headline(float(1 - share), influence)


def _spearman(truth: Array, predicted: Array) -> Estimate:
    n = len(truth)
    if np.ptp(truth) == 0 or np.ptp(predicted) == 0:
        what = "labels" if np.ptp(truth) == 0 else "predictions"
        return Estimate(math.nan, math.nan, math.nan, f"all {what} are equal")
    value = float(stats.spearmanr(truth, predicted).statistic)
    if n < 4:
        return Estimate(value, math.nan, math.nan, "fewer than 4 repertoires")
    middle = math.atanh(np.clip(value, -1 + 1e-12, 1 - 1e-12))
    half = Z * math.sqrt((1 + value**2 / 2) / (n - 3))
    return Estimate(value, math.tanh(middle - half), math.tanh(middle + half))


def _reliability(positive: NDArray[np.bool_], probability: Array) -> Reliability:
    place = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    filled = counts > 0
    sums = (np.bincount(place, weights, BINS)[filled] for weights in (probability, positive))
    counts = counts[filled]
    total, positives = sums
    low, high = _wilson(positives, counts)
    return Reliability(total / counts, positives / counts, low, high, counts)


def _wilson(successes: NDArray[Any], trials: NDArray[Any]) -> tuple[Array, Array]:
    """Wilson's interval of shares."""
    share, wide = successes / trials, Z**2 / trials
    middle = share + wide / 2
    half = np.sqrt(wide * (share * (1 - share) + wide / 4))
    low, high = (middle - half) / (1 + wide), (middle + half) / (1 + wide)
    return np.where(successes == 0, 0.0, low), np.where(successes == trials, 1.0, high)


def _norm(influence: Array) -> float:
    return float(np.sqrt(np.square(influence).sum()))
