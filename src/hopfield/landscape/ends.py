"""What looks at a landscape share: checked arguments, and where retrieval ends."""

import warnings
from typing import Unpack

import torch
from torch import Tensor
from torch.linalg import vector_norm

from hopfield import _check
from hopfield.errors import ArgumentError, ConvergenceWarning, ShapeError
from hopfield.retrieval import Retrieval, retrieve
from hopfield.settings import Settings, build_for_all

STEPS = 10_000
STILL, SAME = 1e-6, 1e-3  # shares of M: a state that stopped; two ends that are one


def checked(stored: Tensor) -> Tensor:
    """Stored patterns `(N, d)` without NaN, in float64."""
    _check.plain_patterns(stored)
    _check.finite("stored", stored)
    return stored.double()


def states(name: str, state: Tensor, stored: Tensor) -> Tensor:
    """States `(S, d)` without NaN that fit the stored patterns, in float64."""
    _check.floating(name, state, 2)
    _check.state_fits(state, stored)
    if state.dim() != 2:
        raise ShapeError(f"{name} has shape {_check.shape_of(state)}; (S, d) is expected")
    _check.finite(name, state)
    return state.double()


def betas_of(betas: object) -> list[float]:
    """Inverse temperatures, rising."""
    found = _check.numbers("betas", betas, _check.positive)
    if sorted(set(found)) != found:
        raise ArgumentError(f"betas is {found}; rising numbers above 0 are expected")
    return found


def length_of(stored: Tensor, **settings: Unpack[Settings]) -> float:
    """M, the largest norm of a pattern as it is compared; 1 if all are 0.

    Raises:
        ArgumentError: settings that are not alike for all states.
    """
    _, network = build_for_all("this", stored[:1], stored, **settings)
    return vector_norm(network.patterns(), dim=-1).amax().item() or 1.0


def settled(state: Tensor, stored: Tensor, **settings: Unpack[Settings]) -> Retrieval:
    """States at convergence; those that do not converge count as they are."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", ConvergenceWarning)  # callers look at `converged`
        tol = STILL * length_of(stored, **settings)
        return retrieve(state, stored, steps=STEPS, tol=tol, energy=True, **settings)


def returns(
    start: Tensor, attractor: Tensor, stored: Tensor, **settings: Unpack[Settings]
) -> Tensor:
    """Whether retrieval from each start, `(..., d)`, ends in its attractor, `(..., d)`."""
    flat = start.reshape(-1, start.shape[-1])
    end = settled(flat, stored, **settings)
    assert end.converged is not None
    away = vector_norm(end.state.view_as(start) - attractor, dim=-1)
    near = away <= SAME * length_of(stored, **settings)
    return near & end.converged.view(start.shape[:-1])
