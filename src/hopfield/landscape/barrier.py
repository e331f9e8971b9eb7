"""The energy between two states: how high the straight path rises."""

from dataclasses import dataclass
from typing import Unpack

import torch
from jaxtyping import Float
from torch import Tensor

from hopfield import _check
from hopfield.errors import ArgumentError, ShapeError
from hopfield.functional import energy
from hopfield.landscape.ends import checked, states
from hopfield.settings import Settings, build_for_all


@dataclass(frozen=True)
class Barrier:
    """The energy along the straight path between states, for P pairs.

    Attributes:
        way: `(T,)`, shares of the path, from 0 to 1.
        energy: `(P, T)`, along it.
        position: `(P,)`, where on the path it is highest.
        height: `(P,)`, how far that is above the higher end; 0 where an end is highest, so that
            nothing keeps them apart.
        from_start: `(P,)`, how far it is above the start.
        from_end: `(P,)`, how far it is above the end.
    """

    way: Float[Tensor, " T"]
    energy: Float[Tensor, "P T"]
    position: Float[Tensor, " P"]
    height: Float[Tensor, " P"]
    from_start: Float[Tensor, " P"]
    from_end: Float[Tensor, " P"]


def barrier(
    start: Float[Tensor, "P d"],
    end: Float[Tensor, "P d"],
    stored: Float[Tensor, "N d"],
    *,
    points: int = 201,
    **settings: Unpack[Settings],
) -> Barrier:
    """How high the energy rises on the straight path from one state to another.

    Between two attractors this bounds the saddle that parts them from above: a curved path may lie
    lower. Where the highest point is in between, it is looked for again on a grid as fine between
    its neighbours, so that `position` is known to 4 / points², about.

    Args:
        start: states, `(P, d)`.
        end: states, `(P, d)`, each the other end of a path.
        stored: patterns X, `(N, d)`.
        points: of a path, at least 3.
        **settings: see `hopfield.Settings`, alike for all states.

    Raises:
        ShapeError, DtypeError, ArgumentError: arguments that do not fit.
    """
    wide = checked(stored)
    start, end = states("start", start, stored), states("end", end, stored)
    build_for_all("barrier", start, wide, **settings)
    if start.shape != end.shape:
        raise ShapeError(
            f"start has shape {_check.shape_of(start)} and end {_check.shape_of(end)}; both "
            f"(P, d), as many each, are expected"
        )
    if _check.positive_int("points", points) < 3:
        raise ArgumentError(
            f"points is {points}; at least 3 are expected: both ends and one between"
        )
    what = f"{len(start)} paths of {points} points"
    _check.fits_memory(16 * points * (start.numel() or 1), what, "number of points")

    def along(share: Tensor) -> Tensor:
        """Energy at shares `(P, T)` of the paths."""
        path = torch.lerp(start[:, None], end[:, None], share.unsqueeze(-1))
        with torch.no_grad():
            return energy(path.flatten(0, 1), wide, **settings).view(share.shape)

    way = torch.linspace(0, 1, points, dtype=torch.float64, device=start.device)
    profile = along(way.expand(len(start), -1))
    highest = profile.argmax(-1)
    low, high = way[(highest - 1).clamp(min=0)], way[(highest + 1).clamp(max=points - 1)]
    finer = torch.lerp(low[:, None], high[:, None], way)
    around = along(finer)
    top, where = around.max(-1)
    position = finer.gather(-1, where[:, None]).squeeze(-1)
    above = top[:, None] - profile[:, [0, -1]]
    from_start, from_end = above.clamp(min=0.0).unbind(-1)
    return Barrier(
        way, profile, position, torch.minimum(from_start, from_end), from_start, from_end
    )
