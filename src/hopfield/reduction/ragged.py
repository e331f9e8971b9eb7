"""The reduction over bags of different sizes that lie one after the other, without padding.

Bag b holds the patterns `offsets[b]` to `offsets[b + 1]`. The stored patterns `(..., T, d)` stand
for a tensor `(..., B, n_b, d)` whose rows differ in length: states `(..., B or 1, S, d)` broadcast
against it, and results are `(..., B, S, ·)`. Bias and mask are `(..., S or 1, T)`.

Small bags are reduced many at a time, segment by segment; a large one by the dense implementations.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from hopfield.reduction import naive
from hopfield.reduction.inputs import Inputs, of_bag
from hopfield.reduction.partial import SOFTMAX
from hopfield.reduction.softmax import differentiable_gradients
from hopfield.separation import Separation, for_states

NUMBERS_AT_ONCE = 2**22
PATTERNS_AT_ONCE = 8192


@dataclass(frozen=True)
class Segments:
    """Where the bags of one group lie.

    Attributes:
        bag: `(t,)`, the bag of each pattern.
        starts: `(b + 1,)`, where each bag begins, and where the last one ends.
    """

    bag: Tensor
    starts: Tensor


def reduce(
    inputs: Inputs,
    separation: Separation,
    bounds: list[int],
    dense: Callable[[Inputs, Separation], tuple[Tensor, Tensor | None]],
    segmented: Callable[[Inputs, Segments], tuple[Tensor, Tensor]] | None,
) -> tuple[Tensor, Tensor | None]:
    """Read-out `(..., B, S, v)` and log-partition `(..., B, S)`.

    Args:
        inputs: states `(..., B or 1, S, d)`, stored patterns `(..., T, d)`.
        separation: any.
        bounds: the offsets, as checked.
        dense: reduces one bag.
        segmented: reduces a group of small bags, where the separation allows that.
    """
    groups = _groups(bounds, 0 if segmented is None else _patterns_at_once(inputs))
    readouts: list[Tensor] = []
    log_partitions: list[Tensor | None] = []
    for (low, high), some in _cut(inputs, bounds, groups):
        if high - low > 1 and segmented is not None:
            sizes = torch.tensor(bounds[low : high + 1], device=inputs.stored.device).diff()
            bag = torch.repeat_interleave(torch.arange(high - low, device=sizes.device), sizes)
            starts = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
            readout, log_partition = segmented(some, Segments(bag, starts))
            readouts.append(readout)
            log_partitions.append(log_partition)
        else:
            alone = for_states(separation, partial(of_bag, bag=low))
            one, lone = dense(replace(some, state=some.state.squeeze(-3)), alone)
            readouts.append(one.unsqueeze(-3))
            log_partitions.append(None if lone is None else lone.unsqueeze(-2))
    readout = torch.cat(readouts, -3)
    if log_partitions[0] is None:
        return readout, None
    return readout, torch.cat([lp for lp in log_partitions if lp is not None], -2)


def _patterns_at_once(inputs: Inputs) -> int:
    width = max(inputs.stored.shape[-1], inputs.values.shape[-1])
    rows = math.prod(inputs.stored.shape[:-2]) * inputs.states
    return min(PATTERNS_AT_ONCE, NUMBERS_AT_ONCE // (rows * width or 1))


def _groups(bounds: list[int], most: int) -> list[tuple[int, int]]:
    """Runs of bags `[low, high)` with at most `most` patterns together; a larger bag runs alone."""
    groups: list[tuple[int, int]] = []
    low = 0
    for bag in range(1, len(bounds)):
        if bag > low + 1 and bounds[bag] - bounds[low] > most:
            groups.append((low, bag - 1))
            low = bag - 1
    return [*groups, (low, len(bounds) - 1)]


def _cut(
    inputs: Inputs, bounds: list[int], groups: list[tuple[int, int]]
) -> list[tuple[tuple[int, int], Inputs]]:
    """The inputs of each group; `split` keeps backward at one copy of each gradient."""
    sizes = [bounds[high] - bounds[low] for low, high in groups]

    def by_bag(tensor: Tensor) -> list[Tensor]:
        if tensor.shape[-3] == 1:
            return [tensor] * len(groups)
        return [*tensor.split([high - low for low, high in groups], -3)]

    def by_pattern(tensor: Tensor | None, dim: int) -> list[Any]:
        return [None] * len(groups) if tensor is None else [*tensor.split(sizes, dim)]

    pieces = zip(
        by_bag(inputs.state),
        by_pattern(inputs.stored, -2),
        by_pattern(inputs.projection, -2),
        by_pattern(inputs.bias, -1),
        by_pattern(inputs.mask, -1),
        strict=True,
    )
    cut = []
    for i, (state, stored, projection, bias, mask) in enumerate(pieces):
        some = Inputs(state, stored, projection, inputs.scale, bias, mask, dropout=inputs.dropout)
        cut.append((groups[i], some))
    return cut


class SegmentReduction(torch.autograd.Function):
    """`(readout, log_partition)` of a group of bags; backward recomputes the weights."""

    @staticmethod
    def forward(
        state: Tensor,
        stored: Tensor,
        projection: Tensor | None,
        bias: Tensor | None,
        mask: Tensor | None,
        scale: float,
        segments: Segments,
    ) -> tuple[Tensor, Tensor]:
        """States `(..., b or 1, S, d)`, stored patterns `(..., t, d)`."""
        inputs = Inputs(state, stored, projection, scale, bias, mask)
        scores = _scores(inputs, segments)
        bag = segments.bag.expand_as(scores)
        bags = (*scores.shape[:-1], len(segments.starts) - 1)
        top = scores.new_full(bags, torch.finfo(scores.dtype).min)
        top = top.scatter_reduce(-1, bag, scores, "amax")
        p = torch.exp(scores - top.gather(-1, bag))
        total = torch.zeros_like(top).scatter_add(-1, bag, p)
        p = p / total.clamp(min=torch.finfo(scores.dtype).tiny).gather(-1, bag)
        readout = _sum_by_bag(p, inputs.values.to(inputs.wide), segments)
        return readout.to(state.dtype), (top + total.log()).mT.contiguous()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        """Keep what backward recomputes the weights from."""
        *tensors, ctx.scale, ctx.segments = inputs
        ctx.save_for_backward(*tensors, *output)

    @staticmethod
    def backward(ctx: Any, grad_readout: Tensor, grad_log_partition: Tensor) -> tuple[Any, ...]:
        """Gradients of state, stored, projection and bias; see `softmax` for the formulas."""
        state, stored, projection, bias, mask, readout, log_partition = ctx.saved_tensors
        inputs = Inputs(state, stored, projection, ctx.scale, bias, mask)
        if torch.is_grad_enabled():  # create_graph=True
            one_by_one = partial(_one_by_one, segments=ctx.segments)
            grads = differentiable_gradients(one_by_one, inputs, grad_readout, grad_log_partition)
            return *grads, None, None, None
        wide, segments = inputs.wide, ctx.segments
        stored, values = stored.to(wide), inputs.values.to(wide)
        grad_readout = grad_readout.to(wide)
        offset = grad_log_partition - (grad_readout * readout.to(wide)).sum(-1)
        log_partition = log_partition.masked_fill(log_partition.isneginf(), 0.0)

        scores = _scores(inputs, segments)
        bag = segments.bag.expand(*scores.shape[:-1], -1)
        g = grad_readout.index_select(-3, segments.bag)  # (..., t, S, v)
        p = torch.exp(scores - log_partition.mT.gather(-1, bag))
        ds = p * (_products(g, values) + offset.mT.gather(-1, bag))
        d_values = _outer(p, g)
        if state.shape[-3] == 1:
            query = state.squeeze(-3).to(wide)
            d_state = (ds @ stored).unsqueeze(-3)
            d_stored = ds.mT @ query
        else:
            query = state.index_select(-3, segments.bag).to(wide)
            d_state = _sum_by_bag(ds, stored, segments)
            d_stored = _outer(ds, query)
        d_stored = d_stored * ctx.scale
        if projection is None:
            d_stored = d_stored.sum_to_size(stored.shape) + d_values.sum_to_size(stored.shape)
        found = (d_state * ctx.scale, d_stored, d_values, ds)
        sources = (state, ctx.saved_tensors[1], projection, bias)
        return (
            *(
                None if source is None else grad.sum_to_size(source.shape).to(source.dtype)
                for grad, source in zip(found, sources, strict=True)
            ),
            None,
            None,
            None,
        )


def _scores(inputs: Inputs, segments: Segments) -> Tensor:
    """Scores of each pattern with the states of its bag, `(..., S, t)`."""
    state, stored = inputs.state.to(inputs.wide) * inputs.scale, inputs.stored.to(inputs.wide)
    if state.shape[-3] == 1:
        scores = state.squeeze(-3) @ stored.mT
    else:
        scores = _products(state.index_select(-3, segments.bag), stored)
    additive = inputs.additive()
    scores = scores if additive is None else scores + additive
    lead = torch.broadcast_shapes(scores.shape[:-2], inputs.values.shape[:-2])
    return scores.expand(*lead, *scores.shape[-2:])


def _one_by_one(inputs: Inputs, segments: Segments) -> tuple[Tensor, Tensor]:
    """The same in operations that can be differentiated twice."""
    parts = []
    for bag, (low, high) in enumerate(pairwise(segments.starts.tolist())):
        alone = replace(inputs, state=of_bag(inputs.state, bag)).some_patterns(slice(low, high))
        parts.append(naive.reduce(alone, SOFTMAX, log_partition=True))
    readouts, log_partitions = zip(*parts, strict=True)
    return torch.stack(readouts, -3), torch.stack(log_partitions, -2)


# Elementwise, because a batch of tiny matrix products costs several times as much.


def _products(of_pattern: Tensor, table: Tensor) -> Tensor:
    """Products `(..., S, t)` of each pattern `(..., t, w)` with its S vectors `(..., t, S, w)`."""
    return (of_pattern * table.unsqueeze(-2)).sum(-1).mT


def _outer(weights: Tensor, of_pattern: Tensor) -> Tensor:
    """Sums `(..., t, w)` of the vectors `(..., t, S, w)` of a pattern by weights `(..., S, t)`."""
    *lead, _, patterns = weights.shape
    total = of_pattern.new_zeros(*lead, patterns, of_pattern.shape[-1])
    for state, weight in enumerate(weights.unsqueeze(-1).unbind(-3)):
        total.addcmul_(weight, of_pattern[..., state, :])
    return total


def _sum_by_bag(weights: Tensor, table: Tensor, segments: Segments) -> Tensor:
    """Sums over bags, `(..., b, S, w)`, of weights `(..., S, t)` times a table `(..., t, w)`."""
    *_, patterns, width = table.shape
    rows, bags = math.prod(weights.shape[:-1]), len(segments.starts) - 1
    device = table.device
    if width == 0:
        return table.new_zeros(*weights.shape[:-2], bags, weights.shape[-2], 0)
    first = torch.arange(math.prod(table.shape[:-2]), device=device) * patterns
    which = first.view(*table.shape[:-2], 1, 1) + torch.arange(patterns, device=device)
    starts = torch.arange(rows, device=device)[:, None] * patterns + segments.starts[:-1]
    sums = embedding_bag(
        which.expand(*weights.shape).reshape(-1),
        table.flatten(0, -2),
        starts.reshape(-1),
        mode="sum",
        per_sample_weights=weights.reshape(-1),
    )
    return sums.view(*weights.shape[:-1], bags, width).transpose(-3, -2)
