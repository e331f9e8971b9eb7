"""Retrieval: the update repeated until each state stops moving, then one read-out."""

import warnings
from dataclasses import dataclass
from typing import Literal, Unpack

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hopfield import _check
from hopfield.errors import ArgumentError, ConvergenceWarning
from hopfield.fixed_point import Run, distance, update_fixed_number, update_until_stopped
from hopfield.implicit import Adjoint, at_fixed_point
from hopfield.network import Ground, Network
from hopfield.settings import Settings, Stored, build


@dataclass(frozen=True)
class Trajectory:
    """The way of each state over T updates; a state that has stopped stays where it is.

    Attributes:
        state: `(T + 1, ..., S, d)`, from the initial states on, without gradient.
        energy: `(T + 1, ..., S)`.
    """

    state: Float[Tensor, "..."]
    energy: Float[Tensor, "..."]


@dataclass(frozen=True)
class Retrieval:
    """What `retrieve` found.

    Attributes:
        state: `(..., S, d)`, the states at the end.
        readout: `(..., S, v)`, what the last association read out: without a projection the state.
        steps: `(..., S)`, how many associations each state took, the read-out included.
        converged: `(..., S)`, whether the last update moved the state by no more than `tol`; None
            without `tol`.
        change: `(..., S)`, how far the last update moved the state; None or NaN where there was no
            update (a projection and one step).
        energy: `(..., S)`, of the states at the end; None if not asked for.
        trajectory: the way there; None if not asked for.
        adjoint: filled in by backward with `backward="implicit"`; otherwise None.
    """

    state: Float[Tensor, "..."]
    readout: Float[Tensor, "..."]
    steps: Int[Tensor, "..."]
    converged: Bool[Tensor, "..."] | None
    change: Float[Tensor, "..."] | None
    energy: Float[Tensor, "..."] | None
    trajectory: Trajectory | None
    adjoint: Adjoint | None


def retrieve(
    state: Float[Tensor, "*lead S d"],
    stored: Stored,
    projection: Float[Tensor, "*patterns N v"] | Literal["blocks"] | None = None,
    *,
    steps: int | Int[Tensor, "..."] = 1,
    tol: float | Float[Tensor, "..."] | None = None,
    energy: bool = False,
    trajectory: bool = False,
    backward: Literal["unrolled", "implicit"] = "unrolled",
    **settings: Unpack[Settings],
) -> Retrieval:
    """Retrieve from stored patterns: update states to a fixed point, then read out.

    The update is eq. 3 of Ramsauer et al. 2020 (arXiv 2008.02217); by their Theorems 1 and 2 it
    converges. Each state stops by itself once `‖ξ_new − ξ‖ ≤ tol`: its result does not depend on
    the states beside it, and once stopped it costs nothing more. (States of a batch, of heads or of
    bags are computed as a rectangle, as wide as the one of them with most moving states.)

    Args:
        state: states ξ, `(..., S, d)`.
        stored: stored patterns X, `(..., N, d)`, or blocks of them as for `update`.
        projection: what the last association reads out, `(..., N, v)`, or "blocks", as for
            `update`; by default the stored patterns.
        steps: the largest number of associations, the read-out included: up to `steps − 1` updates
            and one read-out, which without a projection is one more update. 1 is attention. A
            tensor that broadcasts to `(..., S)` sets it state by state; per head it is `(H, 1)`.
        tol: how little an update moves a state that has converged, in the units of the states, one
            number or a tensor that broadcasts to `(..., S)`; None makes exactly `steps`
            associations.
        energy: also compute the energy of the states at the end.
        trajectory: also keep all states on the way and their energies.
        backward: "unrolled" differentiates through the steps. "implicit" differentiates at the
            fixed point by the implicit function theorem: memory does not grow with the steps, and
            the initial state gets no gradient. It needs `tol`.
        **settings: see `hopfield.Settings`.

    Returns:
        A `Retrieval`.

    Raises:
        ShapeError, DtypeError, ArgumentError, BackendError: as for `update`.

    Warns:
        ConvergenceWarning: once, with counts, if `tol` was given and some states did not converge.
    """
    steps = _check.whole_numbers("steps", steps)
    updates = steps if projection is None else steps - 1
    _check_stopping(tol, updates, backward)
    state, network = build(state, stored, projection, **settings)
    state = state.expand(*network.lead(state), *state.shape[-2:])
    way = [state.detach()] if trajectory else None
    settled = settle(network, state, updates, tol, backward, way)
    state, run = settled.state, settled.run
    if run is None:
        taken = torch.full(state.shape[:-1], int(steps), device=state.device)
        change = None if settled.before is None else distance(state, settled.before)
    else:
        taken, change = run.updates + (0 if projection is None else 1), run.change
    converged = None if run is None or tol is None else run.converged
    if run is not None and tol is not None:
        warn_unconverged(run)
    readout = state if projection is None else network.readout(state, "projection")
    final, path = None, None
    if energy or way is not None:
        network = network.any_backend()
        ground = network.ground()
        final = network.energy(state, ground) if energy else None
        path = None if way is None else _trajectory(network, ground, way)
    return Retrieval(state, readout, taken, converged, change, final, path, settled.adjoint)


