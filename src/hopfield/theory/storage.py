"""When a pattern is stored, and how far from it one update ends."""

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
    *,
    separation: Any = "softmax",
    similarity: str = "dot",
    bias: Tensor | None = None,
) -> Bool[Tensor, "*lead N"]:
    """Whether each pattern is guaranteed to be stored at this β.

    A pattern is stored if a ball round it holds exactly one fixed point, to which all states in it
    converge, and the balls are disjoint (Ramsauer et al. 2020, arXiv 2008.02217, definition 1). By
    their theorems A5 to A7 it is where `Δ_i ≥ 2/(βN) + ln(2(N−1)NβM²)/β`, with balls of radius
    1/(βNM), disjoint where `2(N−1)NβM² > 1`. The condition is sufficient, not necessary. One
    pattern alone is always stored.

    Args:
        stored: patterns X, `(..., N, d)`.
        beta: inverse temperature β > 0, a number.
        separation: refused unless it is softmax.
        similarity: refused unless it is the dot product.
        bias: refused unless it is None.

    Returns:
        `(..., N)`.

    Raises:
        NotCoveredError: a separation, similarity or bias that the theorem does not cover.
        ArgumentError: β ≤ 0.
    """
    covered("the storage theorem", separation, similarity, bias)
    beta = _check.positive("beta", beta)
    gaps = delta(stored).double()
    size = stored.shape[-2]
    if size == 1:
        return torch.ones_like(gaps, dtype=torch.bool)
    product = 2 * (size - 1) * size * beta * max_norm(stored).double().square().unsqueeze(-1)
    return (gaps >= 2 / (beta * size) + product.log() / beta) & (product > 1)


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
        `(..., S)`, in units of pattern length; +inf where it overflows.

    Raises:
        NotCoveredError: a separation, similarity or bias that the theorem does not cover.
        ArgumentError: β ≤ 0, or arguments that do not fit.
    """
    covered("the error bound", separation, similarity, bias)
    beta = _check.positive("beta", beta)
    _check.patterns(stored)
    _check.state_fits(state, stored)
    target = _check.indices("target", target, stored.shape[-2])
    if target.shape != state.shape[-2:-1]:
        raise ShapeError(
            f"target has shape {_check.shape_of(target)}; one index for each of the "
            f"{state.shape[-2]} states is expected"
        )
    size = stored.shape[-2]
    radius = max_norm(stored).double().unsqueeze(-1)
    distance = vector_norm((state - stored[..., target, :]).double(), dim=-1)
    if size == 1:
        return torch.zeros_like(distance).to(state.dtype)
    exponent = -beta * (delta(stored, target).double() - 2 * distance * radius)
    return (exponent + math.log(2 * (size - 1)) + radius.log()).exp().to(state.dtype)
