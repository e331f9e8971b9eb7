"""Softmax in linear memory: a forward pass by any kernel, one backward pass for all of them.

Forward keeps the read-out and the log-partition alone; backward recomputes the weights tile by tile
from the log-partition (the scheme of FlashAttention: Dao et al. 2022, arXiv 2205.14135).
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from hopfield.reduction import naive
from hopfield.reduction.inputs import Inputs, part, tiles
from hopfield.reduction.partial import SOFTMAX

Kernel = Callable[[Inputs], tuple[Tensor, Tensor]]

ROWS_AT_ONCE = 512
SCORES_AT_ONCE = 2**19  # a tile of float32 scores that stays in a core's cache
COLUMNS_AT_ONCE = (64, 8192)


def tile_sizes(inputs: Inputs) -> tuple[int, int]:
    """How many states and how many patterns a tile of scores holds."""
    rows = min(inputs.states, ROWS_AT_ONCE) or 1
    least, most = COLUMNS_AT_ONCE
    columns = SCORES_AT_ONCE // (math.prod(inputs.lead) * rows or 1)
    return rows, min(max(columns, least), most)


class SoftmaxReduction(torch.autograd.Function):
    """`(readout, log_partition)` by a kernel, with gradients of both in linear memory."""

    @staticmethod
    def forward(
        state: Tensor,
        stored: Tensor,
        projection: Tensor | None,
        bias: Tensor | None,
        mask: Tensor | None,
        scale: float,
        kernel: Kernel,
    ) -> tuple[Tensor, Tensor]:
        """Run the kernel."""
        return kernel(Inputs(state, stored, projection, scale, bias, mask))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        """Keep what backward recomputes the weights from."""
        *tensors, scale, _ = inputs
        ctx.scale = scale
        ctx.save_for_backward(*tensors, *output)

    @staticmethod
    def backward(ctx: Any, grad_readout: Tensor, grad_log_partition: Tensor) -> tuple[Any, ...]:
        """Gradients of the tensors, tile by tile."""
        state, stored, projection, bias, mask, readout, log_partition = ctx.saved_tensors
        inputs = Inputs(state, stored, projection, ctx.scale, bias, mask)
        if torch.is_grad_enabled():  # create_graph=True
            written_out = partial(naive.reduce, separation=SOFTMAX, log_partition=True)
            grads = differentiable_gradients(written_out, inputs, grad_readout, grad_log_partition)
            return *grads, None, None, None
        grads = _backward(
            inputs, readout, log_partition, grad_readout, grad_log_partition, ctx.needs_input_grad
        )
        return *grads, None, None, None


def differentiable_gradients(
    function: Callable[[Inputs], tuple[Tensor, Tensor | None]], inputs: Inputs, *grads: Tensor
) -> tuple[Tensor | None, ...]:
    """Gradients of state, stored, projection and bias that can be differentiated again.

    The function is computed anew in operations that PyTorch differentiates; S · N scores are kept.
    """
    names = ("state", "stored", "projection", "bias")
    given = {name: getattr(inputs, name) for name in names}
    # Views, so that what one of them was computed from another by does not count here.
    views = {name: t.view_as(t) for name, t in given.items() if t is not None and t.requires_grad}
    readout, log_partition = function(replace(inputs, **views))
    assert log_partition is not None
    found = torch.autograd.grad(
        (readout, log_partition),
        [*views.values()],
        grads,
        create_graph=True,
        allow_unused=True,
    )
    by_name = dict(zip(views, found, strict=True))
    return tuple(by_name.get(name) for name in names)


def _backward(
    inputs: Inputs,
    readout: Tensor,
    log_partition: Tensor,
    grad_readout: Tensor,
    grad_log_partition: Tensor,
    needs: tuple[bool, ...],
) -> tuple[Tensor | None, ...]:
    """Gradients of state, stored, projection and bias.

    With p = exp(s − log Z) and g the gradient of the read-out: dV = pᵀ g and
    ds = p ∘ (g Vᵀ − g·y + d log Z).
    """
    wide = inputs.wide
    tied = inputs.projection is None
    need_state, need_stored, need_projection, need_bias = needs[:4]
    grad_readout = grad_readout.to(wide)
    offset = grad_log_partition - (grad_readout * readout.to(wide)).sum(-1)
    log_partition = log_partition.masked_fill(log_partition.isneginf(), 0.0)
    d_state = _zeros(inputs.state, wide, need_state)
    d_stored = _zeros(inputs.stored, wide, need_stored)
    d_values = d_stored if tied else _zeros(inputs.values, wide, need_projection)
    d_bias = _zeros(inputs.bias, wide, need_bias)
    row_size, column_size = tile_sizes(inputs)
    for columns in tiles(inputs.patterns, column_size):
        stored = inputs.stored[..., columns, :].to(wide)
        values = stored if tied else inputs.values[..., columns, :].to(wide)
        for rows in tiles(inputs.states, row_size):
            g = grad_readout[..., rows, :]
            p = (inputs.scores(rows, columns) - log_partition[..., rows, None]).exp_()
            if d_values is not None:
                _add(d_values[..., columns, :], p.mT @ g)
            ds = (g @ values.mT).add_(offset[..., rows, None]).mul_(p)
            if d_state is not None:
                _add(d_state[..., rows, :], ds @ stored * inputs.scale)
            if d_stored is not None:
                state = inputs.state[..., rows, :].to(wide)
                _add(d_stored[..., columns, :], ds.mT @ state * inputs.scale)
            if d_bias is not None:
                _add(part(d_bias, rows, columns), ds)
    grads = (d_state, d_stored, None if tied else d_values, d_bias)
    sources = (inputs.state, inputs.stored, inputs.projection, inputs.bias)
    return tuple(
        None if grad is None or source is None else grad.to(source.dtype)
        for grad, source in zip(grads, sources, strict=True)
    )


def _zeros(like: Tensor | None, dtype: torch.dtype, needed: bool) -> Tensor | None:
    return torch.zeros_like(like, dtype=dtype) if needed and like is not None else None


def _add(total: Tensor, term: Tensor) -> None:
    """Add in place, summing over the dimensions in which `total` was broadcast."""
    total += term.sum_to_size(total.shape)
