"""The compiled loops of `rows`; importing this file needs numba.

Loops over a row are written so that they become vector instructions: no branches, one type. There
sums are of float32, of float64 over blocks.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from hopfield.reduction._exp import LOWEST, exp

f32, f64, i32 = np.float32, np.float64, np.int32
FAST = {"reassoc", "contract", "nsz", "nnan", "arcp"}
BLOCK = 1024  # numbers whose sum is taken in float32
FEW = 12  # weights among which the last of the k is looked for one by one


@numba.njit(fastmath=FAST)
def _heaviest(row: NDArray[np.float32]) -> tuple[np.float32, int]:
    """The largest of a row, and where it is."""
    top, at = row[0], i32(0)
    for j in range(len(row)):
        top = row[j] if row[j] > top else top
    for j in range(len(row)):
        here = i32(j) if row[j] == top else i32(0)
        at = here if here > at else at
    return top, int(at)


@numba.njit(fastmath=FAST)
def _weigh(row: NDArray[np.float32], top: np.float32) -> tuple[float, float, float, float, float]:
    """Scores s become e = exp(s − top); the sums of e, e², e³, e⁴ and e·(top − s)."""
    total, squares, cubes, fourths, below = 0.0, 0.0, 0.0, 0.0, 0.0
    for start in range(0, len(row), BLOCK):
        a, b, c, d, e = f32(0), f32(0), f32(0), f32(0), f32(0)
        block = row[start : start + BLOCK]
        for j in range(len(block)):
            gap = block[j] - top
            gap = gap if gap > LOWEST else LOWEST
            weight = exp(gap)
            block[j] = weight
            square = weight * weight
            a += weight
            b += square
            c += square * weight
            d += square * square
            e -= weight * gap
        total += f64(a)
        squares += f64(b)
        cubes += f64(c)
        fourths += f64(d)
        below += f64(e)
    return total, squares, cubes, fourths, below


@numba.njit(fastmath=FAST, inline="always")
def _above(
    row: NDArray[np.float32], bits: NDArray[np.int32], low: np.int32
) -> tuple[np.float32, np.int32]:
    """The sum and the number of the weights whose bits, as a number, are at least `low`."""
    total, count = f32(0), i32(0)
    for j in range(len(row)):
        taken = bits[j] >= low
        total += row[j] if taken else f32(0)
        count += i32(1) if taken else i32(0)
    return total, count


@numba.njit(fastmath=FAST)
def _fewest(
    row: NDArray[np.float32],
    bits: NDArray[np.int32],
    few: NDArray[np.float32],
    total: float,
    share: float,
    guess: np.float32,
) -> tuple[int, np.float32]:
    """The fewest weights of a row that hold a share of their total, and about the last of them.

    Looks for the weight of the last one, from a guess on by growing steps and then by halves:
    positive floats are in the order of their bits.
    """
    wanted = share * (1 - 1e-12) * total
    low = f32(0.999 * (1 - share) * total / len(row)).view(i32)  # all below cannot hold the rest
    high = i32(0x3F800001)  # the next after 1
    below, above, held = len(row), 0, 0.0  # how many are at least `low`; at least `high`, and hold
    middle, step, rises = i32(f32(guess).view(i32)), 2**18, False
    while below - above > FEW and high - low > 1:
        if not low < middle < high:
            middle, step = i32(low + (high - low) // 2), 0
        mass, count = _above(row, bits, middle)
        rose, rises = rises, bool(mass >= wanted)
        if rises:
            low, below = middle, int(count)
        else:
            high, above, held = middle, int(count), f64(mass)
        step = 4 * step if step == 2**18 or rises == rose else 0
        middle = i32(middle + (step if rises else -step)) if step else i32(low)
    last = i32(low).view(f32)
    if high - low <= 1:  # all that are left are equal
        return above + max(1, int(np.ceil((wanted - held) / f64(last) - 1e-9))), last
    found = 0
    least, width = i32(low), np.uint32(high - low)
    for j in range(len(row)):
        if np.uint32(bits[j] - least) < width:
            few[found] = row[j]
            found += 1
    while held < wanted and found > 0:
        most = 0
        for j in range(found):
            most = j if few[j] > few[most] else most
        held += f64(few[most])
        above += 1
        found -= 1
        few[most] = few[found]
    return above, last


@numba.njit(fastmath=FAST)
def _scale(row: NDArray[np.float32], by: np.float32) -> None:
    for j in range(len(row)):
        row[j] *= by


@numba.njit(fastmath=FAST)
def _add(row: NDArray[np.float32], line: NDArray[np.float32]) -> None:
    for j in range(len(row)):
        line[j] += row[j]


@numba.njit(nogil=True, cache=True)
def fill(
    scores: NDArray[np.float32],
    places: NDArray[np.int64],
    special: NDArray[np.int64],
    starts: NDArray[np.int64],
    follows: NDArray[np.int64],
    share: float,
    out: NDArray[np.float64],
    profile: NDArray[np.float64],
    lines: NDArray[np.float32],
) -> None:
    """The statistics of rows of scores, those of S states after each other.

    Reads places (S,) of the states among the patterns, −1 for none; special, the numbers of special
    patterns; follows[starts[i]:starts[i + 1]], the numbers of those that follow the token of state
    i. Replaces scores (R, N), all finite, by weights. Writes out (R, 13), in the
    order of `rows.FIELDS`; adds the weight at each distance to profile (H, 2N − 1), if there are
    places, by way of lines, of the same shape.
    """
    rows, patterns = scores.shape
    states = len(starts) - 1
    few = np.empty(FEW + 1, f32)
    bits = scores.view(i32)
    lines[:] = 0
    guess = f32(0)
    for r in range(rows):
        row, state = scores[r], r % states
        top, at = _heaviest(row)
        row[at] = -np.inf  # the heaviest by itself, so that nothing cancels
        rest, squares, cubes, fourths, below = _weigh(row, top)
        row[at] = 1.0
        total = 1.0 + rest
        heaviest = 1.0 / total
        square = heaviest**2
        squares, cubes, fourths = squares * square, cubes * square * heaviest, fourths * square**2
        log_total = np.log1p(rest)
        out[r, 0] = f64(top) + log_total
        out[r, 1] = log_total + below * heaviest
        # Σ p²(1 − p)² + Σ_{i≠j} p_i² p_j²
        own = squares - 2 * cubes + fourths + (square * rest) ** 2
        pairs = 2 * square * squares + max(squares**2 - fourths, 0.0)
        out[r, 2] = np.sqrt(own + pairs)
        out[r, 3], out[r, 4] = heaviest, at
        held = 0.0
        for j in special:
            held += f64(row[j])
        out[r, 5] = held * heaviest
        out[r, 6], last = _fewest(row, bits[r], few, total, share, guess * f32(total))
        guess = last * f32(heaviest)  # neighbours are alike
        out[r, 7] = out[r, 6]
        if held > 0 and total - held <= 1e-6 * total:
            out[r, 7] = 0
        elif held > 0:
            kept = row[special]
            row[special] = 0.0
            out[r, 7], _ = _fewest(row, bits[r], few, total - held, share, last)
            row[special] = kept
        _scale(row, f32(heaviest))
        out[r, 8] = row[0]
        place = places[state]
        if place >= 0:
            out[r, 9] = row[place]
            out[r, 10] = row[place - 1] if place > 0 else 0.0
            _add(row, lines[r // states, patterns - 1 - place :])
        matched = 0.0
        for j in follows[starts[state] : starts[state + 1]]:
            matched += f64(row[j])
        out[r, 11], out[r, 12] = starts[state + 1] - starts[state], matched
        if state == states - 1 and len(profile) > 0:
            for j in range(2 * patterns - 1):
                profile[r // states, j] += f64(lines[r // states, j])
