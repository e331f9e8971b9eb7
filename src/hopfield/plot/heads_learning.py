"""The heads of a model while it learns. Each function returns a Matplotlib figure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hopfield import _check
from hopfield.phases import HeadClass
from hopfield.plot.theme import axes
from hopfield.plot.violins import CLASS_COLOURS, LEVELS

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

RIDGES = 16
HEIGHT = 1.7  # of the highest ridge, in distances between two


def k_ridges(step: Whole, layer: Whole, counts: Whole, head_class: Whole, title: str) -> Any:
    """How k is distributed at each step, a panel for each head, a column for each layer.

    Of many steps 16 are drawn, as evenly as they come. Ridges have the colour of the class. Across
    is the square root of the share of the patterns, so that small k are told apart.

    Args:
        step: `(T,)`, rising.
        layer: of each head, `(M,)`, rising from 0.
        counts: how often k is such a share of the visible patterns, `(T, M, B)`: B equal parts.
        head_class: a `HeadClass` as a number, `(T, M)`.
        title: of the picture.
    """
    figure_module = _check.extra("matplotlib.figure", "plot")
    heads = np.bincount(layer)
    columns, rows = len(heads), int(heads.max())
    figure = figure_module.Figure(figsize=(1.0 + 1.15 * columns, 1.0 + 1.9 * rows))
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    drawn = np.unique([np.abs(step - at).argmin() for at in np.linspace(step[0], step[-1], RIDGES)])
    middle = (np.arange(counts.shape[-1]) + 0.5) / counts.shape[-1]
    across = np.sqrt([0.0, *middle, 1.0])
    for panel in panels.flat:
        panel.set_visible(False)
    for head, of in enumerate(layer):
        panel = panels[int((layer[:head] == of).sum()), of]
        panel.set_visible(True)
        for place, t in enumerate(drawn):
            ridge = np.pad(counts[t, head] / max(counts[t, head].max(), 1), 1) * HEIGHT
            colour = CLASS_COLOURS[HeadClass(head_class[t, head])]
            ground = len(drawn) - 1 - place
            panel.fill_between(
                across, ground, ground + ridge, facecolor=colour, edgecolor="white", linewidth=0.5
            )
    first = panels[0, 0]
    shown = range(0, len(drawn), 1 + len(drawn) // 6)
    first.set_yticks([len(drawn) - 1 - place for place in shown], [step[drawn[i]] for i in shown])
    first.set(xlim=(0, 1), ylim=(0, len(drawn) - 1 + HEIGHT))
    levels = [level**0.5 for level in LEVELS]
    first.set_xticks(levels, LEVELS.values())
    for panel in panels[-1]:
        panel.tick_params("x", labelsize=7, labelrotation=90)
        panel.set_xlabel("k")
    for of, panel in enumerate(panels[0]):
        panel.set_title(f"layer {of}", fontsize=9)
    figure.suptitle(title)
    figure.supylabel("step", fontsize=10)
    _name_classes(figure)
    return figure


def classes_over_steps(
    step: Whole, counts: Whole, title: str, loss: tuple[Array, Array] | None = None
) -> Any:
    """How many heads are in each class, with the loss over it.

    Args:
        step: `(T,)`, rising.
        counts: of classes I to IV, `(T, 4)`.
        title: of the picture.
        loss: steps and losses, `(L,)` each.
    """
    figure, drawn = axes(title, "step", "heads")
    names = [f"class {one.name}" for one in HeadClass]
    colours = [CLASS_COLOURS[one] for one in HeadClass]
    drawn.stackplot(step, counts.T, labels=names, colors=colours, alpha=0.85, linewidth=0)
    drawn.margins(x=0)
    drawn.set_ylim(0, counts[0].sum())
    if loss is not None:
        beside = drawn.twinx()
        beside.plot(*loss, color="black", linewidth=1.0, label="loss")
        beside.plot(*loss, color="white", linewidth=2.4, alpha=0.6, zorder=1)
        beside.set_ylabel("loss, in nats")
        beside.spines["right"].set_visible(True)
    figure.legend(loc="outside lower center", ncols=5, fontsize=8)
    return figure


def jacobians_over_steps(step: Whole, layer: Whole, norm: Array, title: str) -> Any:
    """The mean norm of the Jacobian in each layer, and that of each head, thin.

    Args:
        step: `(T,)`, rising.
        layer: of each head, `(M,)`, from 0.
        norm: `(T, M)`.
        title: of the picture.
    """
    figure, drawn = axes(title, "step", "mean Frobenius norm")
    numbers = np.unique(layer)
    for number, colour in zip(numbers, _depths(len(numbers)), strict=True):
        own = norm[:, layer == number]
        drawn.plot(step, own, color=colour, linewidth=0.5, alpha=0.35)
        drawn.plot(step, own.mean(-1), color=colour, label=f"layer {number}")
    drawn.margins(x=0)
    drawn.set_ylim(0)
    figure.legend(loc="outside lower center", ncols=min(4, len(numbers)), fontsize=8)
    return figure


def changes_over_steps(
    step: Whole, layer: Whole, weight: Sequence[str], change: Array, title: str
) -> Any:
    """How far each matrix of attention moved up to each step, a panel for each kind.

    Args:
        step: `(T,)`, rising.
        layer: of each matrix, `(W,)`, from 0.
        weight: the kind of each matrix, such as "query".
        change: `(T, W)`, as a share of the norm before; NaN is left out.
        title: of the picture.
    """
    figure_module = _check.extra("matplotlib.figure", "plot")
    kinds = list(dict.fromkeys(weight))
    figure = figure_module.Figure(figsize=(1.0 + 2.3 * len(kinds), 3.6))
    panels = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    numbers = np.unique(layer)
    for kind, panel in zip(kinds, panels, strict=True):
        of_kind = np.array([one == kind for one in weight])
        for number, colour in zip(numbers, _depths(len(numbers)), strict=True):
            name = f"layer {number}" if kind == kinds[0] else None
            own = change[:, of_kind & (layer == number)].mean(-1)
            panel.plot(step, own, color=colour, linewidth=1.2, label=name, marker=".")
        panel.set(title=kind, xlabel="step", ylim=(0, None))
    panels[0].set_ylabel("change / norm before")
    figure.suptitle(title)
    figure.legend(loc="outside lower center", ncols=min(6, len(numbers)), fontsize=8)
    return figure


def _depths(count: int) -> list[Any]:
    """A colour for each layer, from the first to the last."""
    matplotlib = _check.extra("matplotlib", "plot")
    return list(matplotlib.colormaps["viridis"](np.linspace(0, 0.92, count)))


def _name_classes(figure: Any) -> None:
    patches = _check.extra("matplotlib.patches", "plot")
    marks = [
        patches.Patch(color=CLASS_COLOURS[one], label=f"class {one.name}") for one in HeadClass
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=4, fontsize=8)
