"""Figures and how sure they are: means, shares, AUCs, R², rank correlations, differences.

Intervals hold 95 %. Where those of a formula shrink to nothing, though the figure may be off, there
is none, and a note says why.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

Array = NDArray[np.float64]
Z = float(stats.norm.ppf(0.975))


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval of 95 %; NaN where there is none, and `note` says why."""

    value: float
    low: float
    high: float
    note: str = ""


@dataclass(frozen=True)
class Paired:
    """Two models on the same repertoires.

    Attributes:
        difference: of their headline figures, first minus second.
        p: two-sided, that there is no difference.
    """

    difference: Estimate
    p: float


class Headline(NamedTuple):
    """A figure and how much each repertoire moves it, `(n,)`: the squares sum to its variance."""

    value: float
    influence: Array
    note: str = ""


def without(value: float, note: str) -> Estimate:
    """A figure that has no interval."""
    return Estimate(value, math.nan, math.nan, note)


def mean(values: list[float], least: float = 0.0) -> Estimate:
    """The mean of figures from `least` to 1, with Student's interval; NaNs are left out."""
    there = np.array([value for value in values if not math.isnan(value)])
    if len(there) < 2:
        return without(there.mean() if len(there) else math.nan, "fewer than two folds")
    if np.allclose(there, there[0], rtol=0):
        return without(there.mean(), "all folds are equal")
    half = stats.t.ppf(0.975, len(there) - 1) * stats.sem(there)
    note = f"of {len(there)} of {len(values)} folds" if len(there) < len(values) else ""
    low, high = np.clip([there.mean() - half, there.mean() + half], least, 1)
    return Estimate(there.mean(), low, high, note)


def wilson(successes: NDArray[Any], trials: NDArray[Any]) -> tuple[Array, Array]:
    """Wilson's interval of shares."""
    share, wide = successes / trials, Z**2 / trials
    middle = share + wide / 2
    half = np.sqrt(wide * (share * (1 - share) + wide / 4))
    low, high = (middle - half) / (1 + wide), (middle + half) / (1 + wide)
    return np.where(successes == 0, 0.0, low), np.where(successes == trials, 1.0, high)


def auc(positive: NDArray[np.bool_], score: Array) -> Estimate:
    """The AUC of some scores."""
    return area(placements(positive, score), int(positive.sum()), int((~positive).sum()))


def area(found: Headline, positives: int, negatives: int) -> Estimate:
    """An AUC with its interval: DeLong's on the logit scale, which never leaves 0 to 1.

    Where DeLong has none (all ranked right or all wrong, or a class of one) it is method 5 of
    Newcombe 2006 (Statistics in Medicine 25:559). Scores that are all equal have an AUC of 0.5,
    whatever the repertoires, and no interval.
    """
    value, error = found.value, _norm(found.influence)
    if math.isnan(value):
        return without(value, found.note)
    if value in (0, 1) or math.isnan(error):
        low = _newcombe(value, positives, negatives)
        high = 1 - _newcombe(1 - value, positives, negatives)
    elif error == 0:
        return without(value, "all predictions are equal")
    else:
        middle, half = math.log(value / (1 - value)), Z * error / (value * (1 - value))
        low, high = (1 / (1 + math.exp(-bound)) for bound in (middle - half, middle + half))
    return Estimate(value, low, high, found.note)


def r2(truth: Array, predicted: Array) -> Estimate:
    """R² with the interval of its influences."""
    found = explained(truth, predicted)
    error = Z * _norm(found.influence)
    if not error > 0:
        return without(found.value, found.note or "all repertoires agree")
    return Estimate(found.value, found.value - error, min(1.0, found.value + error))


def spearman(truth: Array, predicted: Array) -> Estimate:
    """Rank correlation, with the interval of Bonett and Wright 2000 (Psychometrika 65:23)."""
    n = len(truth)
    if np.ptp(truth) == 0 or np.ptp(predicted) == 0:
        what = "labels" if np.ptp(truth) == 0 else "predictions"
        return without(math.nan, f"all {what} are equal")
    value = float(stats.spearmanr(truth, predicted).statistic)
    if n < 4:
        return without(value, "fewer than 4 repertoires")
    if abs(value) > 1 - 1e-12:
        return without(value, "all are in order")
    half = Z * math.sqrt((1 + value**2 / 2) / (n - 3))
    return Estimate(value, math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half))


def difference(one: Headline, other: Headline, alone: tuple[Estimate, Estimate]) -> Paired:
    """Two figures of the same repertoires, by their influences (DeLong, for AUCs).

    Where these cancel, as they do if one model ranks all right and the other is constant, the
    interval is that of Zou and Donner 2008 (Statistics in Medicine 27:1693), from those of both
    figures; a figure that has none is exact.

    Args:
        one: the first figure.
        other: what is taken from it.
        alone: both, each with its interval.
    """
    value, error = one.value - other.value, _norm(one.influence - other.influence)
    below = above = Z * error
    if not error > 0:
        first, second = (
            np.nan_to_num([found.value - found.low, found.high - found.value]) for found in alone
        )
        below, above = np.hypot(first, second[::-1])
    side = below if value > 0 else above
    if side == 0:
        return Paired(without(value, one.note or "both are exact"), 1.0 if value == 0 else math.nan)
    p = math.erfc(abs(value) / side * Z / 2**0.5)
    return Paired(Estimate(value, value - below, value + above, one.note), p)


def placements(positive: NDArray[np.bool_], score: Array) -> Headline:
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


def one_against_rest(truth: Array, predicted: Array) -> Headline:
    """The mean of the AUCs of the classes that are there and are not alone."""
    areas = [placements(truth == c, predicted[:, c]) for c in range(predicted.shape[1])]
    there = [found for found in areas if not found.note]
    if not there:
        return Headline(math.nan, areas[0].influence, "all repertoires are of one class")
    missing = len(areas) - len(there)
    return Headline(
        float(np.mean([found.value for found in there])),
        np.mean([found.influence for found in there], 0),
        f"{missing} of {len(areas)} classes have no repertoire here" if missing else "",
    )


def explained(truth: Array, predicted: Array) -> Headline:
    """R²; the influence of a repertoire is that of a ratio of two means."""
    variance = truth.var()
    if variance == 0:
        return Headline(math.nan, np.full(len(truth), math.nan), "all labels are equal")
    squares, error = (truth - predicted) ** 2, np.mean((truth - predicted) ** 2)
    share = error / variance
    influence = (share * ((truth - truth.mean()) ** 2) - squares) / variance / len(truth)
    return Headline(float(1 - share), influence)


def _newcombe(auc: float, positives: int, negatives: int) -> float:
    """The lower bound of an AUC: the value which is Z of its own standard errors below it."""
    if auc == 0:
        return 0.0
    size = (positives + negatives) / 2 - 1

    def excess(t: float) -> float:
        variance = t * (1 - t) * (1 + size * ((1 - t) / (2 - t) + t / (1 + t)))
        return (auc - t) ** 2 - Z**2 * variance / (positives * negatives)

    return float(optimize.brentq(excess, 0.0, min(auc, 1 - 1e-9)))


def _norm(influence: Array) -> float:
    return float(np.sqrt(np.square(influence).sum()))
