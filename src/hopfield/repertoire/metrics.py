"""How well predictions agree with labels, by fold and pooled; two models compared.

Repertoires without a label are left out.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from hopfield.errors import ArgumentError, ShapeError
from hopfield.repertoire import intervals
from hopfield.repertoire.intervals import Estimate, Headline, Paired
from hopfield.repertoire.targets import Target

Array = NDArray[np.float64]
BINS = 10


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
    least = 0.0 if target.classes else -math.inf  # of an AUC, and of R²
    return FoldMetrics(pooled, folds, intervals.mean([one.headline.value for one in folds], least))


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
    alone = judge(target, first).headline, judge(target, second).headline
    return intervals.difference(one, other, alone)


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
        auc=intervals.auc(positive, probability),
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
    low, high = intervals.wilson(np.array([right]), np.array([len(label)]))
    return MulticlassMetrics(
        repertoires=len(truth),
        auc=intervals.area(
            intervals.one_against_rest(truth, predicted), smallest, len(truth) - smallest
        ),
        class_aucs=tuple(intervals.auc(label == c, predicted[:, c]) for c in range(classes)),
        accuracy=Estimate(right / len(label), low[0], high[0]),
        brier=float(((predicted - one_hot) ** 2).sum(1).mean()),
        confusion=metrics.confusion_matrix(label, guess, labels=range(classes)),
    )


def _regression(truth: Array, predicted: Array) -> RegressionMetrics:
    return RegressionMetrics(
        repertoires=len(truth),
        r2=intervals.r2(truth, predicted),
        mae=float(np.abs(truth - predicted).mean()),
        spearman=intervals.spearman(truth, predicted),
    )


JUDGES: dict[str, Callable[[Array, Array], Metrics]] = {
    "binary": _binary,
    "multiclass": _multiclass,
    "regression": _regression,
}
HEADLINES: dict[str, Callable[[Array, Array], Headline]] = {
    "binary": lambda truth, predicted: intervals.placements(truth == 1, predicted[:, 1]),
    "multiclass": intervals.one_against_rest,
    "regression": intervals.explained,
}


def _reliability(positive: NDArray[np.bool_], probability: Array) -> Reliability:
    place = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(place, minlength=BINS)
    filled = counts > 0
    sums = (np.bincount(place, weights, BINS)[filled] for weights in (probability, positive))
    counts = counts[filled]
    total, positives = sums
    low, high = intervals.wilson(positives, counts)
    return Reliability(total / counts, positives / counts, low, high, counts)
