"""The compiled loops of `fused`; importing this file needs numba."""

import numba
import numpy as np
from numpy.typing import NDArray

from hopfield.reduction._exp import LOWEST, exp

TILE = 64  # patterns scored before they are read out, small enough to stay in the first-level cache
FASTMATH = {"nnan", "nsz", "arcp", "contract", "afn", "reassoc"}

f32 = np.float32


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def softmax_readout(
    query: NDArray[np.float32],
    stored: NDArray[np.float32],
    low: int,
    high: int,
    readout: NDArray[np.float32],
    log_partition: NDArray[np.float32],
) -> None:
    """Softmax read-out of `stored[low:high]` (N, d) for scaled states `query` (S, d).

    Writes `readout` (S, d) and `log_partition` (S,).
    """
    states, width = query.shape
    scores = np.empty(TILE, f32)
    totals = np.zeros(states, f32)
    readout[:] = f32(0.0)
    log_partition[:] = -np.inf  # the running maximum, until the end
    for start in range(low, high, TILE):
        count = min(TILE, high - start)
        for s in range(states):
            top = log_partition[s]
            for j in range(count):
                score = f32(0.0)
                for i in range(width):
                    score += query[s, i] * stored[start + j, i]
                scores[j] = score
            higher = top
            for j in range(count):
                higher = max(higher, scores[j])
            if higher > top:
                shrink = exp(max(top - higher, LOWEST))
                totals[s] *= shrink
                for i in range(width):
                    readout[s, i] *= shrink
                log_partition[s] = higher
            total = f32(0.0)
            for j in range(count):
                scores[j] = exp(max(scores[j] - higher, LOWEST))
                total += scores[j]
            totals[s] += total
            fours = count // 4 * 4
            for j in range(0, fours, 4):
                a, b, c, d = scores[j], scores[j + 1], scores[j + 2], scores[j + 3]
                row = start + j
                for i in range(width):
                    readout[s, i] += (
                        a * stored[row, i]
                        + b * stored[row + 1, i]
                        + c * stored[row + 2, i]
                        + d * stored[row + 3, i]
                    )
            for j in range(fours, count):
                for i in range(width):
                    readout[s, i] += scores[j] * stored[start + j, i]
    for s in range(states):
        for i in range(width):
            readout[s, i] /= totals[s]
        log_partition[s] += np.log(totals[s])
