"""How much one update stretches: its Jacobian."""

import torch
from jaxtyping import Float
from torch import Tensor

from hopfield import _check
from hopfield.functional import associate
from hopfield.reduction.inputs import tiles

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
    chunk = max(1, NUMBERS_AT_ONCE // (stored.numel() or 1))
    parts = []
    for rows in tiles(state.shape[-2], chunk):
        p = associate(state[..., rows, :], stored, beta=beta)
        patterns = stored.unsqueeze(-3)
        mean = (p @ stored).unsqueeze(-2)
        centred = (patterns - mean) * p.unsqueeze(-1).sqrt()
        parts.append(beta * centred.mT @ centred)
    return torch.cat(parts, -3)
