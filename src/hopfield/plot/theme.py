"""How pictures look, on light and on dark ground."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from hopfield import _check

Ground = Literal["light", "dark"]

SIZE = (5.0, 3.4)  # inches; small, so that letters stay readable on a narrow screen
DPI = 160
COLOURS = {"one": "#3b82c4", "some": "#e08a1e", "all": "#7a8b99", "bound": "#c2416b"}
GROUND: dict[Ground, tuple[str, str]] = {
    "light": ("#ffffff", "#1f2430"),
    "dark": ("#171a21", "#e4e7ee"),
}


@contextmanager
def theme(ground: Ground = "light") -> Iterator[None]:
    """Draw what is inside on a light or a dark ground."""
    _check.choice("ground", ground, GROUND)
    matplotlib = _check.extra("matplotlib", "plot")
    paper, ink = GROUND[ground]
    roles = {
        paper: ("figure.facecolor", "axes.facecolor", "savefig.facecolor"),
        ink: ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"),
    }
    style: dict[str, Any] = {key: colour for colour, keys in roles.items() for key in keys}
    style |= {
        "axes.spines.right": False,
        "axes.spines.top": False,
        "figure.figsize": SIZE,
        "figure.constrained_layout.use": True,
        "font.size": 10,
        "legend.frameon": False,
        "lines.linewidth": 1.8,
        "savefig.dpi": DPI,
    }
    with matplotlib.rc_context(style):
        yield


def axes(title: str, x: str, y: str) -> tuple[Any, Any]:
    """A new figure with one pair of labelled axes."""
    figure_module = _check.extra("matplotlib.figure", "plot")
    figure = figure_module.Figure(layout="constrained")
    drawn = figure.add_subplot()
    drawn.set(title=title, xlabel=x, ylabel=y)
    return figure, drawn
