"""What a memory gives for states: retrievals and associations."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hopfield.errors import ArgumentError
from hopfield.fixed_point import Run, distance, update_fixed_number, update_until_stopped
from hopfield.memory.reading import Associator, Certificate, Interval
from hopfield.retrieval import Retrieval, warn_unconverged

T = TypeVar("T", Certificate, Interval)


@dataclass(frozen=True)
class MemoryRetrieval(Retrieval):
    """What `Memory.retrieve` found; `readout` has the values if there are any, else the state.

    Attributes:
        classes: `(C,)`, the labels, where values are labels: `readout` then has their weights.
        certificate: a proved bound on the last association, where codes were scanned.
        interval: how far off it is with 95 % confidence, where an index was asked.
    """

    classes: Int[Tensor, " C"] | None = None
    certificate: Certificate | None = None
    interval: Interval | None = None

    @property
    def labels(self) -> Int[Tensor, "..."]:
        """The label with the most weight, `(..., S)`."""
        if self.classes is None:
            raise ArgumentError(
                "this memory has no labels; add(patterns, values=labels) keeps them"
            )
        return self.classes[self.readout.argmax(-1)]


@dataclass(frozen=True)
class Associations:
    """The patterns that states rest on most.

    Attributes:
        ids: `(..., S, k)`, the heaviest first.
        weights: `(..., S, k)`.
        left_out: `(..., S)`, the weight of all other patterns together.
    """

    ids: Int[Tensor, "..."]
    weights: Float[Tensor, "..."]
    left_out: Float[Tensor, "..."]


def retrieved(
    network: Associator,
    state: Tensor,
    steps: int,
    tol: float | None,
    shaped: Callable[[Tensor], Tensor],
    *,
    energy: Callable[[Tensor], Tensor] | None,
    classes: Tensor | None,
) -> MemoryRetrieval:
    """What `Memory.retrieve` does with states `(S, d)`; arguments are checked already.

    Args:
        network: what makes associations.
        state: the first states.
        steps: the largest number of associations.
        tol: how little an update moves a state that has converged, or None.
        shaped: brings what is found, `(S, ...)`, to the form that it is wanted in.
        energy: of states, if it is wanted.
        classes: the labels, `(C,)`, where values are labels.
    """
    run = None
    if tol is None:
        before, _ = update_fixed_number(network, state, steps - 1)
    else:
        run = update_until_stopped(network, state, steps - 1, tol)
        before = run.state
    reading = network.read(before)
    change = distance(reading.state, before)
    updates = torch.full_like(change, steps - 1, dtype=torch.int64)
    if run is not None and tol is not None:
        updates = run.updates
        converged = change <= tol
        last = Run(reading.state, updates + 1, change, converged, run.cycling)
        warn_unconverged(last, stacklevel=4)
    return MemoryRetrieval(
        state=shaped(reading.state),
        readout=shaped(reading.state if reading.values is None else reading.values),
        steps=shaped(updates + 1),
        converged=None if tol is None else shaped(change <= tol),
        change=shaped(change),
        energy=None if energy is None else shaped(energy(reading.state)),
        trajectory=None,
        adjoint=None,
        classes=classes,
        certificate=_each(reading.certificate, shaped),
        interval=_each(reading.interval, shaped),
    )


def _each(found: T | None, function: Callable[[Tensor], Tensor]) -> T | None:
    """The same function of all tensors of a result."""
    if found is None:
        return None
    tensors = {field.name: function(getattr(found, field.name)) for field in fields(found)}
    return replace(found, **tensors)
