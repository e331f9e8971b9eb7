"""The compiled loops of `rows`; importing this file needs numba."""

import numba
import numpy as np
from numpy.typing import NDArray

f64 = np.float64
BLOCK = 16  # weights added at once on the way to the place where enough is held


@numba.njit(inline="always")
def _sort(few: NDArray[np.float32]) -> None:
    """Sort a handful of numbers."""
    for j in range(1, len(few)):
        moved, k = few[j], j
        while k > 0 and few[k - 1] > moved:
            few[k] = few[k - 1]
            k -= 1
        few[k] = moved


@numba.njit(fastmath={"reassoc", "contract", "nsz"})
def _fewest(rising: NDArray[np.float32], left_out: NDArray[np.float32], wanted: float) -> int:
    """The fewest of a row's weights, without those left out, that sum up to `wanted`.

    `rising` is sorted, and so is `left_out`, a part of it.
    """
    if wanted <= 0:
        return 0
    end, k, held, count = len(rising), len(left_out), 0.0, 0
    while end >= BLOCK:  # whole blocks, as long as they do not suffice
        block, lower, skipped = 0.0, k, 0.0
        for j in range(end - BLOCK, end):
            block += f64(rising[j])
        while lower > 0 and left_out[lower - 1] >= rising[end - BLOCK]:
            lower -= 1
            skipped += f64(left_out[lower])
        # one that equals the smallest of the block may lie below: the last steps see to it
        if held + block - skipped >= wanted or (
            lower < k and left_out[lower] == rising[end - BLOCK]
        ):
            break
        held += block - skipped
        count += BLOCK - (k - lower)
        end, k = end - BLOCK, lower
    while held < wanted and end > 0:
        end -= 1
        if k > 0 and rising[end] == left_out[k - 1]:
            k -= 1
        else:
            held += f64(rising[end])
            count += 1
    return count


@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz", "nnan"})
def fill(
    scores: NDArray[np.float32],
    weights: NDArray[np.float32],
    rising: NDArray[np.float32],
    places: NDArray[np.int64],
    special: NDArray[np.int64],
    follows: NDArray[np.float32],
    share: float,
    out: NDArray[np.float64],
    profile: NDArray[np.float64],
) -> None:
    """The statistics of rows of weights, those of S states after each other.

    Reads scores, weights and rising (R, N), the latter sorted, all finite; places (S,) of the
    states among the patterns, -1 for none, or (0,); special, the numbers of special patterns;
    follows (S, N) or (0, 0), 1 where the pattern before is of the state's token. Writes out
    (R, 13), in the order of `rows.FIELDS`; adds the weight at each distance to profile (H, 2N - 1).
    """
    rows, patterns = weights.shape
    states = max(len(places), len(follows), 1)
    left_out, nothing = np.empty(len(special), np.float32), np.empty(0, np.float32)
    for r in range(rows):
        p, s = weights[r], scores[r]
        top, at = rising[r, patterns - 1], 0
        while p[at] != top:
            at += 1
        heaviest, highest = f64(top), s[at]
        p[at] = 0.0
        rest, squares, cubes, fourths, below = 0.0, 0.0, 0.0, 0.0, 0.0
        for j in range(patterns):
            w = f64(p[j])
            square = w * w
            rest += w
            squares += square
            cubes += square * w
            fourths += square * square
            below += w * f64(highest - s[j])
        p[at] = top
        out[r, 0] = f64(highest) - np.log(heaviest)
        out[r, 1] = below - np.log(heaviest)
        # Σ p²(1 − p)² + Σ_{i≠j} p_i² p_j², with the heaviest by itself, so that nothing cancels
        own = squares - 2 * cubes + fourths + (heaviest * rest) ** 2
        pairs = 2 * heaviest**2 * squares + max(squares**2 - fourths, 0.0)
        out[r, 2] = np.sqrt(own + pairs)
        out[r, 3], out[r, 4] = heaviest, at
        held, wanted = 0.0, share * (1 - 1e-12)
        for j in range(len(special)):
            left_out[j] = p[special[j]]
            held += f64(left_out[j])
        out[r, 5] = held
        out[r, 6] = _fewest(rising[r], nothing, wanted * (heaviest + rest))
        out[r, 7] = out[r, 6]
        if held > 0:
            _sort(left_out)
            content = heaviest + rest - held
            enough = content > 1e-6
            out[r, 7] = _fewest(rising[r], left_out, wanted * content) if enough else 0
        out[r, 8] = p[0]
        place = places[r % states] if len(places) > 0 else -1
        if place >= 0:
            out[r, 9] = p[place]
            out[r, 10] = p[place - 1] if place > 0 else 0.0
            line = profile[r // states]
            for j in range(patterns):
                line[patterns - 1 - place + j] += f64(p[j])
        if len(follows) > 0:
            after = follows[r % states]
            matched, reached = 0.0, 0.0
            for j in range(patterns):
                matched += f64(after[j])
                reached += f64(after[j]) * f64(p[j])
            out[r, 11], out[r, 12] = matched, reached
