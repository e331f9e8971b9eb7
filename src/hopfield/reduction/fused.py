"""Softmax of a few states over many patterns, in one pass over memory: a compiled CPU kernel.

With a handful of states, retrieval is bound by reading the stored patterns. This kernel reads each
pattern once, from memory into cache, and uses it twice there: for its score, then for the read-out.
Patterns in bfloat16 are half as many bytes; they are widened in registers.
"""

from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from hopfield import _check
from hopfield._threads import spread
from hopfield.reduction.dense import Dense
from hopfield.reduction.inputs import Inputs, single
from hopfield.reduction.partial import combine
from hopfield.separation import Separation, Softmax, Softmax1

INSTALLED = find_spec("numba") is not None
FEW_STATES = 4
WORTH_READING_ONCE = 2**21  # numbers in the stored patterns, from where reading them dominates


def refuses(inputs: Inputs, separation: Separation, log_partition: bool) -> str | None:
    """Takes what `unfit` lets pass, if the stored patterns are read out."""
    if inputs.projection is not None and not inputs.reads_nothing:
        return "it reads out the stored patterns, not a projection"
    return unfit(inputs, separation)


def unfit(inputs: Inputs, separation: Separation) -> str | None:
    """Why inputs are none for compiled kernels of one set of patterns and float32 states."""
    if not isinstance(separation, (Softmax, Softmax1)):
        return f"it computes softmax, not {separation}"
    if not INSTALLED:
        return "numba is not installed: pip install 'hopfield[fast]'"
    if inputs.state.device.type != "cpu" or inputs.state.dtype != torch.float32:
        return f"it takes float32 on the CPU, not {inputs.state.dtype} on {inputs.state.device}"
    for patterns in (inputs.stored, inputs.values):
        if patterns.dtype not in (torch.float32, torch.bfloat16):
            return f"it takes patterns in float32 or bfloat16, not {patterns.dtype}"
        if not single(patterns.shape[:-2]):
            return "it takes one set of stored patterns, not a batch of them"
    if not _check.may_read(inputs.state):
        return "it cannot be traced"
    additive = [tensor for tensor in (inputs.bias, inputs.mask) if tensor is not None]
    if not all(single(tensor.shape[:-1]) for tensor in additive):
        return "it takes a bias and a mask that are the same for all states"
    return None


def kernel(inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Read-out and log-partition of a softmax."""
    dense = Dense.of(inputs)
    (states, width), patterns = dense.query.shape, inputs.patterns
    threads = min(torch.get_num_threads(), patterns)
    readouts = dense.query.new_empty(threads, states, width)
    log_partitions = dense.query.new_empty(threads, states)
    given = dense.arrays()
    into = readouts.numpy(), log_partitions.numpy()
    bounds = [patterns * i // threads for i in range(threads + 1)]

    def work(i: int) -> None:
        _compiled()(*given, bounds[i], bounds[i + 1], into[0][i], into[1][i])

    spread(work, range(threads), threads)
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
