"""The compiled loops of `certified`; importing this file needs numba.

Sums over a tile are in float32, sums over tiles in float64, so that the bound on their rounding
does not grow with N.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from hopfield.reduction._exp import LOWEST, exp

TILE = 64
FASTMATH = {"nnan", "nsz", "arcp", "contract", "afn", "reassoc"}

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
    states, width = query.shape
    rows = codes.shape[0]
    scores = np.empty(TILE, f32)
    part = np.empty(width, f32)
    for tile in range(low, high):
        start = tile * TILE
        count = min(TILE, rows - start)
        for s in range(states):
            for j in range(count):
                score = f32(0.0)
                for i in range(width):
                    score += query[s, i] * f32(codes[start + j, i])
                scores[j] = score
            top = f32(-np.inf)
            for j in range(count):
                scores[j] = scores[j] * scales[start + j] + bias[start + j]
                top = max(top, scores[j])
            tops[s, tile] = top
            mass = f32(0.0)
            if top > f32(-np.inf):
                for j in range(count):
                    scores[j] = exp(max(scores[j] - top, LOWEST))
                    mass += scores[j]
                if read:
                    part[:] = f32(0.0)
                    for j in range(count):
                        scores[j] *= scales[start + j]
                    fours = count // 4 * 4
                    for j in range(0, fours, 4):
                        a, b, c, d = scores[j], scores[j + 1], scores[j + 2], scores[j + 3]
                        row = start + j
                        for i in range(width):
                            part[i] += (
                                a * f32(codes[row, i])
                                + b * f32(codes[row + 1, i])
                                + c * f32(codes[row + 2, i])
                                + d * f32(codes[row + 3, i])
                            )
                    for j in range(fours, count):
                        for i in range(width):
                            part[i] += scores[j] * f32(codes[start + j, i])
                    if top > level[s]:
                        shrink = np.exp(level[s] - f64(top))
                        for i in range(width):
                            numerator[s, i] *= shrink
                        level[s] = top
                    grown = np.exp(f64(top) - level[s])
                    for i in range(width):
                        numerator[s, i] += grown * f64(part[i])
            masses[s, tile] = mass


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def weigh(
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
    weights: NDArray[np.float32],
    shifts: NDArray[np.float32],
    distances: NDArray[np.float32],
) -> None:
    """For the patterns of some tiles, `(tiles, TILE)` each, for one state `query`, `(d,)`.

    Writes exp(score − level), how far the score may be off, and how far the pattern lies from the
    state; weight 0 beyond the last pattern.
    """
    width = len(query)
    for t in range(len(tiles)):
        start = tiles[t] * TILE
        count = min(TILE, codes.shape[0] - start)
        weights[t] = f32(0.0)
        shifts[t] = f32(0.0)
        distances[t] = f32(0.0)
        for j in range(count):
            dot = f32(0.0)
            for i in range(width):
                dot += query[i] * f32(codes[start + j, i])
            weights[t, j] = dot * scales[start + j]
        for j in range(count):
            dot = weights[t, j]
            square = squares[start + j] + f32(own_square) - f32(2.0 / beta) * dot
            distances[t, j] = np.sqrt(max(square, f32(0.0)))
            shifts[t, j] = f32(stretch) * errors[start + j] + f32(rounding)
            score = f64(dot) + f64(bias[start + j]) - level
            weights[t, j] = exp(f32(max(min(score, f64(0.0)), f64(LOWEST))))
            if score < f64(LOWEST):
                weights[t, j] = f32(0.0)


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def read(
    codes: NDArray[np.int8],
    scales: NDArray[np.float32],
    tiles: NDArray[np.int64],
    weights: NDArray[np.float32],
    numerator: NDArray[np.float64],
) -> None:
    """Add Σ weight · pattern over some tiles to `numerator`, `(d,)`."""
    width = codes.shape[1]
    part = np.empty(width, f32)
    for t in range(len(tiles)):
        start = tiles[t] * TILE
        count = min(TILE, codes.shape[0] - start)
        part[:] = f32(0.0)
        for j in range(count):
            weight = weights[t, j] * scales[start + j]
            if weight > f32(0.0):
                for i in range(width):
                    part[i] += weight * f32(codes[start + j, i])
        for i in range(width):
            numerator[i] += f64(part[i])
