"""Basins of attraction: how far from an attractor retrieval still ends in it."""

import math
from collections.abc import Sequence
from typing import Unpack

import torch
from jaxtyping import Float
from torch import Tensor

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.landscape.ends import checked, length_of, returns, settled, states
from hopfield.settings import Settings
from hopfield.similarity import normalised

BYTES_PER_NUMBER = 8 * 8
FINEST = 50  # halvings of a distance, as many as float64 tells apart


def basin_by_noise(
    attractor: Float[Tensor, "A d"],
    stored: Float[Tensor, "N d"],
    lengths: Sequence[float],
    *,
    draws: int = 64,
    seed: int = 0,
    **settings: Unpack[Settings],
) -> Float[Tensor, "A R"]:
    """The share of noisy starts that return to an attractor, for each length of the noise.

    Args:
        attractor: states at convergence, `(A, d)`, as `fixed_points(…).state`; taken on to full
            convergence in float64 first.
        stored: patterns X, `(N, d)`.
        lengths: of noise in random directions, in units of pattern length, at least 0.
        draws: directions for each attractor and length.
        seed: of the directions.
        **settings: see `hopfield.Settings`, alike for all states.

    Returns:
        `(A, R)`, for R lengths.

    Raises:
        ShapeError, DtypeError, ArgumentError: arguments that do not fit.
    """
    attractor, wide = _attractors(attractor, stored, settings)
    sizes = _check.numbers("lengths", lengths, _check.not_negative)
    directions = _directions(attractor, _check.positive_int("draws", draws), seed)
    shares = [
        returns(attractor[:, None] + size * directions, attractor[:, None], wide, **settings)
        for size in sizes
    ]
    return torch.stack([share.double().mean(-1) for share in shares], -1)


def basin_by_masking(
    attractor: Float[Tensor, "A d"],
    stored: Float[Tensor, "N d"],
    shares: Sequence[float],
    *,
    draws: int = 64,
    seed: int = 0,
    **settings: Unpack[Settings],
) -> Float[Tensor, "A R"]:
    """The share of starts that return to an attractor when some of its entries are set to 0.

    Args:
        attractor: states at convergence, `(A, d)`, as for `basin_by_noise`.
        stored: patterns X, `(N, d)`.
        shares: of the d entries that are set to 0, rounded to whole entries, from 0 to 1.
        draws: random choices of entries for each attractor and share.
        seed: of these choices.
        **settings: see `hopfield.Settings`, alike for all states.

    Returns:
        `(A, R)`, for R shares.

    Raises:
        ShapeError, DtypeError, ArgumentError: arguments that do not fit.
    """
    attractor, wide = _attractors(attractor, stored, settings)
    parts = _check.numbers("shares", shares, _check.not_negative)
    if max(parts) > 1:
        raise ArgumentError(f"shares has {max(parts)}; shares from 0 to 1 are expected")
    generator = torch.Generator().manual_seed(_check.seed("seed", seed))
    draws = _check.positive_int("draws", draws)
    order = torch.rand(len(attractor), draws, attractor.shape[-1], generator=generator)
    rank = order.argsort(-1).argsort(-1).to(attractor.device)
    found = []
    for part in parts:
        masked = rank < round(part * attractor.shape[-1])
        start = attractor[:, None].expand(-1, draws, -1).masked_fill(masked, 0.0)
        found.append(returns(start, attractor[:, None], wide, **settings).double().mean(-1))
    return torch.stack(found, -1)


def basin_radius(
    attractor: Float[Tensor, "A d"],
    stored: Float[Tensor, "N d"],
    *,
    directions: int = 64,
    most: float | None = None,
    precision: float = 0.01,
    seed: int = 0,
    **settings: Unpack[Settings],
) -> Float[Tensor, "A D"]:
    """How far one may go from an attractor in random directions, and still return to it.

    By bisection along each direction, between a distance that returns and one that does not. A
    basin need not be convex: what is found is an edge, not necessarily the first.

    Args:
        attractor: states at convergence, `(A, d)`, as for `basin_by_noise`.
        stored: patterns X, `(N, d)`.
        directions: random directions for each attractor.
        most: the largest distance that is tried, in units of pattern length; by default 4 M.
        precision: of a distance, as a share of M.
        seed: of the directions.
        **settings: see `hopfield.Settings`, alike for all states.

    Returns:
        `(A, D)`, for D directions; +inf where even `most` returns, NaN for a state that is no
        attractor: retrieval from it does not converge.

    Raises:
        ShapeError, DtypeError, ArgumentError: arguments that do not fit.
    """
    attractor, wide = _attractors(attractor, stored, settings)
    length = length_of(wide, **settings)
    most = 4 * length if most is None else _check.positive("most", most)
    narrow = _check.share("precision", precision) * length
    halvings = min(FINEST, math.ceil(math.log2(max(most / narrow, 1.0))))
    along = _directions(attractor, _check.positive_int("directions", directions), seed)
    centre = attractor[:, None].expand_as(along)

    def back(distance: Tensor) -> Tensor:
        return returns(centre + distance.unsqueeze(-1) * along, centre, wide, **settings)

    low = along.new_zeros(along.shape[:-1])
    home = back(low)
    high = torch.full_like(low, most)
    endless = back(high)
    for _ in range(halvings):
        middle = (low + high) / 2
        held = back(middle)
        low, high = torch.where(held, middle, low), torch.where(held, high, middle)
    radius = ((low + high) / 2).masked_fill(endless, torch.inf)
    return radius.masked_fill(~home, torch.nan)


def _attractors(attractor: Tensor, stored: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    """Attractors at full convergence, and the stored patterns, in float64."""
    wide = checked(stored)
    return settled(states("attractor", attractor, stored), wide, **settings).state, wide


def _directions(attractor: Tensor, count: int, seed: int) -> Tensor:
    """Random unit vectors, `(A, count, d)`."""
    generator = torch.Generator().manual_seed(_check.seed("seed", seed))
    shape = (len(attractor), count, attractor.shape[-1])
    what = f"{len(attractor)} attractors × {count} starts of {attractor.shape[-1]} numbers"
    _check.fits_memory(math.prod(shape) * BYTES_PER_NUMBER, what, "number of starts")
    return normalised(torch.randn(shape, generator=generator, dtype=torch.float64)).to(attractor)
