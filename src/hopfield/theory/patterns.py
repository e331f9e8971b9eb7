"""What the theorems need to know of the stored patterns: Δ_i, M and m_max; random ones."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.linalg import vector_norm

from hopfield import _check
from hopfield.reduction.inputs import tiles

ROWS_AT_ONCE, COLUMNS_AT_ONCE = 512, 4096


def delta(
    stored: Float[Tensor, "*lead N d"], index: Int[Tensor, " n"] | None = None
) -> Float[Tensor, "*lead n"]:
    """Separation Δ_i of each pattern from the others: `min_{j≠i} x_i·x_i − x_i·x_j`.

    Ramsauer et al. 2020 (arXiv 2008.02217), definition 2. Positive where the pattern resembles
    itself most; 0 for duplicates, negative where a longer pattern hides it; +inf where there is no
    other. Computed in float64 over blocks of patterns, without an N × N matrix; a difference that
    float64 does not resolve is 0.

    Args:
        stored: patterns X, `(..., N, d)`.
        index: `(n,)`, which patterns are asked about; by default all of them.

    Returns:
        `(..., n)`, in units of squared pattern length.

    Raises:
        ShapeError, DtypeError: patterns that do not fit.
        ArgumentError: patterns with NaN or infinity.
    """
    _check.patterns(stored)
    _check.finite("stored", stored)
    size = stored.shape[-2]
    if index is None:
        index = torch.arange(size, device=stored.device)
    index = _check.indices("index", index, size)
    result = []
    for rows in tiles(len(index), ROWS_AT_ONCE):
        which = index[rows]
        own = stored[..., which, :].double()
        rival = own.new_full(own.shape[:-1], -torch.inf)
        for columns in tiles(size, COLUMNS_AT_ONCE):
            scores = own @ stored[..., columns, :].double().mT
            itself = which[:, None] == torch.arange(
                columns.start, columns.stop, device=which.device
            )
            rival = torch.maximum(rival, scores.masked_fill(itself, -torch.inf).amax(-1))
        squares = own.square().sum(-1)
        gap = squares - rival
        rounding = 4 * stored.shape[-1] * torch.finfo(torch.float64).eps * squares
        result.append(gap.masked_fill(gap.abs() <= rounding, 0.0))
    return torch.cat(result, -1).to(torch.promote_types(stored.dtype, torch.float32))


def unstorable(stored: Float[Tensor, "N d"]) -> Int[Tensor, " n"]:
    """Indices of the patterns that no β stores: those with Δ_i ≤ 0.

    They are duplicates, or hidden by a longer pattern that resembles them more than they resemble
    themselves.

    Args:
        stored: patterns X, `(N, d)`.

    Raises:
        ShapeError, DtypeError: patterns that do not fit.
    """
    _check.plain_patterns(stored)
    return (delta(stored) <= 0).nonzero().squeeze(-1)


def max_norm(stored: Float[Tensor, "*lead N d"]) -> Float[Tensor, "*lead"]:
    """M: the largest norm ‖x_i‖ of a stored pattern.

    Args:
        stored: patterns X, `(..., N, d)`.

    Raises:
        ShapeError, DtypeError: patterns that do not fit.
    """
    _check.patterns(stored)
    return vector_norm(stored, dim=-1).amax(-1)


def spread(stored: Float[Tensor, "*lead N d"]) -> Float[Tensor, "*lead"]:
    """m_max: the largest distance ‖x_i − mean‖ of a stored pattern from the mean of all.

    Ramsauer et al. 2020 (arXiv 2008.02217), appendix A.1.5: below β = 1 / m_max² there is exactly
    one fixed point.

    Args:
        stored: patterns X, `(..., N, d)`.

    Raises:
        ShapeError, DtypeError: patterns that do not fit.
    """
    _check.patterns(stored)
    apart = stored - stored[..., :1, :]  # exactly 0 where patterns are equal
    return vector_norm(apart - apart.mean(-2, keepdim=True), dim=-1).amax(-1)


def on_sphere(
    count: int, d: int, radius: float, generator: torch.Generator
) -> Float[Tensor, "count d"]:
    """Patterns drawn uniformly on a sphere, as the capacity theorem takes them.

    Args:
        count: how many.
        d: dimension, at least 1.
        radius: of the sphere, above 0; K √(d − 1) in the theorem.
        generator: of the random numbers; on the CPU.

    Returns:
        `(count, d)`, float64.

    Raises:
        ArgumentError: a parameter outside these ranges.
    """
    count, d = _check.positive_int("count", count), _check.positive_int("d", d)
    radius = _check.positive("radius", radius)
    _check.fits_memory(16 * count * d, f"{count} patterns of {d} numbers", "count")
    drawn = torch.randn(count, d, generator=generator, dtype=torch.float64)
    return radius * drawn / vector_norm(drawn, dim=-1, keepdim=True)
