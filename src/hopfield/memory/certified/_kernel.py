"""The compiled loops of `certified`; importing this file needs numba.

Sums over a tile are in float32, sums over tiles in float64, so that the bound on their rounding
does not grow with N.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from hopfield.reduction._fused_kernel import FASTMATH, TILE, score, weigh, weighted_sum

f32, f64 = np.float32, np.float64


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def survey(
    query: NDArray[np.float32],
    codes: NDArray[np.int8],
    scales: NDArray[np.float32],
    bias: NDArray[np.float32],
    low: int,
    high: int,
    tops: NDArray[np.float32],
    masses: NDArray[np.float32],
    read: bool,
    numerator: NDArray[np.float64],
    level: NDArray[np.float64],
) -> None:
    """The highest score and Σ exp(score − highest) of tiles `low` to `high`, `(S, tiles)` each.

    With `read`, also Σ exp(score − level) · pattern over all of them, `(S, d)`, and the level.
    """
    scores, part = np.empty(TILE, f32), np.empty(query.shape[1], f32)
    for tile in range(low, high):
        start, end = tile * TILE, min((tile + 1) * TILE, codes.shape[0])
        some, scaled, added = codes[start:end], scales[start:end], bias[start:end]
        for s in range(query.shape[0]):
            _dots(query[s], some, scaled, scores)
            top = f32(-np.inf)
            for j in range(added.shape[0]):
                scores[j] += added[j]
                top = max(top, scores[j])
            mass = f32(0.0)
            if top > f32(-np.inf):
                mass = weigh(scores, added.shape[0], top)
            tops[s, tile], masses[s, tile] = top, mass
            if read and mass > f32(0.0):
                _read(scores, some, scaled, part)
                if top > level[s]:
                    shrink = np.exp(level[s] - f64(top))
                    for i in range(part.shape[0]):
                        numerator[s, i] *= shrink
                    level[s] = top
                grown = np.exp(f64(top) - level[s])
                for i in range(part.shape[0]):
                    numerator[s, i] += grown * f64(part[i])


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def examine(
    query: NDArray[np.float32],
    codes: NDArray[np.int8],
    scales: NDArray[np.float32],
    bias: NDArray[np.float32],
    errors: NDArray[np.float32],
    squares: NDArray[np.float32],
    tiles: NDArray[np.int64],
    level: float,
    stretch: float,
    rounding: float,
    beta: float,
    own_square: float,
    scores: NDArray[np.float32],
    shifts: NDArray[np.float32],
    distances: NDArray[np.float32],
) -> None:
    """For the patterns of some tiles, `(tiles, TILE)` each, for one state `query`, `(d,)`.

    Writes score − level, how far the score may be off, and how far the pattern lies from the state;
    a score of −inf beyond the last pattern.
    """
    dots = np.empty(TILE, f32)
    for t in range(len(tiles)):
        start, end = tiles[t] * TILE, min((tiles[t] + 1) * TILE, codes.shape[0])
        added, square, error = bias[start:end], squares[start:end], errors[start:end]
        own, shift, distance = scores[t], shifts[t], distances[t]
        _dots(query, codes[start:end], scales[start:end], dots)
        own[:] = f32(-np.inf)
        shift[:] = f32(0.0)
        distance[:] = f32(0.0)
        for j in range(added.shape[0]):
            apart = square[j] + f32(own_square) - f32(2.0 / beta) * dots[j]
            distance[j] = np.sqrt(max(apart, f32(0.0)))
            shift[j] = f32(stretch) * error[j] + f32(rounding)
            own[j] = f32(f64(dots[j]) + f64(added[j]) - level)


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def read(
    codes: NDArray[np.int8],
    scales: NDArray[np.float32],
    tiles: NDArray[np.int64],
    weights: NDArray[np.float32],
    numerator: NDArray[np.float64],
) -> None:
    """Add Σ weight · pattern over some tiles to `numerator`, `(d,)`; overwrites the weights."""
    part = np.empty(codes.shape[1], f32)
    for t in range(len(tiles)):
        start, end = tiles[t] * TILE, min((tiles[t] + 1) * TILE, codes.shape[0])
        _read(weights[t], codes[start:end], scales[start:end], part)
        for i in range(part.shape[0]):
            numerator[i] += f64(part[i])


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _dots(
    query: NDArray[np.float32],
    codes: NDArray[np.int8],
    scales: NDArray[np.float32],
    dots: NDArray[np.float32],
) -> None:
    """Write the products of one state with some patterns."""
    score(query, codes, scales[:0], dots)
    for j in range(scales.shape[0]):
        dots[j] *= scales[j]


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _read(
    weights: NDArray[np.float32],
    codes: NDArray[np.int8],
    scales: NDArray[np.float32],
    total: NDArray[np.float32],
) -> None:
    """Write the weighted sum `(d,)` of some patterns; multiplies their scales into the weights."""
    for j in range(scales.shape[0]):
        weights[j] *= scales[j]
    weighted_sum(weights, codes, total)
