"""The energy over a plane, and which attractor each of its points leads to."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hopfield import _check
from hopfield.energies import EnergyMemory
from hopfield.errors import ArgumentError, ShapeError
from hopfield.landscape.ends import SAME, STILL
from hopfield.phases import coinciding

BYTES_PER_POINT = 16 * 8
MARGIN = 0.25  # of the extent of the patterns, round them
STEPS = 1000  # more are not worth waiting for where an energy has no descent


@dataclass(frozen=True)
class Plane:
    """An energy of patterns with two entries, on a grid of P × P points.

    Attributes:
        x: `(P,)`, first entries of the points.
        y: `(P,)`, second entries.
        energy: `(P, P)`, rows by y; +inf where no pattern is felt.
        basin: `(P, P)`, which attractor retrieval from there ends in; −1 where it did not converge,
            or where no other point ends, as where no pattern is felt.
        attractor: `(A, 2)`, those that most points lead to first.
    """

    x: Float[Tensor, " P"]
    y: Float[Tensor, " P"]
    energy: Float[Tensor, "P P"]
    basin: Int[Tensor, "P P"]
    attractor: Float[Tensor, "A 2"]


def plane(
    memory: EnergyMemory,
    *,
    points: int = 81,
    limits: tuple[float, float, float, float] | None = None,
) -> Plane:
    """Energy and basins of a memory whose patterns have two entries; `plot.landscape` draws them.

    Args:
        memory: of `hopfield.energies`, for example `Modern(stored, beta=4.0)`.
        points: of the grid, along each axis, at least 2.
        limits: least and largest x, then y; by default the patterns' with a quarter round them.

    Raises:
        ShapeError: patterns of another width than 2.
        ArgumentError: limits that are not in order, or none for a memory that keeps no patterns.
    """
    stored = memory.stored
    if stored.shape[-1] != 2:
        raise ShapeError(
            f"the patterns have {stored.shape[-1]} entries; 2 are expected: project them first"
        )
    if _check.positive_int("points", points) < 2:
        raise ArgumentError("points is 1; at least 2 are expected")
    _check.fits_memory(points**2 * BYTES_PER_POINT, f"{points} × {points} points", "points")
    corners = _round(stored) if limits is None else _check.numbers("limits", limits, _finite)
    if len(corners) != 4 or not (corners[0] < corners[1] and corners[2] < corners[3]):
        raise ArgumentError(f"limits is {limits}; least and largest x, then y, are expected")
    left, right, low, high = corners
    x = torch.linspace(left, right, points, dtype=torch.float64, device=stored.device)
    y = torch.linspace(low, high, points, dtype=torch.float64, device=stored.device)
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).to(stored.dtype).flatten(0, 1)
    extent = max(right - left, high - low)
    with torch.no_grad():
        energy = memory.energy(grid)
        run = memory.run(grid, STEPS, STILL * extent)
        arrived = run.converged.nonzero().squeeze(-1)
        first, attractor = _grouped(run.state[arrived], SAME * extent)
    drawing = (attractor.bincount() > 1).nonzero().squeeze(-1)  # they come first
    basin = torch.full((len(grid),), -1, device=stored.device)
    basin[arrived] = torch.where(attractor < len(drawing), attractor, -1)
    ends = run.state[arrived[first[drawing]]]
    return Plane(x, y, energy.view(points, points), basin.view(points, points), ends)


def _grouped(points: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """`coinciding`, of one point for each small square: most points end in few places."""
    places, place = (points / (0.1 * radius)).round().unique(dim=0, return_inverse=True)
    member = torch.empty(len(places), dtype=torch.long, device=points.device)
    member[place] = torch.arange(len(points), device=points.device)
    first, group = coinciding(points[member], radius)
    number = group[place]
    order = number.bincount(minlength=len(first)).argsort(descending=True, stable=True)
    return member[first[order]], order.argsort()[number]


def _finite(name: str, value: object) -> float:
    number = _check.real(value)
    if number is None or not math.isfinite(number):
        raise ArgumentError(f"{name} has {value!r}; finite numbers are expected")
    return number


def _round(stored: Tensor) -> list[float]:
    if len(stored) == 0:
        raise ArgumentError("limits are missing, and this memory keeps no patterns to take them of")
    least, most = stored.amin(0), stored.amax(0)
    room = MARGIN * (most - least).amax().item() or 1.0
    (left, low), (right, high) = (least - room).tolist(), (most + room).tolist()
    return [left, right, low, high]
