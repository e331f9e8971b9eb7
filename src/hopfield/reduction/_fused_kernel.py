"""The compiled loops of `fused`; importing this file needs numba."""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from hopfield.reduction._exp import LOWEST, exp
from hopfield.reduction._wide import wide

TILE = 64  # patterns scored before they are read out, small enough to stay in the first-level cache
LEAST = np.finfo(np.float32).min  # where a running maximum begins: no −inf − (−inf) anywhere
FASTMATH = {"nnan", "nsz", "arcp", "contract", "afn", "reassoc"}

f32 = np.float32


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def softmax_readout(
    query: NDArray[np.float32],
    stored: NDArray[Any],
    bias: NDArray[np.float32],
    low: int,
    high: int,
    readout: NDArray[np.float32],
    log_partition: NDArray[np.float32],
) -> None:
    """Softmax read-out of `stored[low:high]` (N, d) for scaled states `query` (S, d).

    The patterns are float32 or the bits of bfloat16; the bias is (N,), or (0,) for none. Writes
    `readout` (S, d) and `log_partition` (S,).
    """
    states, width = query.shape
    scores, part = np.empty(TILE, f32), np.empty(width, f32)
    # Sums over millions of patterns would drift in float32 where all terms are alike.
    totals, sums = np.zeros(states), np.zeros((states, width))
    tops = np.full(states, LEAST, f32)
    for start in range(low, high, TILE):
        patterns = stored[start : min(start + TILE, high)]
        added = bias[start : min(start + TILE, high)]
        count = patterns.shape[0]
        for s in range(states):
            score(query[s], patterns, added, scores)
            higher = tops[s]
            for j in range(count):
                higher = max(higher, scores[j])
            if higher > tops[s]:
                shrink = exp(max(tops[s] - higher, LOWEST))
                totals[s] *= shrink
                for i in range(width):
                    sums[s, i] *= shrink
                tops[s] = higher
            totals[s] += weigh(scores, count, higher)
            weighted_sum(scores, patterns, part)
            for i in range(width):
                sums[s, i] += part[i]
    for s in range(states):
        hidden = tops[s] == LEAST
        for i in range(width):
            readout[s, i] = f32(0.0) if hidden else sums[s, i] / totals[s]
        log_partition[s] = -np.inf if hidden else tops[s] + np.log(totals[s])


# Each of these takes a slice of the patterns: indices that start at 0 are what vectorises well.


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def score(
    query: NDArray[np.float32],
    patterns: NDArray[Any],
    bias: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> None:
    """Write the scores of one state (d,) with some patterns (count, d)."""
    for j in range(patterns.shape[0]):
        total = f32(0.0)
        for i in range(query.shape[0]):
            total += query[i] * wide(patterns[j, i])
        scores[j] = total
    for j in range(bias.shape[0]):
        scores[j] += bias[j]


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def weigh(scores: NDArray[np.float32], count: int, top: np.float32) -> np.float32:
    """Turn scores into exp(score − top), in place; their sum."""
    total = f32(0.0)
    for j in range(count):
        scores[j] = exp(max(scores[j] - top, LOWEST))
        total += scores[j]
    return total


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def weighted_sum(
    weights: NDArray[np.float32], patterns: NDArray[Any], total: NDArray[np.float32]
) -> None:
    """Write the weighted sum (v,) of some patterns (count, v)."""
    count, width = patterns.shape
    fours = count // 4 * 4
    total[:] = f32(0.0)
    for j in range(0, fours, 4):
        a, b, c, d = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
        four = patterns[j : j + 4]
        for i in range(width):
            total[i] += (
                a * wide(four[0, i])
                + b * wide(four[1, i])
                + c * wide(four[2, i])
                + d * wide(four[3, i])
            )
    for j in range(fours, count):
        for i in range(width):
            total[i] += weights[j] * wide(patterns[j, i])
