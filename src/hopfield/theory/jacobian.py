"""How much one update stretches: its Jacobian, and what bounds it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.linalg import matrix_norm

from hopfield import _check
from hopfield.functional import associate
from hopfield.reduction.inputs import broadcast, tiles
from hopfield.theory.patterns import max_norm, spread

NUMBERS_AT_ONCE = 2**24


def jacobian(
    state: Float[Tensor, "*states S d"], stored: Float[Tensor, "*lead N d"], beta: float
) -> Float[Tensor, "*broadcast S d d"]:
    """The Jacobian of the softmax update, `J = β Cov_p(x) = β X (diag p − p pᵀ) Xᵀ`.

    Ramsauer et al. 2020 (arXiv 2008.02217), appendix A.1.5. It is symmetric and positive
    semi-definite; where its largest eigenvalue at a fixed point is below 1, states near it are
    drawn to it, by that factor in each update.

    Args:
        state: states ξ, `(..., S, d)`.
        stored: patterns X, `(..., N, d)`.
        beta: inverse temperature β > 0, a number.

    Returns:
        `(..., S, d, d)`; `torch.linalg.matrix_norm(…, 2)` gives its norm.

    Raises:
        ShapeError, DtypeError, ArgumentError: arguments that do not fit.
    """
    beta = _check.positive("beta", beta)
    _check.patterns(stored)
    _check.state_fits(state, stored)
    parts = []
    for rows in _rows(state, stored, stored.shape[-1]):
        p = associate(state[..., rows, :], stored, beta=beta)
        patterns = stored.unsqueeze(-3)
        mean = (p @ stored).unsqueeze(-2)
        centred = (patterns - mean) * p.unsqueeze(-1).sqrt()
        parts.append(beta * centred.mT @ centred)
    return torch.cat(parts, -3)


@dataclass(frozen=True)
class JacobianNorm:
    """The norm ‖J‖₂ of the Jacobian at states, and its bounds, `(..., S)` each, in float64.

    With `m = max_i p_i (1 − p_i)`, all of Ramsauer et al. 2020 (arXiv 2008.02217), appendix A.1.5
    (A2 and A3; the last one because `‖diag p − p pᵀ‖₂ ≤ ½`). None has a condition.

    Attributes:
        exact: ‖J‖₂.
        by_weights: 2β‖X‖₂² m: it vanishes where one pattern holds the weight.
        by_norms: 2βNM² m, which is never smaller.
        by_spread: β m_max², the same for all states: below 1 there is one fixed point.
        by_matrix: ½β‖X‖₂², the same for all states.
    """

    exact: Float[Tensor, "..."]
    by_weights: Float[Tensor, "..."]
    by_norms: Float[Tensor, "..."]
    by_spread: Float[Tensor, "..."]
    by_matrix: Float[Tensor, "..."]


def jacobian_norm(
    state: Float[Tensor, "*states S d"], stored: Float[Tensor, "*lead N d"], beta: float
) -> JacobianNorm:
    """The norm of the Jacobian of the softmax update beside its bounds.

    Args:
        state: states ξ, `(..., S, d)`.
        stored: patterns X, `(..., N, d)`.
        beta: inverse temperature β > 0, a number.

    Raises:
        ShapeError, DtypeError, ArgumentError: arguments that do not fit.
    """
    beta = _check.positive("beta", beta)
    _check.patterns(stored)
    _check.state_fits(state, stored)
    _check.finite("stored", stored)
    _check.finite("state", state)
    state, stored = state.double(), stored.double()
    exact = matrix_norm(jacobian(state, stored, beta), 2)
    parts = [state[..., rows, :] for rows in _rows(state, stored, 1)]
    most = torch.cat([_most(associate(part, stored, beta=beta)) for part in parts], -1)
    largest = matrix_norm(stored, 2).square().unsqueeze(-1)
    norms = stored.shape[-2] * max_norm(stored).square().unsqueeze(-1)
    return JacobianNorm(
        exact,
        by_weights=2 * beta * largest * most,
        by_norms=2 * beta * norms * most,
        by_spread=(beta * spread(stored).square().unsqueeze(-1)).expand_as(exact),
        by_matrix=(0.5 * beta * largest).expand_as(exact),
    )


def _most(p: Tensor) -> Tensor:
    """`max_i p_i (1 − p_i)`, with 1 − p of the heaviest as the sum of the others: no rounding."""
    heaviest = torch.zeros_like(p).scatter_(-1, p.argmax(-1, keepdim=True), 1.0).bool()
    others = p.masked_fill(heaviest, 0.0).sum(-1, keepdim=True)
    return (p * torch.where(heaviest, others, 1 - p)).amax(-1)


def _rows(state: Tensor, stored: Tensor, width: int) -> Iterator[slice]:
    """Chunks of states with so many numbers for each state and pattern."""
    lead = math.prod(broadcast([state.shape[:-2], stored.shape[:-2]]))
    each = lead * stored.shape[-2] * width
    return tiles(state.shape[-2], max(1, NUMBERS_AT_ONCE // (each or 1)))
