"""The one place where an implementation of the reduction is chosen."""

from dataclasses import dataclass, replace
from functools import partial as bind
from types import ModuleType

import torch
from torch import Tensor

from hopfield import _check
from hopfield.errors import BackendError
from hopfield.reduction import (
    blockwise,
    chunked,
    concentrated,
    flash,
    fused,
    naive,
    ragged,
    sdpa,
    topk,
)
from hopfield.reduction.inputs import Inputs, optional, single
from hopfield.reduction.partial import Partial, finish
from hopfield.reduction.softmax import SoftmaxReduction
from hopfield.separation import Separation, Softmax, Softmax1, TopK

SMALL = 2**17  # scores that may as well be written out

# In order of preference where several would do.
BACKENDS: dict[str, ModuleType] = {
    "fused": fused,
    "concentrated": concentrated,
    "sdpa": sdpa,
    "naive": naive,
    "flash": flash,
    "blockwise": blockwise,
    "chunked": chunked,
}
DROPPING = ("sdpa", "naive", "chunked")  # those that can drop weights


@dataclass(frozen=True)
class Choice:
    """Which implementation a reduction takes.

    Attributes:
        backend: its name.
        passed_over: the reason against each implementation that would come before it.
    """

    backend: str
    passed_over: dict[str, str]


def choose(
    inputs: Inputs, separation: Separation, log_partition: bool, backend: str | None = None
) -> Choice:
    """The implementation that is asked for, or the first that can do it and is good at it.

    Raises:
        BackendError: the one that is asked for refuses.
        ArgumentError: there is none of that name.
    """
    if backend is not None:
        _check.choice("backend", backend, BACKENDS)
        if (refusal := _refuses(backend, inputs, separation, log_partition)) is not None:
            raise BackendError(f"backend {backend!r} refuses: {refusal}")
        return Choice(backend, {})
    passed_over: dict[str, str] = {}
    for name in BACKENDS:
        against = _refuses(name, inputs, separation, log_partition) or _poor(
            name, inputs, separation
        )
        if against is None:
            return Choice(name, passed_over)
        passed_over[name] = against
    raise AssertionError("chunked takes everything")


def _refuses(name: str, inputs: Inputs, separation: Separation, log_partition: bool) -> str | None:
    """Why an implementation cannot do it."""
    if inputs.dropout and name not in DROPPING:
        return "it cannot drop weights"
    return BACKENDS[name].refuses(inputs, separation, log_partition)


def _poor(name: str, inputs: Inputs, separation: Separation) -> str | None:
    """Why an implementation that could do it is not the best choice."""
    if torch.compiler.is_exporting():  # sizes are not known yet, and loops over them impossible
        return None if name in ("sdpa", "naive") else "it does not export to a graph of any size"
    scores = inputs.rows * inputs.patterns
    if name == "concentrated" and inputs.stored.numel() < concentrated.WORTH_TWO_PASSES:
        return f"there are only {inputs.stored.numel()} numbers to read"
    if name == "fused":
        if inputs.rows > fused.FEW_STATES:
            return f"it is made for up to {fused.FEW_STATES} states, not {inputs.rows}"
        if inputs.stored.numel() < fused.WORTH_READING_ONCE:
            return f"there are only {inputs.stored.numel()} numbers to read"
    if name == "naive" and scores > SMALL:
        return f"it would keep {scores} scores in memory"
    if name == "sdpa" and scores <= SMALL and torch._C._are_functorch_transforms_active():
        return "torch.func transforms it in a loop"
    if name == "sdpa" and scores > SMALL:
        if (why := sdpa.writes_scores_out(inputs)) is not None:
            return why
        if flash.worth_splitting(inputs) and flash.refuses(inputs, separation, True) is None:
            return "there are too few states to keep all threads busy"
    if name == "flash" and inputs.reads_nothing and inputs.rows > flash.STATES_A_THREAD_TAKES:
        return "it would compute a read-out that nobody asked for"
    if name in ("sdpa", "flash") and inputs.bias is not None and inputs.state.dtype.itemsize < 4:
        return f"it adds the bias in {inputs.state.dtype}, which rounds it"
    return None


def reduce(
    inputs: Inputs,
    separation: Separation,
    *,
    log_partition: bool = True,
    backend: str | None = None,
    bounds: list[int] | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Read-out `(..., S, v)` and, if asked for, log-partition Ω*(s) `(..., S)`.

    With the bounds of bags, `(..., B, S, v)` and `(..., B, S)`; see `ragged`.
    """
    if bounds is None:
        return _dense(inputs, separation, log_partition, backend)
    segmented = None
    mergeable = isinstance(separation, (Softmax, Softmax1))
    if backend is None and mergeable and not inputs.dropout:
        segmented = bind(_segmented, separation)
    dense = bind(_dense, log_partition=log_partition, backend=backend)
    # Without autocast, because embedding_bag does not mix dtypes.
    with torch.autocast(inputs.state.device.type, enabled=False):
        readout, lone = ragged.reduce(inputs, separation, bounds, dense, segmented)
    return readout, lone if log_partition else None


def _dense(
    inputs: Inputs, separation: Separation, log_partition: bool, backend: str | None
) -> tuple[Tensor, Tensor | None]:
    name = choose(inputs, separation, log_partition, backend).backend
    module = BACKENDS[name]
    if name in ("naive", "chunked"):
        result: tuple[Tensor, Tensor | None] = module.reduce(inputs, separation, log_partition)
        return result
    folded = _fold(inputs)
    lone: Tensor | None
    if name == "sdpa":
        readout, lone = sdpa.reduce(folded), None
    elif isinstance(separation, TopK):
        readout, lone = topk.reduce(folded, separation)
    else:
        terms = SoftmaxReduction.apply(*_arguments(folded), module.kernel)
        readout, lone = _finished(separation, terms)
    if folded is inputs:
        return readout, lone
    shape = (*inputs.lead, inputs.states)
    return readout.unflatten(-2, shape), optional(lambda tensor: tensor.unflatten(-1, shape), lone)


def _segmented(
    separation: Separation, inputs: Inputs, segments: ragged.Segments
) -> tuple[Tensor, Tensor]:
    return _finished(separation, ragged.SegmentReduction.apply(*_arguments(inputs), segments))


def _finished(separation: Separation, terms: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    if isinstance(separation, Softmax):
        return terms
    result = finish(separation, Partial(*terms, separation))
    return result.readout, result.log_partition


def _arguments(inputs: Inputs) -> tuple[object, ...]:
    return (inputs.state, inputs.stored, inputs.projection, inputs.bias, inputs.mask, inputs.scale)


def _fold(inputs: Inputs) -> Inputs:
    """Leading dimensions of the states as more states, where nothing else has any."""
    if len(inputs.lead) == 0 or not single(inputs.stored.shape[:-2]):
        return inputs
    additive = [tensor for tensor in (inputs.bias, inputs.mask) if tensor is not None]
    alike = all(single(tensor.shape[:-1]) for tensor in additive)
    if not alike or not single(inputs.values.shape[:-2]):
        return inputs

    def flat(tensor: Tensor) -> Tensor:
        return tensor.reshape(tensor.shape[-2:])

    return replace(
        inputs,
        state=inputs.state.expand(*inputs.lead, -1, -1).flatten(0, -2),
        stored=flat(inputs.stored),
        projection=optional(flat, inputs.projection),
        bias=optional(flat, inputs.bias),
        mask=optional(flat, inputs.mask),
        causal=False,
    )
