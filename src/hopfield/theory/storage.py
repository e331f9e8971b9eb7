"""When a pattern is stored, how fast one update nears it, and how far from it that ends."""

import math
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.linalg import vector_norm

from hopfield import _check
from hopfield.errors import NotCoveredError, ShapeError
from hopfield.separation import Softmax, resolve
from hopfield.theory.patterns import delta, max_norm


def covered(theorem: str, separation: Any, similarity: str, bias: Tensor | None) -> None:
    """Refuse what the paper's theorems do not speak of: anything but softmax of dot products."""
    if not isinstance(resolve(separation), Softmax):
        raise NotCoveredError(f"{theorem} covers softmax, not separation={separation!r}")
    if similarity != "dot":
        raise NotCoveredError(f"{theorem} covers the dot product, not similarity={similarity!r}")
    if bias is not None:
        raise NotCoveredError(f"{theorem} covers scores without bias; leave bias out")


def is_stored(
    stored: Float[Tensor, "*lead N d"],
    beta: float,
    index: Int[Tensor, " n"] | None = None,
    *,
    separation: Any = "softmax",
    similarity: str = "dot",
    bias: Tensor | None = None,
) -> Bool[Tensor, "*lead n"]:
    """Whether each pattern is guaranteed to be stored at this β.

    A pattern is stored if a ball round it holds exactly one fixed point, to which all states in it
    converge, and the balls are disjoint (Ramsauer et al. 2020, arXiv 2008.02217, definition 1). By
    their theorems A5 to A7 it is where `Δ_i ≥ 2/(βN) + ln(2(N−1)NβM²)/β`, with balls of radius
    1/(βNM), disjoint where `2(N−1)NβM² > 1`. The condition is sufficient, not necessary. One
    pattern alone is always stored.

    Args:
        stored: patterns X, `(..., N, d)`.
        beta: inverse temperature β > 0, a number.
        index: `(n,)`, which patterns are asked about; by default all of them.
        separation: refused unless it is softmax.
        similarity: refused unless it is the dot product.
        bias: refused unless it is None.

    Returns:
        `(..., n)`.

    Raises:
        NotCoveredError: a separation, similarity or bias that the theorem does not cover.
        ArgumentError: β ≤ 0.
    """
    covered("the storage theorem", separation, similarity, bias)
    beta = _check.positive("beta", beta)
    _check.patterns(stored)
    stored = stored.double()
    gaps = delta(stored, index)
    size = stored.shape[-2]
    if size == 1:
        return torch.ones_like(gaps, dtype=torch.bool)
    product = 2 * (size - 1) * size * beta * max_norm(stored).square().unsqueeze(-1)
    return (gaps >= 2 / (beta * size) + product.log() / beta) & (product > 1)


def storage_radius(stored: Float[Tensor, "*lead N d"], beta: float) -> Float[Tensor, "*lead"]:
    """Radius 1/(βNM) of the balls round stored patterns in which all states are theirs.

    Ramsauer et al. 2020 (arXiv 2008.02217), definition 1 and theorem A5: from inside the ball of a
    pattern for which `is_stored` holds, retrieval ends in its one fixed point. What lies outside
    may end there, too. +inf where all patterns are 0.

    Args:
        stored: patterns X, `(..., N, d)`.
        beta: inverse temperature β > 0, a number.

    Returns:
        `(...)`, in units of pattern length.

    Raises:
        ShapeError, DtypeError, ArgumentError: arguments that do not fit.
    """
    beta = _check.positive("beta", beta)
    _check.patterns(stored)
    return 1 / (beta * stored.shape[-2] * max_norm(stored.double()))


def fixed_point_error_bound(
    stored: Float[Tensor, "*lead N d"], beta: float
) -> Float[Tensor, "*lead N"]:
    """A bound on how far the fixed point of a stored pattern lies from the pattern.

    `‖x_i* − x_i‖ ≤ 2e (N − 1) exp(−βΔ_i) M` (Ramsauer et al. 2020, arXiv 2008.02217, theorem 5 with
    A9), where `is_stored` holds: the fixed point then lies within 1/(βNM), and so within the
    1/(2βM) that the theorem asks for. The same bounds the error of one update from any state within
    1/(2βM) of the pattern.

    Args:
        stored: patterns X, `(..., N, d)`.
        beta: inverse temperature β > 0, a number.

    Returns:
        `(..., N)`, in units of pattern length; +inf where the pattern is not known to be stored, 0
        for one pattern alone.

    Raises:
        ShapeError, DtypeError, ArgumentError: arguments that do not fit.
    """
    beta = _check.positive("beta", beta)
    _check.patterns(stored)
    stored = stored.double()
    certain, gaps = is_stored(stored, beta), delta(stored)
    size, radius = stored.shape[-2], max_norm(stored).unsqueeze(-1)
    if size == 1:
        return torch.zeros_like(gaps)
    bound = (1 + math.log(2 * (size - 1)) - beta * gaps + radius.log()).exp()
    return torch.where(certain, bound, torch.inf)


