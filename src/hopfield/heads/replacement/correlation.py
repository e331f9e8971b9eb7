"""Whether heads that rest on many keys are the ones that can be replaced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from hopfield.heads.replacement.scores import HeadScore


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of k̄ / N with the damage of a kind of replacement.

    Attributes:
        kind: of replacement.
        rho: over all heads; −1: the more keys a head rests on, the less its replacement harms.
            NaN where all damages or all k are the same.
        p: two-sided, that there is none, as if heads were independent.
        within: the mean over layers of that among the heads of a layer.
        heads: how many there are.
    """

    kind: str
    rho: float
    p: float
    within: float
    heads: int


def correlate(
    scores: Sequence[HeadScore], k90: Mapping[tuple[str, int], float]
) -> list[Correlation]:
    """The correlation for each kind.

    Args:
        scores: of heads by kinds.
        k90: the median share of the visible keys that hold 90 % of the weight, by layer and head.
    """
    found = []
    for kind in dict.fromkeys(score.kind for score in scores):
        own = [score for score in scores if score.kind == kind]
        rho, p = _spearman(own, k90)
        layers = dict.fromkeys(score.layer for score in own)
        each = [_spearman([s for s in own if s.layer == layer], k90)[0] for layer in layers]
        there = [one for one in each if not np.isnan(one)]
        found.append(
            Correlation(kind, rho, p, float(np.mean(there)) if there else np.nan, len(own))
        )
    return found


def _spearman(
    scores: Sequence[HeadScore], k90: Mapping[tuple[str, int], float]
) -> tuple[float, float]:
    share = [k90[score.layer, score.head] for score in scores]
    damage = [score.damage.mean for score in scores]
    if len(scores) < 3 or np.ptp(share) == 0 or np.ptp(damage) == 0:
        return np.nan, np.nan
    found = stats.spearmanr(share, damage)
    return float(found.statistic), float(found.pvalue)
