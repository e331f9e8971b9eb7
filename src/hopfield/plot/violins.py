"""How many patterns the states of heads rest on, a violin for each head."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hopfield import _check
from hopfield.phases import HeadClass
from hopfield.plot.theme import COLOURS, axes

Array = NDArray[np.float64]

CLASS_COLOURS = dict(zip(HeadClass, ("#d8552b", "#e3a02c", "#1d9a76", "#3b82c4"), strict=True))
WIDE, HIGH = 0.62, 1.25  # inches of a violin
PITCH = 1.5  # from one layer to the next, where a violin is 1 high
LEVELS = {1 / 32: "N/32", 1 / 8: "N/8", 1 / 2: "N/2", 1: "N"}  # bounds of the classes
STEPS = 96  # of the height of a violin
BLUR = 2.0  # steps


@dataclass(frozen=True)
class Violin:
    """A head.

    Attributes:
        name: of it.
        shares: `(B,)`, how often the share of the patterns that k is lies in each of B equal parts
            of (0, 1].
        k: its median k.
        head_class: of that.
    """

    name: str
    shares: NDArray[np.int64]
    k: float
    head_class: HeadClass


def violins(
    layers: Sequence[Sequence[Violin]],
    title: str,
    right: Sequence[Sequence[Violin]] | None = None,
    names: Sequence[str] | None = None,
) -> Any:
    """The distribution of k over the states of each head, as in Ramsauer et al. 2020, figure A.3.

    The height is the square root of the share of the patterns, so that small k are told apart.

    Args:
        layers: the heads of each layer, in the order in which they are drawn.
        title: of the picture.
        right: the same heads of another model: each violin has a half of each.
        names: of the layers; by default "layer 0" and so on.
    """
    figure, drawn = axes("", "", "")
    figure.suptitle(title, x=0.01, ha="left")  # in sight where the picture is cut off
    most = max(5, *map(len, layers))
    figure.set_size_inches(0.9 + WIDE * most, 0.6 + HIGH * len(layers))
    halves = (layers,) if right is None else (layers, right)
    floors = -PITCH * np.arange(len(layers))
    levels = [floor + level**0.5 for floor in floors for level in LEVELS]
    for heights, alpha in ((levels, 0.7), (floors, 0.3)):
        drawn.hlines(heights, -0.6, most - 0.4, color=COLOURS["all"], linewidth=0.6, alpha=alpha)
    shapes, colours = [], []
    for floor, *rows in zip(floors, *halves, strict=True):
        for place, heads in enumerate(zip(*rows, strict=True)):
            for side, head in enumerate(heads):
                wide = _widths(head.shares)
                edges = place - wide * (side == 0), place + wide * (side == len(heads) - 1)
                shapes.append(_shape(*edges, floor))
                colours.append(CLASS_COLOURS[head.head_class])
            _label(drawn, place, floor, heads)
    collection = _check.extra("matplotlib.collections", "plot").PolyCollection
    drawn.add_collection(collection(shapes, facecolors=colours, linewidths=0))
    drawn.set(xlim=(-0.6, most - 0.4), ylim=(floors[-1] - 0.2, PITCH - 0.15), xticks=[])
    drawn.set_yticks(levels, [*LEVELS.values()] * len(layers), fontsize=7)
    drawn.tick_params(length=0, pad=2)
    for number, floor in enumerate(floors):
        name = names[number] if names else f"layer {number}"
        drawn.text(-1.35, floor + 0.5, name, rotation=90, ha="center", va="center", fontsize=9)
    drawn.spines[:].set_visible(False)
    return figure


def _label(drawn: Any, place: int, floor: float, heads: Sequence[Violin]) -> None:
    """Class and median k above, the name below."""
    said = "\n".join(f"{head.head_class.name} {head.k:.0f}" for head in heads)
    where = {"ha": "center", "in_layout": False}
    drawn.text(place, floor + 1.03, said, fontsize=8, fontweight="bold", linespacing=0.95, **where)
    drawn.text(place, floor - 0.03, heads[0].name, fontsize=7, va="top", **where)


def _shape(left: Array, right: Array, floor: float) -> Array:
    """The corners between two edges, `(2 · STEPS, 2)`."""
    heights = floor + np.linspace(0, 1, STEPS)
    return np.stack([np.append(left, right[::-1]), np.append(heights, heights[::-1])], -1)


def _widths(shares: NDArray[np.int64]) -> Array:
    """Half the width of a violin at heights from 0 to 1, smoothed."""
    bins = len(shares)
    heights = np.sqrt((np.arange(bins) + 0.5) / bins) * (STEPS - 1)
    steps = np.bincount(np.rint(heights).astype(np.int64), shares, STEPS)
    kernel = np.exp(-0.5 * (np.arange(-7, 8) / BLUR) ** 2)
    density = np.convolve(steps, kernel, "same")
    widths: Array = 0.42 * density / max(density.max(), 1e-300)
    return widths
