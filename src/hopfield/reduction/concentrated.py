"""Softmax whose weights lie on few of many patterns, in two passes: compiled CPU kernels.

The first pass takes the log-sum-exp of the scores of each tile of patterns, so that the partition
function is known; the second reads out only the tiles whose part in it is not lost in rounding.
Where these are few, half of the products are saved. Where they may be many, which a share of the
patterns tells, a state takes a kernel of one pass.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.linalg import vector_norm

from hopfield import _check
from hopfield._threads import pool
from hopfield.reduction import blockwise, flash, fused
from hopfield.reduction.dense import Dense, array
from hopfield.reduction.inputs import Inputs
from hopfield.reduction.partial import SOFTMAX
from hopfield.separation import Separation

T = TypeVar("T")

WORTH_TWO_PASSES = 2**22  # numbers in the stored patterns, from where reading them dominates
STATES_AT_ONCE = 512  # whose log-sum-exp of every tile is kept: a part of the stored patterns
FEW_STATES = 8  # that `fused` serves in about the time of the products of the first pass
BLOCK = 2048  # patterns scored at once; a multiple of the compiled loops' tiles
PROBE = 1 / 256  # the share of the patterns that is looked at first
STATES_THAT_TELL = 8  # so many should have met what outweighs the rest before that is judged
ROUNDING = 13.0  # e^-13 of the weights: less than the rounding of large scores does to them
LIGHT = 0.05  # the share of tiles that a concentrated state reads out at most
SLACK = 1.1  # for patterns longer than those in the probe


def refuses(inputs: Inputs, separation: Separation, log_partition: bool) -> str | None:
    """Takes softmax and softmax1 of float32 states and one set of patterns on the CPU."""
    return fused.unfit(inputs, separation)


def kernel(inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Read-out and log-partition of a softmax."""
    if inputs.rows == 0 or inputs.patterns == 0 or _few(inputs):
        return _one_pass(inputs)
    dense = Dense.of(inputs)
    parts = math.ceil(inputs.rows / STATES_AT_ONCE)
    some = [_reduce(dense.some_states(rows)) for rows in torch.arange(inputs.rows).chunk(parts)]
    readout, log_partition = (torch.cat(each) for each in zip(*some, strict=True))
    shape = (*inputs.lead, inputs.states)
    return readout.reshape(*shape, readout.shape[-1]), log_partition.reshape(shape)


def _reduce(dense: Dense) -> tuple[Tensor, Tensor]:
    survey = _survey(dense)
    readout = dense.query.new_empty(len(dense.query), dense.values.shape[-1])
    log_partition = dense.query.new_empty(len(dense.query))
    if len(survey.states) > 0:
        readout[survey.states], log_partition[survey.states] = _read_out(survey)
    others = torch.ones(len(dense.query), dtype=torch.bool)
    others[survey.states] = False
    if others.any():
        rest = others.nonzero().squeeze(-1)
        readout[rest], log_partition[rest] = _one_pass(dense.some_states(rest).inputs())
    return readout, log_partition


def _few(inputs: Inputs) -> bool:
    """Whether one pass takes hardly longer than the first of two."""
    few = 0 < inputs.rows <= FEW_STATES
    return few and fused.refuses(inputs, SOFTMAX, log_partition=True) is None


def _one_pass(inputs: Inputs) -> tuple[Tensor, Tensor]:
    if _few(inputs):
        return fused.kernel(inputs)
    fits = flash.refuses(inputs, SOFTMAX, log_partition=True) is None
    return (flash if fits else blockwise).kernel(inputs)


