"""Statistics of attention heads: by layer and head, by distance, by kind of state."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hopfield.phases import HeadClass
from hopfield.plot.theme import COLOURS, SIZE, axes
from hopfield.plot.violins import CLASS_COLOURS

Array = NDArray[np.float64]

FARTHEST = 5.0  # powers of 2 from uniform weights, where colours end


def by_head(values: Array, title: str, label: str) -> Any:
    """A statistic of each head.

    Args:
        values: `(L, H)`; NaN, drawn grey, where there is no such head, or no such statistic.
        title: of the picture.
        label: of the statistic, with unit.
    """
    figure, drawn = axes(title, "head", "layer")
    figure.set_size_inches(SIZE[0], max(2.2, 1.2 + min(0.3 * len(values), 6.0)))
    image = drawn.imshow(values, cmap="viridis", aspect="auto")
    drawn.set_facecolor(COLOURS["all"])
    layers, heads = values.shape
    drawn.set(xticks=_some(heads, 16), yticks=_some(layers, 24))
    drawn.spines[:].set_visible(False)
    figure.colorbar(image, ax=drawn, label=label)
    return figure


def by_distance(rows: Sequence[str], distances: Sequence[str], values: Array, title: str) -> Any:
    """Where heads look.

    Args:
        rows: names of n heads.
        distances: names of m distances.
        values: `(n, m)`, weight as a multiple of uniform weights; NaN, drawn grey, where no pattern
            is seen.
        title: of the picture.
    """
    figure, drawn = axes(title, "distance of the pattern from the state", "layer.head")
    high = max(2.6, 1.4 + min(0.105 * len(rows), 24.0))
    figure.set_size_inches(SIZE[0], high)
    powers = np.log2(np.maximum(values, 2.0**-FARTHEST))
    image = drawn.imshow(
        powers, cmap="PuOr_r", vmin=-FARTHEST, vmax=FARTHEST, aspect="auto", interpolation="none"
    )
    drawn.set_facecolor(COLOURS["all"])
    shown = _some(len(rows), 230)
    drawn.set_yticks(shown, [rows[row] for row in shown], fontsize=6)
    drawn.set_xticks(range(len(distances)), distances, fontsize=6, rotation=90)
    drawn.tick_params(length=0)
    drawn.spines[:].set_visible(False)
    levels = np.arange(-4, 5, 2)
    bar = figure.colorbar(image, ax=drawn, ticks=levels, aspect=6 * high, pad=0.02)
    bar.set_ticklabels([f"×{2.0**level:.3g}" for level in levels], fontsize=8)
    bar.set_label("weight / uniform weight")
    return figure


def class_counts(counts: NDArray[np.int64], title: str) -> Any:
    """How many heads of each layer are in each class.

    Args:
        counts: `(L, 4)`, of classes I to IV.
        title: of the picture.
    """
    figure, drawn = axes(title, "heads", "layer")
    figure.set_size_inches(SIZE[0], 1.3 + 0.26 * len(counts))
    places, start = np.arange(len(counts)), np.zeros(len(counts))
    for own, number in zip(HeadClass, counts.T, strict=True):
        bars = drawn.barh(places, number, left=start, color=CLASS_COLOURS[own], label=own.name)
        labels = [f"{own.name} {count}" if count else "" for count in number]
        if counts.sum(-1).max() <= 24:  # else there is no room
            drawn.bar_label(bars, labels, label_type="center", fontsize=7, color="black")
        start = start + number
    drawn.set(yticks=_some(len(counts), 48), ylim=(len(counts) - 0.5, -0.5))
    drawn.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(loc="outside lower center", ncols=4, title="class")
    return figure


def stretch(kinds: Sequence[str], counts: Sequence[int], means: Sequence[float], title: str) -> Any:
    """The mean norm of the Jacobian by kind of state.

    Args:
        kinds: classes I to IV, and what those with k = 1 are called.
        counts: how many states there are of each.
        means: `‖diag p − p pᵀ‖`, the mean of each.
        title: of the picture.
    """
    figure, drawn = axes(title, "states, by their own k", "mean ‖diag p − p pᵀ‖")
    bars = drawn.bar(kinds, means, color=[*CLASS_COLOURS.values(), COLOURS["all"]])
    labels = [
        f"{mean:.3f}\n{_short(count)} state{'s' * (count != 1)}" if count else "none"
        for mean, count in zip(means, counts, strict=True)
    ]
    drawn.bar_label(bars, labels, fontsize=8, padding=2)
    drawn.margins(y=0.18)
    return figure


def over_depth(curves: Mapping[str, tuple[Array, Array]], title: str) -> Any:
    """The mean of the share of patterns that k is, by layer, for models of any depth.

    Args:
        curves: by name, the depth of each layer from 0 to 1, and the mean; `(L,)` each.
        title: of the picture.
    """
    figure, drawn = axes(title, "depth of the layer", "mean of k / N")
    for (name, (depth, share)), colour in zip(curves.items(), ("one", "some"), strict=True):
        drawn.plot(depth, share, color=COLOURS[colour], marker="o", label=name)
    drawn.set(ylim=(0, None))
    drawn.legend()
    return figure


def _some(count: int, most: int) -> range:
    """At most so many places of `count`, equally spaced."""
    return range(0, count, -(-count // most))


def _short(count: int) -> str:
    """A number of states in three or four digits."""
    for size, name in ((10**6, " M"), (10**3, " k")):
        if count >= size:
            return f"{count / size:.3g}{name}"
    return str(count)
