"""Where heads look: the profile of a head, by distances that double."""

import numpy as np
from numpy.typing import NDArray

from hopfield.heads.statistics import Head, HeadStatistics

Array = NDArray[np.float64]


def by_distance(statistics: HeadStatistics, head: Head) -> tuple[list[str], Array]:
    """The mean weight of a pattern, as a multiple of uniform weights, at distances that double.

    Returns:
        Names of the distances, the same for all heads, such as "−3…−2", "−1", "0", "1"; and the
        multiple at each: 1 is what uniform weights give, NaN where no pattern was visible.
    """
    profile = statistics.relative_profile(head)
    farthest = max(tally.profile.shape[-1] for tally in statistics.tallies) // 2
    profile = np.pad(profile, farthest - len(profile) // 2, constant_values=np.nan)
    starts = [2**n for n in range(farthest.bit_length())]
    spans = [(start, min(2 * start - 1, farthest)) for start in starts]
    spans = [(-high, -low) for low, high in reversed(spans)] + [(0, 0)] + spans
    values = [_mean(profile[farthest + low : farthest + high + 1]) for low, high in spans]
    return [_name(low, high) for low, high in spans], np.array(values)


def _mean(values: Array) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else np.nan


def _name(low: int, high: int) -> str:
    first, last = (str(end).replace("-", "−") for end in (low, high))
    return first if low == high else f"{first}…{last}"
