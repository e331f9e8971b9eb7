"""Softmax of a few states over many patterns, in one pass over memory: a compiled CPU kernel.

With a handful of states, retrieval is bound by reading the stored patterns. This kernel reads each
pattern once, from memory into cache, and uses it twice there: for its score, then for the read-out.
"""

import math
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from hopfield import _check
from hopfield._threads import pool
from hopfield.reduction.inputs import Inputs
from hopfield.reduction.partial import combine
from hopfield.separation import Separation, Softmax, Softmax1

INSTALLED = find_spec("numba") is not None
FEW_STATES = 4
WORTH_READING_ONCE = 2**21  # numbers in the stored patterns, from where reading them dominates


def refuses(inputs: Inputs, separation: Separation, log_partition: bool) -> str | None:
    """Takes float32 softmax and softmax1 on the CPU that read out the stored patterns."""
    if not isinstance(separation, (Softmax, Softmax1)):
        return f"it computes softmax, not {separation}"
    if not INSTALLED:
        return "numba is not installed: pip install 'hopfield[fast]'"
    if inputs.state.device.type != "cpu" or inputs.state.dtype != torch.float32:
        return f"it takes float32 on the CPU, not {inputs.state.dtype} on {inputs.state.device}"
    if inputs.projection is not None and not inputs.reads_nothing:
        return "it reads out the stored patterns, not a projection"
    if inputs.bias is not None or inputs.mask is not None:
        return "it takes no bias and no mask"
    if not _check.may_read(inputs.state):
        return "it cannot be traced"
    if math.prod(inputs.stored.shape[:-2]) != 1:
        return "it takes one set of stored patterns, not a batch of them"
    return None


def kernel(inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Read-out and log-partition of a softmax."""
    states, patterns = inputs.rows, inputs.patterns
    width = inputs.stored.shape[-1]
    query = (inputs.state.expand(*inputs.lead, -1, -1) * inputs.scale).reshape(states, width)
    stored = inputs.stored.reshape(patterns, width).contiguous()
    threads = min(torch.get_num_threads(), patterns)
    readouts = query.new_empty(threads, states, width)
    log_partitions = query.new_empty(threads, states)
    arrays = [t.detach().numpy() for t in (query.contiguous(), stored, readouts, log_partitions)]
    bounds = [patterns * i // threads for i in range(threads + 1)]

    def work(i: int) -> None:
        _compiled()(arrays[0], arrays[1], bounds[i], bounds[i + 1], arrays[2][i], arrays[3][i])

    list(pool(threads).map(work, range(threads))) if threads > 1 else work(0)
    readout, log_partition = combine(readouts, log_partitions)
    shape = (*inputs.lead, inputs.states)
    readout = readout[..., :0] if inputs.reads_nothing else readout
    return readout.reshape(*shape, readout.shape[-1]), log_partition.reshape(shape)


@cache
def _compiled() -> Any:
    """The kernel over patterns `low` to `high`, compiled at first use and cached on disk."""
    _check.extra("numba", "fast")
    from hopfield.reduction import _fused_kernel

    return _fused_kernel.softmax_readout
