"""What the theorems need to know of the stored patterns: Δ_i, M and m_max; random ones."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.linalg import vector_norm

from hopfield import _check
from hopfield.blocks import OnePass, passes
from hopfield.errors import ArgumentError, DtypeError, ShapeError
from hopfield.reduction.inputs import tiles
from hopfield.settings import Stored

ROWS_AT_ONCE, COLUMNS_AT_ONCE = 512, 4096


def delta(stored: Stored, index: Int[Tensor, " n"] | None = None) -> Float[Tensor, "*lead n"]:
    """Separation Δ_i of each pattern from the others: `min_{j≠i} x_i·x_i − x_i·x_j`.

    Ramsauer et al. 2020 (arXiv 2008.02217), definition 2. Positive where the pattern resembles
    itself most; 0 for duplicates, negative where a longer pattern hides it; +inf where there is no
    other. Computed in float64 over blocks of patterns, without an N × N matrix; a difference that
    float64 does not resolve is 0.

    Args:
        stored: patterns X, `(..., N, d)`. Or blocks of them, as for `hopfield.update`, read anew
            for every 512 patterns asked about.
        index: `(n,)`, which patterns are asked about; by default all of them.

    Returns:
        `(..., n)`, in units of squared pattern length.

    Raises:
        ShapeError, DtypeError: patterns that do not fit.
        ArgumentError: patterns with NaN or infinity; an iterator, which can be read only once.
    """
    size, longest = size_and_norm(stored)
    if index is None:
        index = torch.arange(size, device=longest.device)
    index = _check.indices("index", index, size)
    dtype = next(read(stored))[1].dtype
    result = [
        least_gap(stored, patterns_at(stored, index[rows]), index[rows])
        for rows in tiles(len(index), ROWS_AT_ONCE)
    ]
    return torch.cat(result, -1).to(torch.promote_types(dtype, torch.float32))


def read(stored: Stored) -> Iterator[tuple[int, Tensor]]:
    """One pass: each block `(..., n, d)` with the index of its first pattern; a tensor is one.

    Raises:
        ShapeError, DtypeError: a block does not fit, or there is none.
        ArgumentError: an iterator, which can be read only once.
    """
    blocks = passes([stored] if isinstance(stored, Tensor) else stored)
    if isinstance(blocks, OnePass):
        raise ArgumentError(
            "stored is an iterator, which can be read only once; this needs several passes: give a "
            "list of blocks or a generator function"
        )
    start, like = 0, None
    for given in blocks():
        block = given() if callable(given) else given
        if isinstance(block, tuple):
            raise DtypeError("stored gave a tuple; blocks of stored patterns alone are expected")
        _check.patterns(block)
        like = block[..., :0, :] if like is None else like
        _check.alike("a block of stored", block, "the first", like)
        if (*block.shape[:-2], block.shape[-1]) != (*like.shape[:-2], like.shape[-1]):
            raise ShapeError(
                f"the block of stored from pattern {start} on has shape {_check.shape_of(block)} "
                f"but width d = {like.shape[-1]} and leading dimensions {tuple(like.shape[:-2])} "
                f"are those of the first; all need the same"
            )
        yield start, block
        start += block.shape[-2]
    if like is None:
        raise ShapeError("stored gave no blocks; at least one pattern is expected")


def size_and_norm(stored: Stored) -> tuple[int, Float[Tensor, "*lead"]]:
    """N, and M in float64; NaN and infinity are refused."""
    size, longest = 0, torch.zeros((), dtype=torch.float64)
    for start, block in read(stored):
        size = start + block.shape[-2]
        for columns in tiles(block.shape[-2], COLUMNS_AT_ONCE):
            norms = vector_norm(block[..., columns, :].double(), dim=-1)
            if not bool(norms.isfinite().all()):
                which = "" if isinstance(stored, Tensor) else f", patterns {start} to {size - 1},"
                _check.finite(f"stored{which}", block)
            longest = torch.maximum(longest.to(norms.device), norms.amax(-1))
    return size, longest


def patterns_at(stored: Stored, index: Int[Tensor, " n"]) -> Float[Tensor, "*lead n d"]:
    """The patterns of some indices, in float64."""
    like = next(read(stored))[1]
    found = like.new_zeros(*like.shape[:-2], len(index), like.shape[-1], dtype=torch.float64)
    for start, block in read(stored):
        inside, column = _inside(index, start, block.shape[-2])
        found[..., inside, :] = block[..., column, :].double()
    return found


def gaps(
    stored: Stored, own: Float[Tensor, "*lead n d"], index: Int[Tensor, " n"]
) -> Iterator[tuple[Float[Tensor, "*lead m d"], Float[Tensor, "*lead n m"]]]:
    """One pass: tiles of all patterns x_j, and `x_i·x_i − x_i·x_j`, +inf for j = i; in float64.

    Args:
        stored: patterns X, `(..., N, d)`, or blocks of them.
        own: some of them, x_i, in float64.
        index: which they are.
    """
    squares = own.square().sum(-1, keepdim=True)
    for start, block in read(stored):
        for columns in tiles(block.shape[-2], COLUMNS_AT_ONCE):
            tile = block[..., columns, :].double()
            gap = (own @ tile.mT).neg_().add_(squares)
            row, column = _inside(index, start + columns.start, tile.shape[-2])
            gap[..., row, column] = torch.inf
            yield tile, gap


def least_gap(
    stored: Stored, own: Float[Tensor, "*lead n d"], index: Int[Tensor, " n"]
) -> Float[Tensor, "*lead n"]:
    """Δ_i of some patterns, in float64; arguments as for `gaps`."""
    least = own.new_full(own.shape[:-1], torch.inf)
    for _, gap in gaps(stored, own, index):
        least = torch.minimum(least, gap.amin(-1))
    rounding = 4 * own.shape[-1] * torch.finfo(torch.float64).eps * own.square().sum(-1)
    return least.masked_fill(least.abs() <= rounding, 0.0)


def _inside(index: Tensor, start: int, size: int) -> tuple[Tensor, Tensor]:
    """Which of the indices lie in `size` patterns from `start` on, and where there."""
    row = ((index >= start) & (index < start + size)).nonzero().squeeze(-1)
    return row, index[row] - start


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


def max_norm(stored: Stored) -> Float[Tensor, "*lead"]:
    """M: the largest norm ‖x_i‖ of a stored pattern.

    Args:
        stored: patterns X, `(..., N, d)`, or blocks of them, as for `hopfield.update`.

    Raises:
        ShapeError, DtypeError: patterns that do not fit.
        ArgumentError: an iterator, which can be read only once.
    """
    longest = [vector_norm(_wide(block), dim=-1).amax(-1) for _, block in read(stored)]
    return torch.stack(longest).amax(0)


def spread(stored: Stored) -> Float[Tensor, "*lead"]:
    """m_max: the largest distance ‖x_i − mean‖ of a stored pattern from the mean of all.

    Ramsauer et al. 2020 (arXiv 2008.02217), appendix A.1.5: below β = 1 / m_max² there is exactly
    one fixed point.

    Args:
        stored: patterns X, `(..., N, d)`, or blocks of them, as for `hopfield.update`, read twice.

    Raises:
        ShapeError, DtypeError: patterns that do not fit.
        ArgumentError: an iterator, which can be read only once.
    """
    first = _wide(next(read(stored))[1][..., :1, :])
    size, total = 0, torch.zeros_like(first)
    for _, block in read(stored):  # apart from the first: exactly 0 where patterns are equal
        size, total = size + block.shape[-2], total + (_wide(block) - first).sum(-2, keepdim=True)
    mean = total / size
    reach = [vector_norm(_wide(block) - first - mean, dim=-1).amax(-1) for _, block in read(stored)]
    return torch.stack(reach).amax(0)


def _wide(block: Tensor) -> Tensor:
    return block.to(torch.promote_types(block.dtype, torch.float32))


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