def convergence_rate_bound(
    state: Float[Tensor, "*states S d"],
    stored: Float[Tensor, "*lead N d"],
    beta: float,
    *,
    target: Int[Tensor, " S"],
) -> Float[Tensor, "*states S"]:
    """A bound on the share of the distance to the fixed point that one update leaves.

    `‖f(ξ) − x_i*‖ ≤ ‖Jᵐ‖₂ ‖ξ − x_i*‖` with
    `‖Jᵐ‖₂ ≤ 2βNM² (N − 1) exp(−β (Δ_i − 2 max{‖ξ − x_i‖, ‖x_i* − x_i‖} M))`: Ramsauer et al. 2020
    (arXiv 2008.02217), theorem 4. It speaks of patterns that `is_stored` and of states within
    `storage_radius` of them, and the fixed point is taken to be as far away as that radius at most.

    Args:
        state: states ξ, `(..., S, d)`.
        stored: patterns X, `(..., N, d)`.
        beta: inverse temperature β > 0, a number.
        target: `(S,)`, the index i of the pattern that each state is meant to retrieve.

    Returns:
        `(..., S)`: below 1 the update contracts; +inf where the conditions fail, 0 for one pattern
        alone.

    Raises:
        ShapeError, DtypeError, ArgumentError: arguments that do not fit.
    """
    beta = _check.positive("beta", beta)
    _check.patterns(stored)
    rounding = torch.finfo(stored.dtype).eps
    state, stored, target = _wide(state, stored, target)
    size = stored.shape[-2]
    distance = vector_norm(state - stored[..., target, :], dim=-1)
    if size == 1:
        return torch.zeros_like(distance)
    certain, gaps = is_stored(stored, beta, target), delta(stored, target)
    radius = max_norm(stored).unsqueeze(-1)
    within = 1 / (beta * size * radius)
    exponent = -beta * (gaps - 2 * torch.maximum(distance, within) * radius)
    factor = math.log(2 * beta * size * (size - 1)) + 2 * radius.log()
    inside = distance <= within + 4 * rounding * radius
    return torch.where(certain & inside, (exponent + factor).exp(), torch.inf)


def retrieval_error_bound(
    state: Float[Tensor, "*states S d"],
    stored: Float[Tensor, "*lead N d"],
    beta: float,
    *,
    target: Int[Tensor, " S"],
    separation: Any = "softmax",
    similarity: str = "dot",
    bias: Tensor | None = None,
) -> Float[Tensor, "*states S"]:
    """A bound on the error of one update: how far it may end from the pattern that is meant.

    `‖f(ξ) − x_i‖ ≤ 2 (N − 1) exp(−β (Δ_i − 2 ‖ξ − x_i‖ M)) M`, for any ξ: Ramsauer et al. 2020
    (arXiv 2008.02217), theorem 5 with lemma A4. The error falls exponentially in Δ_i; where states
    are further from x_i than Δ_i / (2M) the bound says nothing (it exceeds 2M).

    Args:
        state: states ξ, `(..., S, d)`.
        stored: patterns X, `(..., N, d)`.
        beta: inverse temperature β > 0, a number.
        target: `(S,)`, the index i of the pattern that each state is meant to retrieve.
        separation: refused unless it is softmax.
        similarity: refused unless it is the dot product.
        bias: refused unless it is None.

    Returns:
        `(..., S)`, in units of pattern length, float64; +inf where it overflows.

    Raises:
        NotCoveredError: a separation, similarity or bias that the theorem does not cover.
        ArgumentError: β ≤ 0, or arguments that do not fit.
    """
    covered("the error bound", separation, similarity, bias)
    beta = _check.positive("beta", beta)
    state, stored, target = _wide(state, stored, target)
    size = stored.shape[-2]
    radius = max_norm(stored).unsqueeze(-1)
    distance = vector_norm(state - stored[..., target, :], dim=-1)
    if size == 1:
        return torch.zeros_like(distance)
    exponent = -beta * (delta(stored, target) - 2 * distance * radius)
    return (exponent + math.log(2 * (size - 1)) + radius.log()).exp()


def _wide(state: Tensor, stored: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Checked arguments in float64, since bounds that are rounded are none."""
    _check.patterns(stored)
    _check.state_fits(state, stored)
    _check.lead(None, {"state": state.shape[:-2], "stored": stored.shape[:-2]})
    target = _check.indices("target", target, stored.shape[-2])
    if target.shape != state.shape[-2:-1]:
        raise ShapeError(
            f"target has shape {_check.shape_of(target)}; one index for each of the "
            f"{state.shape[-2]} states is expected"
        )
    return state.double(), stored.double(), target
