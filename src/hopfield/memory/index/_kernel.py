"""The compiled loops of `index`; importing this file needs numba.

Rows that are scanned lie one after the other; those of a sample do not, and fetching them from
memory is what this costs. All scores of a state come first, then all sums, from the cache.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from hopfield.reduction._exp import LOWEST, exp
from hopfield.reduction._fused_kernel import FASTMATH, score, weigh, weighted_sum
from hopfield.reduction._wide import wide

TILE = 64
NEGLIGIBLE = np.float32(-24 * np.log(2.0))  # log of a weight that float32 does not see beside 1

f32, f64, i64, u64 = np.float32, np.float64, np.int64, np.uint64


@numba.njit(inline="always")
def _mixed(x: np.uint64) -> np.uint64:
    """The finaliser of splitmix64 (Steele, Lea & Flood 2014): a bijection that looks random."""
    x = (x ^ (x >> u64(30))) * u64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> u64(27))) * u64(0x94D049BB133111EB)
    return x ^ (x >> u64(31))


@numba.njit(nogil=True, cache=True)
def keys(bits: NDArray[np.uint32], seed: int, found: NDArray[np.uint64]) -> None:
    """A random key for each state, whose bits are `(S, d)`: equal states have equal keys."""
    for s in range(bits.shape[0]):
        key = _mixed(u64(seed) + u64(0x9E3779B97F4A7C15))
        for i in range(bits.shape[1]):
            key = _mixed(key + u64(bits[s, i]))
        found[s] = key


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def estimate(
    query: NDArray[np.float32],
    keys: NDArray[np.uint64],
    patterns: NDArray[Any],
    bias: NDArray[np.float32],
    starts: NDArray[np.int64],
    scanned: NDArray[np.int64],
    after: NDArray[np.float32],
    control: NDArray[np.float32],
    chances: NDArray[np.float32],
    samples: int,
    values: NDArray[np.float32],
    classes: NDArray[np.int64],
    low: int,
    high: int,
    level: NDArray[np.float32],
    mass: NDArray[np.float64],
    readout: NDArray[np.float32],
    value_readout: NDArray[np.float32],
    class_mass: NDArray[np.float32],
    compared: NDArray[np.int64],
) -> None:
    """Sums over the lists that states `low` to `high` scan, and sampled corrections of the others.

    For state s the weight of a pattern is w = exp(score − level[s]), and c = exp(control − level)
    for its list. Group 0 of the sums has Σ w and Σ w x over the lists `scanned[s]`; groups 1 to G
    together estimate Σ (w − c) and Σ (w − c) x over all other patterns.

    Args:
        query: `(S, d)`, states times β.
        keys: `(S,)`, of their random numbers.
        patterns: `(n, d)`, list by list, float32 or the bits of bfloat16.
        bias: `(n,)`, −inf for patterns that are not there; or `(0,)`.
        starts: `(L + 1,)`, where the lists begin.
        scanned: `(S, P)`, lists; nothing more is compared once the rest is likely negligible.
        after: `(S, P)`, log of what all patterns but those up to this list are likely to weigh.
        control: `(S, L)`, −inf for lists in `scanned`.
        chances: `(S, L)`, the probability that a sample is of this list.
        samples: how many.
        values: `(n, v)`, or `(0, 0)`.
        classes: `(n,)`, or `(0,)`.
        low: the first state.
        high: the one after the last.
        level: `(S,)`, written, as are all that follow.
        mass: `(S, 1 + G)`.
        readout: `(S, 1 + G, d)`.
        value_readout: `(S, 2, v)`, groups 1 to G together.
        class_mass: `(S, 2, C)`, the same.
        compared: `(S, 2)`, how many of `scanned` were, and how many patterns altogether.
    """
    width, groups = query.shape[1], mass.shape[1] - 1
    most = 0
    for s in range(low, high):
        rows = 0
        for p in range(scanned.shape[1]):
            rows += starts[scanned[s, p] + 1] - starts[scanned[s, p]]
        most = max(most, rows)
    scores = np.empty(most, f32)
    sampled = np.empty(samples, f32)
    controls = np.empty(samples, f32)
    factors = np.empty(samples, f32)
    rows_of = np.empty(samples, i64)
    part, value_part = np.empty(width, f32), np.empty(values.shape[1], f32)
    for s in range(low, high):
        top = f32(-np.inf)
        at, used, needed = 0, 0, True
        while used < scanned.shape[1] and needed:
            first, last = starts[scanned[s, used]], starts[scanned[s, used] + 1]
            for start in range(first, last, TILE):
                tile = slice(start, min(start + TILE, last))
                count = tile.stop - start
                score(query[s], patterns[tile], bias[tile], scores[at : at + count])
                for j in range(count):
                    top = max(top, scores[at + j])
                at += count
            needed = after[s, used] > top + NEGLIGIBLE
            used += 1

        drawn = 0
        offset = f64(_mixed(keys[s]) >> u64(11)) * 2.0**-53
        before, reach = i64(0), f64(0.0)
        for one in range(starts.shape[0] - 1 if needed else 0):
            reach += f64(chances[s, one])
            until = i64(np.minimum(reach * samples + offset, f64(samples)))
            if until > before:
                size = starts[one + 1] - starts[one]
                of_list = _mixed(keys[s] ^ _mixed(u64(one) + u64(1)))
                for k in range(until - before):
                    which = _mixed(of_list + u64(k)) % u64(size)
                    rows_of[drawn] = starts[one] + i64(which)
                    controls[drawn] = control[s, one]
                    factors[drawn] = size / (samples * chances[s, one])
                    drawn += 1
                top = max(top, control[s, one])
                before = until
        for k in range(drawn):
            row = patterns[rows_of[k]]
            dot = f32(0.0)
            for i in range(width):
                dot += query[s, i] * wide(row[i])
            sampled[k] = dot
        if bias.shape[0] > 0:
            for k in range(drawn):
                sampled[k] += bias[rows_of[k]]
        for k in range(drawn):
            top = max(top, sampled[k])

        level[s] = top
        compared[s, 0], compared[s, 1] = used, at + drawn
        if top == -np.inf:
            continue
        at = 0
        for p in range(used):
            first, last = starts[scanned[s, p]], starts[scanned[s, p] + 1]
            for start in range(first, last, TILE):
                tile = slice(start, min(start + TILE, last))
                count = tile.stop - start
                weights = scores[at : at + count]
                mass[s, 0] += f64(weigh(weights, count, top))
                weighted_sum(weights, patterns[tile], part)
                for i in range(width):
                    readout[s, 0, i] += part[i]
                if values.shape[0] > 0:
                    weighted_sum(weights, values[tile], value_part)
                    for i in range(values.shape[1]):
                        value_readout[s, 0, i] += value_part[i]
                if classes.shape[0] > 0:
                    for j in range(count):
                        class_mass[s, 0, classes[start + j]] += weights[j]
                at += count
        for k in range(drawn):
            there = sampled[k] > -np.inf
            weight = exp(max(sampled[k] - top, LOWEST)) - exp(max(controls[k] - top, LOWEST))
            sampled[k] = weight * factors[k] if there else f32(0.0)
        for k in range(drawn):
            group = 1 + k % groups
            mass[s, group] += f64(sampled[k])
            row, total = patterns[rows_of[k]], readout[s, group]
            for i in range(width):
                total[i] += sampled[k] * wide(row[i])
            if values.shape[0] > 0:
                for i in range(values.shape[1]):
                    value_readout[s, 1, i] += sampled[k] * values[rows_of[k], i]
            if classes.shape[0] > 0:
                class_mass[s, 1, classes[rows_of[k]]] += sampled[k]
