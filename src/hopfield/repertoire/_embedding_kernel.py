"""The compiled loops of `embedding`; importing this file needs numba."""

import numba
import numpy as np
from numpy.typing import NDArray

from hopfield.repertoire.repertoire import SYMBOLS

f32, i32 = np.float32, np.int32


@numba.njit(inline="always")
def _write_codes(residues: NDArray[np.uint8], size: int, codes: NDArray[np.int32]) -> None:
    """The 3-mers of a junction between `size // 2` places of padding at either end."""
    half, length = size // 2, len(residues)
    first, second = i32(0), i32(residues[0]) if half == 1 else i32(0)
    for place in range(length + size - 3):
        behind = place + 2 - half
        third = i32(residues[behind]) if 0 <= behind < length else i32(0)
        codes[place] = (first * i32(SYMBOLS) + second) * i32(SYMBOLS) + third
        first, second = second, third


@numba.njit(nogil=True, cache=True, fastmath={"nsz", "contract", "nnan"})
def best_positions(
    residues: NDArray[np.uint8],
    tables: NDArray[np.float32],
    positions: NDArray[np.float32],
    best: NDArray[np.float32],
    where: NDArray[np.uint8],
) -> None:
    """The highest score of each kernel over the positions of each junction, and where it is.

    Reads residues (n, L), tables (T, 9261, F), positions (L, F); writes best and where (n, F).
    """
    junctions, length = residues.shape
    parts, _, kernels = tables.shape
    codes = np.empty(length + 3 * parts, i32)
    top, at = np.empty(kernels, f32), np.empty(kernels, i32)
    score = np.empty(kernels, f32)
    for n in range(junctions):
        _write_codes(residues[n], 3 * parts, codes)
        for f in range(kernels):
            top[f], at[f] = -np.inf, 0
        for p in range(length):
            for f in range(kernels):
                score[f] = positions[p, f]
            for t in range(parts):
                row = tables[t, codes[p + 3 * t]]
                for f in range(kernels):
                    score[f] += row[f]
            for f in range(kernels):  # not max(): this becomes vector instructions
                at[f] = i32(p) if score[f] > top[f] else at[f]
                top[f] = score[f] if score[f] > top[f] else top[f]
        for f in range(kernels):
            best[n, f] = top[f]
            where[n, f] = at[f]


@numba.njit(nogil=True, cache=True)
def add_gradients(
    residues: NDArray[np.uint8],
    gradient: NDArray[np.float32],
    where: NDArray[np.uint8],
    of_weight: NDArray[np.float32],
    of_positions: NDArray[np.float32],
) -> None:
    """Add what each kernel's best position sends back to the residues that it saw there.

    Reads residues (n, L), gradient and where (n, F); adds to of_weight (size, 21, F), which is
    small enough for the first-level cache, and of_positions (L, F).
    """
    junctions, length = residues.shape
    size, _, kernels = of_weight.shape
    seen = np.zeros(length + size - 1, np.uint8)
    for n in range(junctions):
        seen[size // 2 : size // 2 + length] = residues[n]
        for f in range(kernels):
            g, p = gradient[n, f], where[n, f]
            of_positions[p, f] += g
            for k in range(size):
                of_weight[k, seen[p + k], f] += g
