"""How good predictions are: ROC curves, reliability, figures with intervals."""

from collections.abc import Mapping, Sequence
from itertools import cycle, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hopfield.plot.theme import COLOURS, SIZE, axes

Array = NDArray[np.float64]
ORDER = [COLOURS[name] for name in ("one", "some", "bound", "all")]


def roc(curves: Mapping[str, tuple[Array, Array]], title: str) -> Any:
    """ROC curves.

    Args:
        curves: by name: false and true positive rates, `(P,)` each; the first is drawn thicker.
        title: of the picture.
    """
    figure, drawn = axes(title, "false positive rate", "true positive rate")
    drawn.plot([0, 1], [0, 1], color=COLOURS["all"], linestyle=":", linewidth=1)
    looks = product(("-", "--", "-.", ":"), ORDER)
    for number, ((name, curve), (line, colour)) in enumerate(zip(curves.items(), cycle(looks))):
        width = 2.4 - 0.9 * (number > 0)
        drawn.step(*curve, where="post", label=name, color=colour, linestyle=line, linewidth=width)
    figure.set_size_inches(SIZE[0], SIZE[0] * 0.92)
    drawn.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    drawn.legend(loc="lower right", fontsize=8)
    return figure


def reliability(
    predicted: Array,
    observed: Array,
    low: Array,
    high: Array,
    counts: NDArray[np.int64],
    title: str,
) -> Any:
    """Predicted probabilities against observed shares, with how many there are of each.

    Args:
        predicted: mean probability of a bin, `(B,)`.
        observed: share of positives in it, `(B,)`.
        low: of the interval of that share, `(B,)`.
        high: likewise.
        counts: how many there are in it, `(B,)`.
        title: of the picture.
    """
    figure, drawn = axes(title, "predicted probability", "observed share")
    drawn.plot([0, 1], [0, 1], color=COLOURS["all"], linestyle=":", linewidth=1)
    drawn.errorbar(
        predicted,
        observed,
        np.clip([observed - low, high - observed], 0, None),
        color=COLOURS["one"],
        marker="o",
        capsize=2,
    )
    for x, y, count in zip(predicted, high, counts, strict=True):
        drawn.annotate(
            f"{count}", (x, y), (0, 5), textcoords="offset points", ha="center", fontsize=8
        )
    drawn.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.12))
    return figure


def intervals(
    names: Sequence[str],
    values: Array,
    low: Array,
    high: Array,
    title: str,
    label: str,
    level: float,
    first: int = 1,
) -> Any:
    """Figures with their intervals, one below the other.

    Args:
        names: of n figures.
        values: `(n,)`; NaN where there is none.
        low: of their intervals, `(n,)`.
        high: likewise.
        title: of the picture.
        label: of the axis.
        level: where a line is drawn, such as chance.
        first: how many, from the top, stand out.
    """
    figure, drawn = axes(title, label, "")
    figure.set_size_inches(SIZE[0], 0.9 + 0.26 * len(names))
    places = np.arange(len(names))
    colours = [COLOURS["one"] if place < first else COLOURS["all"] for place in places]
    drawn.hlines(places, low, high, colors=colours)
    drawn.scatter(values, places, color=colours, s=28, zorder=3)
    drawn.axvline(level, color=COLOURS["all"], linestyle=":", linewidth=1)
    drawn.set_yticks(places, names)
    drawn.invert_yaxis()
    return figure


def told(labels: Array, predicted: Array, title: str, name: str) -> Any:
    """Predictions of a quantity against its labels.

    Args:
        labels: `(n,)`.
        predicted: `(n,)`.
        title: of the picture.
        name: of the quantity.
    """
    figure, drawn = axes(title, name, f"{name}, predicted")
    drawn.scatter(labels, predicted, s=12, color=COLOURS["one"])
    ends = [min(labels.min(), predicted.min()), max(labels.max(), predicted.max())]
    drawn.plot(ends, ends, color=COLOURS["all"], linestyle=":", linewidth=1)
    return figure
