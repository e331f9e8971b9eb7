"""What every energy has: an update, an energy, and retrieval by the library's one solver."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.fixed_point import Run, update_until_stopped
from hopfield.reduction.inputs import tiles
from hopfield.retrieval import Retrieval, Trajectory, warn_unconverged

NUMBERS_AT_ONCE = 2**22


class EnergyMemory(ABC):
    """Stored patterns with an energy, and an update that goes down it.

    Args:
        stored: patterns X, `(N, d)`.

    Raises:
        ShapeError, DtypeError: patterns that do not fit.
        ArgumentError: patterns with NaN or infinity.
    """

    states_are_alike = True  # for the solver: one network for all states

    def __init__(self, stored: Float[Tensor, "N d"]) -> None:
        _check.plain_patterns(stored)
        _check.finite("stored", stored)
        self.stored = stored

    @abstractmethod
    def _update(self, state: Tensor) -> Tensor:
        """The next state of states that fit."""

    @abstractmethod
    def _energy(self, state: Tensor) -> Tensor:
        """The energy of states that fit."""

    def start(self, state: Tensor) -> Tensor:
        """The state that retrieval starts from: where states have a set of their own, in it."""
        return state

    def update(self, state: Float[Tensor, "*lead S d"]) -> Float[Tensor, "*lead S d"]:
        """The next state.

        Args:
            state: states ξ, `(..., S, d)`.

        Raises:
            ShapeError, DtypeError: states that do not fit.
        """
        _check.state_fits(state, self.stored)
        return self._update(self.start(state))

    def energy(self, state: Float[Tensor, "*lead S d"]) -> Float[Tensor, "*lead S"]:
        """The energy of states, `(..., S)`.

        Args:
            state: states ξ, `(..., S, d)`.

        Raises:
            ShapeError, DtypeError: states that do not fit.
        """
        _check.state_fits(state, self.stored)
        return self._energy(self.start(state))

    def retrieve(
        self,
        state: Float[Tensor, "*lead S d"],
        *,
        steps: int = 1,
        tol: float | None = None,
        energy: bool = False,
        trajectory: bool = False,
    ) -> Retrieval:
        """Update states `steps` times, or until each stops by itself, as `hopfield.retrieve` does.

        Args:
            state: states ξ, `(..., S, d)`.
            steps: the largest number of updates.
            tol: how little an update moves a state that has converged; None makes all steps.
            energy: also compute the energy at the end.
            trajectory: also keep all states on the way and their energies.

        Raises:
            ShapeError, DtypeError, ArgumentError: arguments that do not fit.

        Warns:
            ConvergenceWarning: once, with counts, if some states did not converge.
        """
        way: list[Tensor] | None = [] if trajectory else None
        run = self.run(state, steps, tol, way)
        if tol is not None:
            warn_unconverged(run)
        return Retrieval(
            state=run.state,
            readout=run.state,
            steps=run.updates,
            converged=None if tol is None else run.converged,
            change=run.change,
            energy=self._energy(run.state) if energy else None,
            trajectory=None if way is None else self._trajectory(way),
            adjoint=None,
        )

    def run(
        self, state: Tensor, steps: int, tol: float | None, way: list[Tensor] | None = None
    ) -> Run:
        """The same as `retrieve` without warning; `way` receives the states of each step."""
        steps = _check.positive_int("steps", steps)
        if tol is not None:
            _check.tolerance("tol", tol)
        _check.state_fits(state, self.stored)
        state = self.start(state)
        if way is not None:
            way.append(state.detach())
        return update_until_stopped(self, state, steps, tol, way)

    @torch.no_grad()
    def _trajectory(self, way: list[Tensor]) -> Trajectory:
        return Trajectory(torch.stack(way), torch.stack([self._energy(state) for state in way]))

    def for_rows(self, order: Tensor) -> "EnergyMemory":
        """For the solver: the same network for some of the states."""
        return self

    def for_lead(self, dim: int, kept: Tensor) -> "EnergyMemory":
        """For the solver: the same network for some entries of a leading dimension."""
        return self


def check_signs(name: str, tensor: Tensor) -> None:
    """All entries are −1 or 1."""
    other = int((tensor.abs() != 1).sum())
    if other:
        raise ArgumentError(
            f"{name} has {other} entries that are neither −1 nor 1; binary patterns are expected: "
            f"for example torch.where({name} >= 0, 1.0, -1.0)"
        )


def by_chunks(
    function: Callable[[Tensor], Tensor], vectors: Tensor, width: int, dim: int
) -> Tensor:
    """A function of vectors `(..., S, d)`, chunk by chunk, each with `width` numbers on the way.

    Args:
        function: gives what is joined along `dim`.
        vectors: states or patterns.
        width: how many numbers the function holds for each.
        dim: −2 for results `(..., S, ·)`, −1 for `(..., S)`.
    """
    chunk = max(1, NUMBERS_AT_ONCE // (vectors.shape[:-2].numel() * width or 1))
    rows = tiles(vectors.shape[-2], chunk)
    return torch.cat([function(vectors[..., part, :]) for part in rows], dim)
