"""The solver: update states until each stops by itself, and spend nothing on those that have."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Protocol

import torch
from torch import Tensor
from torch.linalg import vector_norm


class Updates(Protocol):
    """What the solver asks of a network."""

    @property
    def states_are_alike(self) -> bool:
        """Whether leading dimensions of the states are but a way to arrange them."""
        ...

    def update(self, state: Tensor) -> Tensor:
        """The next state, `(..., S, d)`."""
        ...

    def for_rows(self, order: Tensor) -> "Updates":
        """The network for states that `order`, `(..., W)`, picks and packs."""
        ...

    def for_lead(self, dim: int, kept: Tensor) -> "Updates | None":
        """The network for some entries of a leading dimension; None if it cannot."""
        ...


@dataclass(frozen=True)
class Run:
    """Where states ended, `(..., S, d)`, and how, `(..., S)` each.

    Attributes:
        state: the last state.
        updates: how many updates it took.
        change: how far the last one moved it; NaN where there was none.
        converged: whether that was no more than the tolerance.
        cycling: whether rounding moves it back and forth between two values.
    """

    state: Tensor
    updates: Tensor
    change: Tensor
    converged: Tensor
    cycling: Tensor

    def map(self, function: Callable[[Tensor], Tensor]) -> "Run":
        """The same function of each field."""
        return Run(*(function(getattr(self, field.name)) for field in fields(self)))


@dataclass(frozen=True)
class Working:
    """States that still move; the leading dimensions and W shrink as states stop.

    Attributes:
        network: the network for these states.
        before: `(..., W, d)`, the states one update ago.
        state: `(..., W, d)`.
        index: `(..., W)`, which of all states each one is.
        moving: `(..., W)`; False where a stopped state still fills its place.
        change: `(..., W)`, how far the last update moved each; NaN at first.
    """

    network: Updates
    before: Tensor
    state: Tensor
    index: Tensor
    moving: Tensor
    change: Tensor


def distance(state: Tensor, before: Tensor) -> Tensor:
    """‖ξ_new − ξ‖, `(..., S)`, in at least float32, without gradient."""
    wide = torch.promote_types(state.dtype, torch.float32)
    return vector_norm(state.detach().to(wide) - before.detach().to(wide), dim=-1)


def update_fixed_number(
    network: Updates, state: Tensor, updates: int, way: list[Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """Exactly `updates` updates: the state after the last one, and before it."""
    before = state
    for _ in range(updates):
        before, state = state, network.update(state)
        if way is not None:
            way.append(state.detach())
    return state, before


def update_until_stopped(
    network: Updates,
    state: Tensor,
    updates: int | Tensor,
    tol: float | Tensor | None,
    way: list[Tensor] | None = None,
) -> Run:
    """Up to `updates` updates, until ‖ξ_new − ξ‖ ≤ tol for each state by itself.

    A state that returns to where it was two updates ago would do so for ever (rounding does that in
    half precision): it stops too, unconverged. Both limits may differ from state to state,
    `(..., S)`; without tol a state stops at its number of updates alone.
    """
    lead = state.shape[:-1]
    most, tol_of = _own(updates, state), None if tol is None else _own(tol, state)
    if network.states_are_alike:
        state = state.reshape(*(1 for _ in lead[:-1]), lead.numel(), state.shape[-1])
    index = torch.arange(lead.numel(), device=state.device).view(state.shape[:-1])
    everywhere = None if way is None else state.detach().flatten(0, -2)
    moved, change = state, torch.full(index.shape, torch.nan, device=state.device)
    moving = torch.ones_like(index, dtype=torch.bool)
    converged = cycling = ~moving
    working = Working(network, state.detach(), state, index, moving, change)
    stopped: list[tuple[Tensor, Run]] = []
    for count in itertools.count():
        moving, index = working.moving, working.index
        if way is not None and everywhere is not None and count > 0:
            everywhere = everywhere.index_copy(0, index[moving], moved.detach()[moving])
            way.append(everywhere.view(*lead, -1))
        lost = change.isnan() if count > 0 else cycling  # it will never be anything else
        stop = moving & (converged | cycling | lost | (count >= most(index)))
        run = Run(moved, torch.full_like(index, count), change, converged, cycling)
        if not stopped and bool(stop.all()):  # all at once, each in its place
            return run.map(partial(_shaped, lead=lead, dims=stop.dim()))
        stopping = bool(stop.any())
        if stopping:
            stopped.append((index[stop], run.map(partial(_rows, where=stop))))
        moving = moving & ~stop
        if not bool(moving.any()):
            break
        before = working.state.detach()
        working = replace(working, before=before, state=moved, moving=moving, change=change)
        working = _pack(working) if stopping else working
        moved, index = working.network.update(working.state), working.index
        change = distance(moved, working.state)
        if tol_of is None:
            converged = cycling = torch.zeros_like(index, dtype=torch.bool)
        else:
            converged = change <= tol_of(index)
            # The way back is as long, up to rounding: look closer only there.
            cycling = ~converged & ((change - working.change).abs() <= 1e-5 * change)
            if bool(cycling.any()):
                back = moved.detach()[cycling] == working.before[cycling]
                cycling = cycling.masked_scatter(cycling, back.all(-1))
    order = torch.cat([places for places, _ in stopped]).argsort()
    runs = [run for _, run in stopped]
    together = (torch.cat([getattr(run, field.name) for run in runs]) for field in fields(Run))
    return Run(*(_shaped(tensor.index_select(0, order), lead, 1) for tensor in together))


def _shaped(tensor: Tensor, lead: torch.Size, dims: int) -> Tensor:
    """The first `dims` dimensions as those that the states have."""
    return tensor.reshape(*lead, *tensor.shape[dims:])


def _rows(tensor: Tensor, where: Tensor) -> Tensor:
    """The states of `(..., S)` or `(..., S, d)` for which `where`, `(..., S)`, is True."""
    rows = tensor.flatten(0, where.dim() - 1)
    return rows.index_select(0, where.flatten().nonzero().squeeze(-1))


def _own(limit: float | Tensor, state: Tensor) -> Callable[[Tensor], float | Tensor]:
    """The limit of each of the states that an index picks."""
    if not isinstance(limit, Tensor):
        return lambda index: limit
    everywhere = limit.to(state.device).expand(state.shape[:-1]).reshape(-1)
    return lambda index: everywhere[index]


def _pack(working: Working) -> Working:
    """Leave out leading entries without a moving state, and pack the moving ones of the others."""
    lead = working.moving.dim() - 1
    for dim in range(lead):
        others = [other for other in range(lead + 1) if other != dim]
        kept = working.moving.any(others).nonzero().squeeze(-1)
        if len(kept) < working.moving.shape[dim]:
            network = working.network.for_lead(dim - lead - 2, kept)
            if network is not None:
                chosen = (t.index_select(dim, kept) for t in _tensors(working))
                working = Working(network, *chosen)
    width = int(working.moving.sum(-1).max())
    if width < working.moving.shape[-1]:
        order = working.moving.byte().argsort(dim=-1, descending=True, stable=True)[..., :width]
        first = torch.arange(order.shape[:-1].numel(), device=order.device)
        place = order + first.view(*order.shape[:-1], 1) * working.moving.shape[-1]

        def packed(tensor: Tensor) -> Tensor:
            rows = tensor.flatten(0, lead).index_select(0, place.flatten())
            return rows.view(*order.shape, *tensor.shape[lead + 1 :])

        network = working.network.for_rows(order)
        working = Working(network, *(packed(tensor) for tensor in _tensors(working)))
    return working


def _tensors(working: Working) -> tuple[Tensor, ...]:
    return working.before, working.state, working.index, working.moving, working.change