@dataclass(frozen=True)
class Settled:
    """States after their updates, and how they came there.

    Attributes:
        state: `(..., S, d)`.
        before: the same before the last update; None without one, or where states stop apart.
        run: how each state stopped; None where all made the same number of updates.
        adjoint: to be filled in by the implicit gradient, or None.
    """

    state: Tensor
    before: Tensor | None
    run: Run | None
    adjoint: Adjoint | None


def settle(
    network: Network,
    state: Tensor,
    updates: int | Tensor,
    tol: float | Tensor | None,
    backward: str = "unrolled",
    way: list[Tensor] | None = None,
) -> Settled:
    """Update states a fixed number of times, or until each stops; arguments are checked already."""
    if tol is None and not isinstance(updates, Tensor):
        last, before = update_fixed_number(network, state, updates, way)
        return Settled(last, before if updates else None, None, None)
    unrolled = backward == "unrolled"
    with torch.set_grad_enabled(torch.is_grad_enabled() and unrolled):
        run = update_until_stopped(network, state, updates, tol, way)
    if unrolled or not torch.is_grad_enabled():
        return Settled(run.state, None, run, None)
    adjoint = Adjoint()
    return Settled(at_fixed_point(network, run.state, adjoint), None, run, adjoint)


@torch.no_grad()
def _trajectory(network: Network, ground: Ground, way: list[Tensor]) -> Trajectory:
    energies = [network.energy(state, ground) for state in way]
    return Trajectory(torch.stack(way), torch.stack(energies))


def _check_stopping(tol: object, updates: int | Tensor, backward: str) -> None:
    _check.choice("backward", backward, ["unrolled", "implicit"])
    if tol is None:
        if backward == "implicit":
            raise ArgumentError("backward='implicit' needs tol: it holds at a fixed point only")
        return
    _check.tolerance("tol", tol)
    if not isinstance(updates, Tensor) and updates == 0:
        raise ArgumentError(
            "tol was given, but with a projection and steps=1 no state is updated; "
            "use steps=2 or more, or tol=None"
        )


def warn_unconverged(run: Run, stacklevel: int = 3) -> None:
    """Say how many states did not converge, and why, if any."""
    missed = ~run.converged & (run.updates > 0)
    if not bool(missed.any()):
        return
    cycling = int(run.cycling.sum())
    rounding = (
        f"; {cycling} of them go back and forth between two values by rounding: "
        f"{run.state.dtype} does not resolve this tol"
        if cycling
        else ""
    )
    warnings.warn(
        f"{int(missed.sum())} of {missed.numel()} states did not converge in "
        f"{int(run.updates[missed].max())} updates: the last one moved them by up to "
        f"{run.change[missed].max().item():.2g}, above tol{rounding}; "
        f"allow more steps or a larger tol",
        ConvergenceWarning,
        stacklevel=stacklevel,
    )
