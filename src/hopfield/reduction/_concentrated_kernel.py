"""The compiled loops of `concentrated`; importing this file needs numba."""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from hopfield.reduction._exp import LOWEST, exp
from hopfield.reduction._fused_kernel import FASTMATH, LEAST, TILE, score, weigh, weighted_sum

f32 = np.float32


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def masses(
    scores: NDArray[np.float32],
    count: int,
    tops: NDArray[np.float32],
    sums: NDArray[np.float32],
) -> None:
    """Write the sums (S, tiles) of exp(score − top) of each tile of `scores[:, :count]`."""
    for s in range(scores.shape[0]):
        top = max(tops[s], LEAST)
        for tile in range(sums.shape[1]):
            some = scores[s, tile * TILE : min((tile + 1) * TILE, count)]
            total = f32(0.0)
            for j in range(some.shape[0]):
                total += exp(max(some[j] - top, LOWEST))
            sums[s, tile] = total


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def read_out(
    query: NDArray[np.float32],
    stored: NDArray[Any],
    bias: NDArray[np.float32],
    values: NDArray[Any],
    log_partition: NDArray[np.float32],
    heavy: NDArray[np.bool_],
    blocks: NDArray[np.int64],
    readout: NDArray[np.float64],
    totals: NDArray[np.float64],
) -> None:
    """Add the weighted `values` (N, v) of the heavy tiles `(B, S, tiles)` of some blocks.

    Adds to `readout` (S, v), and the weights to `totals` (S, 1).
    """
    tiles = heavy.shape[2]
    weights, part = np.empty(TILE, f32), np.empty(values.shape[1], f32)
    for block in blocks:
        for tile in range(tiles):
            start = (block * tiles + tile) * TILE
            patterns, added = stored[start : start + TILE], bias[start : start + TILE]
            for s in range(query.shape[0]):
                if heavy[block, s, tile]:
                    score(query[s], patterns, added, weights)
                    totals[s, 0] += weigh(weights, patterns.shape[0], log_partition[s])
                    weighted_sum(weights, values[start : start + TILE], part)
                    for i in range(part.shape[0]):
                        readout[s, i] += part[i]
