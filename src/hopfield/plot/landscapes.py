"""Energies as landscapes: contours, basins, the ways of states; two patterns that split."""

from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from hopfield import _check
from hopfield.errors import ShapeError
from hopfield.landscape import Bifurcation, Plane
from hopfield.plot.theme import COLOURS, axes

LEVELS = 24  # contours
INK = "#5b6472"  # of ways, on light and on dark ground
BASINS = ("#3b82c4", "#e08a1e", "#1d9a76", "#c2416b", "#8a63c9", "#7a8b99", "#b5a01f", "#48a9c5")


def landscape(
    plane: Plane,
    stored: Float[Tensor, "N 2"],
    title: str,
    trajectory: Float[Tensor, "T S 2"] | None = None,
) -> Any:
    """An energy over the plane: its contours, its basins in colours, and the ways of states.

    Args:
        plane: what `hopfield.landscape.plane` returned.
        stored: the patterns.
        title: of the picture.
        trajectory: the states of `retrieve(…, trajectory=True).trajectory`.
    """
    colours = _check.extra("matplotlib.colors", "plot")
    if stored.dim() != 2 or stored.shape[-1] != 2:
        raise ShapeError(f"stored has shape {_check.shape_of(stored)}; (N, 2) is expected")
    figure, drawn = axes(title, "first entry of the state", "second entry")
    x, y, energy = (part.numpy(force=True) for part in (plane.x, plane.y, plane.energy))
    basin = plane.basin.numpy(force=True)
    paint = np.ma.masked_less(basin, 0) % len(BASINS)
    shades, last = colours.ListedColormap(BASINS), len(BASINS) - 1
    drawn.pcolormesh(x, y, paint, cmap=shades, vmin=0, vmax=last, alpha=0.3, linewidth=0)
    felt = energy[abs(energy) < float("inf")]
    if felt.size:
        levels = np.linspace(felt.min(), np.quantile(felt, 0.97), LEVELS)  # no cliff takes all
        ends = colours.Normalize(levels[0], levels[-1])
        if levels[0] < levels[-1]:
            drawn.contour(x, y, energy, levels, cmap="viridis", norm=ends, linewidths=0.7)
        shade = _check.extra("matplotlib.cm", "plot").ScalarMappable(ends, "viridis")
        figure.colorbar(shade, ax=drawn, label="energy E", extend="max")
    if trajectory is not None:
        for way in trajectory.unbind(1):
            across, up = way.numpy(force=True).T
            drawn.plot(across, up, color=INK, linewidth=1, marker=".", markersize=3)
        drawn.plot([], [], color=INK, linewidth=1, marker=".", markersize=3, label="ways of states")
    for points, marker, size, colour, name in (
        (stored, "o", 22, COLOURS["one"], "stored patterns"),
        (plane.attractor, "x", 40, COLOURS["bound"], "attractors"),
    ):
        across, up = points.numpy(force=True).T
        drawn.scatter(across, up, s=size, marker=marker, color=colour, label=name, zorder=3)
    drawn.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]), aspect="equal")
    drawn.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3, fontsize=8)
    return figure


def bifurcation(found: Bifurcation, title: str) -> Any:
    """The fixed points of two patterns against β, and the exact line at which they split.

    Args:
        found: what `hopfield.landscape.bifurcation` returned.
        title: of the picture.
    """
    figure, drawn = axes(title, "β / critical β", "fixed point between patterns")
    ratio = (found.beta / found.critical).numpy(force=True)
    first, middle, second = found.ends.T.numpy(force=True)
    drawn.plot(ratio, middle, color=COLOURS["all"], linestyle="--", label="from the mean")
    drawn.plot(ratio, first, color=COLOURS["one"], label="from the first pattern")
    drawn.plot(ratio, second, color=COLOURS["some"], label="from the second pattern")
    drawn.axvline(
        1.0, color=COLOURS["bound"], linewidth=1, linestyle=":", label="critical β (±x: β‖x‖² = 1)"
    )
    drawn.set(ylim=(-1.1, 1.1), yticks=[-1, 0, 1], yticklabels=["second", "mean", "first"])
    drawn.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), fontsize=8, ncols=2)
    return figure
