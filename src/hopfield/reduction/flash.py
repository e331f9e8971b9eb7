"""Softmax by PyTorch's fused CPU attention, with the log-partition that it computes anyway.

The public call drops the log-partition and works on one thread when there is one state; this file
asks the operator behind it, and splits long stored patterns over threads.
"""

from dataclasses import replace

import torch
from torch import Tensor

from hopfield.reduction.inputs import Inputs
from hopfield.reduction.partial import combine
from hopfield.reduction.sdpa import attention_bias, attention_form
from hopfield.separation import Separation, Softmax, Softmax1

STATES_A_THREAD_TAKES = 64
PATTERNS_WORTH_SPLITTING = 4096


def refuses(inputs: Inputs, separation: Separation, log_partition: bool) -> str | None:
    """Takes softmax and softmax1 on the CPU, with projections as wide as the stored patterns."""
    if not isinstance(separation, (Softmax, Softmax1)):
        return f"it computes softmax, not {separation}"
    if inputs.state.device.type != "cpu":
        return f"it runs on the CPU, not on {inputs.state.device}"
    if not hasattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu"):
        return "this PyTorch has no fused CPU attention"
    if (why := inputs.mixed()) is not None:
        return why
    width = inputs.stored.shape[-1]
    if width == 0:
        return "there is nothing to compare: the patterns have width 0"
    if inputs.values.shape[-1] not in (0, width):
        return (
            f"it needs projections as wide as the stored patterns, {width}, "
            f"not {inputs.values.shape[-1]}"
        )
    if inputs.rows == 0:
        return "there are no states"
    return None


def worth_splitting(inputs: Inputs) -> bool:
    """Whether there are too few states to keep all threads busy."""
    if torch.compiler.is_compiling():  # the number of threads is not known to a graph
        return False
    threads = torch.get_num_threads()
    few = inputs.rows < STATES_A_THREAD_TAKES * threads
    return few and threads > 1 and inputs.patterns >= PATTERNS_WORTH_SPLITTING


def kernel(inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Read-out and log-partition of a softmax."""
    if inputs.reads_nothing:
        readout, log_partition = kernel(replace(inputs, projection=None))
        return readout[..., :0], log_partition
    state, stored, values = attention_form(inputs)
    additive = attention_bias(inputs, state)
    reduce = _split if worth_splitting(inputs) else _attend
    readout, log_partition = reduce(state, stored, values, additive, inputs.scale)
    shape = (*inputs.lead, inputs.states)
    return readout.reshape(*shape, -1), log_partition.reshape(shape)


def _attend(
    state: Tensor, stored: Tensor, values: Tensor, additive: Tensor | None, scale: float
) -> tuple[Tensor, Tensor]:
    contiguous = (t if t.stride(-1) == 1 else t.contiguous() for t in (state, stored, values))
    readout, log_partition = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        *contiguous, attn_mask=additive, scale=scale
    )
    if additive is not None:  # the operator reports 0 where every pattern is masked
        log_partition = log_partition.masked_fill(additive.amax(-1).isneginf(), -torch.inf)
    return readout, log_partition


def _split(
    state: Tensor, stored: Tensor, values: Tensor, additive: Tensor | None, scale: float
) -> tuple[Tensor, Tensor]:
    """Cut the patterns into a chunk per thread, reduce each as if it were a head, and merge."""
    chunks = torch.get_num_threads()
    even = stored.shape[-2] // chunks * chunks

    def as_heads(tensor: Tensor, dim: int) -> Tensor:
        cut = tensor.narrow(dim, 0, even).unflatten(dim, (chunks, even // chunks))
        return cut.movedim(dim - 1, 2).flatten(0, 1)

    readouts, log_partitions = _attend(
        state.flatten(0, 1).unsqueeze(1).expand(-1, chunks, -1, -1),
        as_heads(stored, -2),
        as_heads(values, -2),
        None if additive is None else as_heads(additive, -1),
        scale,
    )
    parts = [*zip(readouts.unbind(1), log_partitions.unbind(1), strict=True)]
    if even < stored.shape[-2]:
        rest = None if additive is None else additive[..., even:]
        last = _attend(state, stored[..., even:, :], values[..., even:, :], rest, scale)
        parts.append((last[0].flatten(0, 1), last[1].flatten(0, 1)))
    return combine(*(torch.stack(part) for part in zip(*parts, strict=True)))
