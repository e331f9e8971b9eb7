"""The compiled loops of `index`; importing this file needs numba.

Rows that are scanned lie one after the other; those of a sample do not, and fetching them from
memory is what this costs. All scores of a state come first, then all sums, from the cache.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from hopfield.reduction._exp import LOWEST, exp
from hopfield.reduction._fused_kernel import FASTMATH, TILE, score, weigh, weighted_sum
from hopfield.reduction._wide import wide

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
    most = 0
    for s in range(low, high):
        rows = 0
        for one in scanned[s]:
            rows += starts[one + 1] - starts[one]
        most = max(most, rows)
    scores, sampled = np.empty(most, f32), np.empty(samples, f32)
    controls, factors = np.empty(samples, f32), np.empty(samples, f32)
    rows_of = np.empty(samples, i64)
    for s in range(low, high):
        used, top = _scan(query[s], patterns, bias, starts, scanned[s], after[s], scores)
        at = 0
        for one in scanned[s, :used]:
            at += starts[one + 1] - starts[one]
        drawn = 0
        if after[s, used - 1] > top + NEGLIGIBLE:
            drawn = _draw(
                keys[s], chances[s], control[s], starts, samples, rows_of, controls, factors
            )
        _fetch(query[s], patterns, bias, rows_of[:drawn], sampled)
        for k in range(drawn):
            top = max(top, max(controls[k], sampled[k]))
        level[s] = top
        compared[s, 0], compared[s, 1] = used, at + drawn
        if top > -np.inf:
            of_values, of_classes = value_readout[s], class_mass[s]
            lists = scanned[s, :used]
            given = patterns, values, classes
            into = mass[s], readout[s], of_values, of_classes
            _sum_scanned(starts, lists, scores, top, *given, *into)
            _weigh_samples(sampled[:drawn], controls, factors, top)
            _sum_sampled(rows_of, sampled[:drawn], *given, *into)


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _scan(
    query: NDArray[np.float32],
    patterns: NDArray[Any],
    bias: NDArray[np.float32],
    starts: NDArray[np.int64],
    lists: NDArray[np.int64],
    after: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> tuple[int, np.float32]:
    """Write the scores of lists, until the rest is likely negligible; how many, and the highest."""
    top, at = f32(-np.inf), 0
    for used in range(len(lists)):
        first, last = starts[lists[used]], starts[lists[used] + 1]
        for start in range(first, last, TILE):
            tile = slice(start, min(start + TILE, last))
            count = tile.stop - start
            score(query, patterns[tile], bias[tile], scores[at : at + count])
            for j in range(count):
                top = max(top, scores[at + j])
            at += count
        if after[used] <= top + NEGLIGIBLE:
            return used + 1, top
    return len(lists), top


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _draw(
    key: np.uint64,
    chances: NDArray[np.float32],
    control: NDArray[np.float32],
    starts: NDArray[np.int64],
    samples: int,
    rows_of: NDArray[np.int64],
    controls: NDArray[np.float32],
    factors: NDArray[np.float32],
) -> int:
    """Write the rows of a sample, systematic over lists, with log c and 1 / probability of each."""
    drawn, before, reach = 0, i64(0), f64(0.0)
    offset = f64(_mixed(key) >> u64(11)) * 2.0**-53
    for one in range(chances.shape[0]):
        reach += f64(chances[one])
        until = i64(np.minimum(reach * samples + offset, f64(samples)))
        if until > before:
            size = starts[one + 1] - starts[one]
            of_list = _mixed(key ^ _mixed(u64(one) + u64(1)))
            for k in range(until - before):
                which = _mixed(of_list + u64(k)) % u64(size)
                rows_of[drawn] = starts[one] + i64(which)
                controls[drawn] = control[one]
                factors[drawn] = size / (samples * chances[one])
                drawn += 1
            before = until
    return drawn


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _fetch(
    query: NDArray[np.float32],
    patterns: NDArray[Any],
    bias: NDArray[np.float32],
    rows: NDArray[np.int64],
    scores: NDArray[np.float32],
) -> None:
    """Write the scores of some rows."""
    for k in range(rows.shape[0]):
        row = patterns[rows[k]]
        dot = f32(0.0)
        for i in range(query.shape[0]):
            dot += query[i] * wide(row[i])
        scores[k] = dot
    if bias.shape[0] > 0:
        for k in range(rows.shape[0]):
            scores[k] += bias[rows[k]]


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _sum_scanned(
    starts: NDArray[np.int64],
    lists: NDArray[np.int64],
    scores: NDArray[np.float32],
    top: np.float32,
    patterns: NDArray[Any],
    values: NDArray[np.float32],
    classes: NDArray[np.int64],
    mass: NDArray[np.float64],
    readout: NDArray[np.float32],
    value_readout: NDArray[np.float32],
    class_mass: NDArray[np.float32],
) -> None:
    """Add the lists whose scores are known to group 0 of the sums."""
    part, value_part = np.empty(patterns.shape[1], f32), np.empty(values.shape[1], f32)
    at = 0
    for one in lists:
        first, last = starts[one], starts[one + 1]
        for start in range(first, last, TILE):
            tile = slice(start, min(start + TILE, last))
            count = tile.stop - start
            weights = scores[at : at + count]
            mass[0] += f64(weigh(weights, count, top))
            weighted_sum(weights, patterns[tile], part)
            for i in range(part.shape[0]):
                readout[0, i] += part[i]
            if values.shape[0] > 0:
                weighted_sum(weights, values[tile], value_part)
                for i in range(value_part.shape[0]):
                    value_readout[0, i] += value_part[i]
            if classes.shape[0] > 0:
                for j in range(count):
                    class_mass[0, classes[start + j]] += weights[j]
            at += count


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _weigh_samples(
    sampled: NDArray[np.float32],
    controls: NDArray[np.float32],
    factors: NDArray[np.float32],
    top: np.float32,
) -> None:
    """Turn scores into (w − c) / probability, in place; 0 for patterns that are not there."""
    for k in range(sampled.shape[0]):
        there = sampled[k] > -np.inf
        weight = exp(max(sampled[k] - top, LOWEST)) - exp(max(controls[k] - top, LOWEST))
        sampled[k] = weight * factors[k] if there else f32(0.0)


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _sum_sampled(
    rows_of: NDArray[np.int64],
    weights: NDArray[np.float32],
    patterns: NDArray[Any],
    values: NDArray[np.float32],
    classes: NDArray[np.int64],
    mass: NDArray[np.float64],
    readout: NDArray[np.float32],
    value_readout: NDArray[np.float32],
    class_mass: NDArray[np.float32],
) -> None:
    """Add the samples to groups 1 to G, in turn."""
    groups = mass.shape[0] - 1
    for k in range(weights.shape[0]):
        group = 1 + k % groups
        mass[group] += f64(weights[k])
        row, total = patterns[rows_of[k]], readout[group]
        for i in range(total.shape[0]):
            total[i] += weights[k] * wide(row[i])
        if values.shape[0] > 0:
            for i in range(values.shape[1]):
                value_readout[1, i] += weights[k] * values[rows_of[k], i]
        if classes.shape[0] > 0:
            class_mass[1, classes[rows_of[k]]] += weights[k]