@dataclass(frozen=True)
class Survey:
    """What the first pass finds.

    Attributes:
        dense: the states `(S, d)` that still take part.
        states: which these are, `(S,)`.
        log_masses: the log-sum-exp of their scores with each tile of a block, `(B, S, tiles)`.
        order: the blocks, so that any first ones are spread evenly.
        seen: how many of these are done.
    """

    dense: Dense
    states: Tensor
    log_masses: Tensor
    order: list[int]
    seen: int = 0

    @property
    def share(self) -> float:
        """Of the patterns, the share that was seen."""
        return self.seen / len(self.order)

    def until(self, share: float) -> "Survey":
        """The same with a share of the patterns seen."""
        end = min(math.ceil(share * len(self.order)), len(self.order))
        if end > self.seen and len(self.states) > 0:
            _scan(self.dense, sorted(self.order[self.seen : end]), self.log_masses)
        return replace(self, seen=max(end, self.seen))

    def only(self, kept: Tensor) -> "Survey":
        """The same for some of the states."""
        if kept.all():
            return self
        return replace(
            self,
            dense=self.dense.some_states(kept.nonzero().squeeze(-1)),
            states=self.states[kept],
            log_masses=self.log_masses[:, kept],
        )

    def light(self) -> Tensor:
        """The states that few of the tiles seen so far matter to, `(S,)`."""
        log_masses = self.log_masses[self.order[: self.seen]]
        return _heavy(log_masses, log_masses.logsumexp((0, 2))).float().mean((0, 2)) < LIGHT

    def hopeful(self) -> Tensor:
        """The states for which one pattern could outweigh all others, as these were sampled."""
        blocks = self.order[: self.seen]
        level = self.log_masses[blocks].logsumexp((0, 2)) - math.log(self.share)
        longest = max(
            float(vector_norm(_block(self.dense.stored, block), dim=-1, dtype=torch.float32).max())
            for block in blocks[::4]
        )
        highest = SLACK * longest * vector_norm(self.dense.query, dim=-1)
        if self.dense.bias is not None:
            highest = highest + self.dense.bias.max()
        return (highest > level + ROUNDING) | self.light()


def _survey(dense: Dense) -> Survey:
    """The first pass, which states leave where it turns out that two do not pay."""
    blocks, states = -(-len(dense.stored) // BLOCK), len(dense.query)
    tiles = BLOCK // _compiled().TILE
    stride = round(1 / PROBE)
    order = [block for first in range(stride) for block in range(first, blocks, stride)]
    log_masses = dense.query.new_full((blocks, states, tiles), -torch.inf)
    survey = Survey(dense, torch.arange(states), log_masses, order)
    if dense.values.shape[-1] == 0:
        return survey.until(1.0)
    survey = survey.until(PROBE)
    survey = survey.only(survey.hopeful())
    tells = STATES_THAT_TELL / max(len(survey.states), 1)
    if tells < 1.0:
        survey = survey.until(tells)
        light = survey.light()
        if light.sum() < survey.share * len(light) / 5:  # most have nothing to hold on to
            survey = survey.only(light)
    return survey.until(1.0)


def _heavy(log_masses: Tensor, log_partition: Tensor) -> Tensor:
    """Which tiles `(B, S, tiles)` matter: the others are lost in rounding, even together."""
    blocks, _, tiles = log_masses.shape
    return log_masses > (log_partition - ROUNDING - math.log(blocks * tiles)).unsqueeze(-1)


def _scan(dense: Dense, blocks: list[int], log_masses: Tensor) -> None:
    """Fill in the log-sum-exp of each tile of some blocks."""
    sums = array(log_masses)
    tops = dense.query.new_empty(log_masses.shape[:2])

    def work(own: list[int]) -> None:
        masses, stored = _compiled().masses, Widened(dense.stored)
        room = dense.query.new_empty(len(dense.query), BLOCK)
        written, highest = array(room), array(tops)
        for block in own:
            scores = _scores(dense, dense.query, stored, block, room)
            torch.amax(scores, -1, out=tops[block])
            masses(written, scores.shape[-1], highest[block], sums[block])

    _in_threads(work, blocks)
    log_masses[blocks] = log_masses[blocks].log_().add_(tops[blocks].unsqueeze(-1))


def _read_out(survey: Survey) -> tuple[Tensor, Tensor]:
    """The second pass: read-out and log-partition."""
    dense, log_partition = survey.dense, survey.log_masses.logsumexp((0, 2))
    (states, _), width = dense.query.shape, dense.values.shape[-1]
    heavy = _heavy(survey.log_masses, log_partition)
    pairs = heavy.flatten(1).sum(-1)
    rows = heavy.any(-1)
    by_tile = (pairs <= 3 * rows.sum(-1) + 16).tolist()  # else a product is faster, as measured
    blocks = pairs.nonzero().squeeze(-1).tolist() if width > 0 else []
    given = [*dense.arrays(), *(array(t) for t in (dense.values, log_partition, heavy))]

    def work(own: list[int]) -> Tensor:
        # Sums over millions of patterns would drift in float32 where all terms are alike. The last
        # column is the sum of the weights: rounding of log Z would be seen where scores are high.
        sums = torch.zeros(states, width + 1, dtype=torch.float64)
        readout, total = sums[:, :width], sums[:, width:]
        few = _indices([block for block in own if by_tile[block]])
        _compiled().read_out(*given, few, array(readout), array(total))
        stored, values = Widened(dense.stored), Widened(dense.values)
        for block in own:
            if not by_tile[block]:
                some = rows[block].nonzero().squeeze(-1)
                scores = _scores(dense, dense.query[some], stored, block)
                weights = scores.sub_(log_partition[some, None]).exp_()
                total.index_add_(0, some, weights.sum(-1, keepdim=True).double())
                readout.index_add_(0, some, (weights @ values[block]).double())
        return sums

    sums = torch.stack(_in_threads(work, blocks)).sum(0)
    total = sums[:, width:].clamp(min=torch.finfo(torch.float32).tiny)
    return (sums[:, :width] / total).float(), log_partition


def _indices(blocks: list[int]) -> NDArray[np.int64]:
    return np.array(blocks, np.int64)


def _scores(
    dense: Dense, query: Tensor, stored: "Widened", block: int, room: Tensor | None = None
) -> Tensor:
    """Scores of some states with a block of patterns, in the room given."""
    patterns = stored[block]
    room = query.new_empty(len(query), BLOCK) if room is None else room
    scores = torch.mm(query, patterns.T, out=room[:, : len(patterns)])
    return scores if dense.bias is None else scores.add_(_block(dense.bias, block))


class Widened:
    """The blocks of patterns in float32; one at a time, in one place, where they are not."""

    def __init__(self, patterns: Tensor) -> None:
        self.patterns = patterns
        self.room = torch.empty(BLOCK, patterns.shape[-1], dtype=torch.float32)

    def __getitem__(self, block: int) -> Tensor:
        patterns = _block(self.patterns, block)
        wide = patterns.dtype == torch.float32
        return patterns if wide else self.room[: len(patterns)].copy_(patterns)


def _block(tensor: Tensor, block: int) -> Tensor:
    return tensor[block * BLOCK : (block + 1) * BLOCK]


def _in_threads(work: Callable[[list[int]], T], blocks: list[int]) -> list[T]:
    """What `work` makes of a share of the blocks for each of PyTorch's threads, on one thread each.

    Threads that wait for one another at each block would take longer.
    """
    threads = min(torch.get_num_threads(), len(blocks))
    if threads <= 1:
        return [work(blocks)]
    before = torch.get_num_threads()

    def alone(own: list[int]) -> T:
        torch.set_num_threads(1)  # of this thread, and of those that begin after it
        return work(own)

    try:
        return list(pool(threads).map(alone, (blocks[t::threads] for t in range(threads))))
    finally:
        torch.set_num_threads(before)


@cache
def _compiled() -> Any:
    """The compiled loops, compiled at first use and cached on disk."""
    _check.extra("numba", "fast")
    from hopfield.reduction import _concentrated_kernel

    return _concentrated_kernel
