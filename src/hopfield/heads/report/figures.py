"""The pictures of a report on heads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hopfield import _check
from hopfield.files.whole import make_folder, written_whole
from hopfield.heads.distance import by_distance
from hopfield.heads.statistics import Head, HeadStatistics
from hopfield.heads.tally import BINS
from hopfield.plot import heads as plot
from hopfield.plot.theme import theme
from hopfield.plot.violins import Violin, violins
from hopfield.report import Figure

VIOLINS = (
    "How many patterns hold 90 % of the weight (k), over all states of each head. Above a violin "
    "stand its class and the median of k, below it the number of the head. The lines are the "
    "bounds of classes I (red), II (orange), III (green) and IV (blue), as shares of the N "
    "patterns that a state sees; heights are square roots of that share, so that small k can be "
    "told apart."
)
MAPS = {  # of `Head`: title, and label of the colours
    "share": ("Median of k, of N patterns", "k / N"),
    "entropy_share": ("Entropy of the weights", "of the largest possible"),
    "kl": ("Divergence from uniform weights", "nats"),
    "heaviest": ("Weight of the heaviest pattern", "mean weight"),
    "one": ("States with k = 1", "share of states"),
    "jacobian": ("Jacobian, without β", "mean ‖diag p − p pᵀ‖"),
    "jacobian_beta": ("Jacobian, with β", "mean β‖diag p − p pᵀ‖"),
    "energy": ("Energy of the states", "mean energy E"),
    "log_partition": ("Log-partition of the scores", "mean log Z"),
    "special": ("Special tokens", "mean weight"),
    "first": ("First pattern", "mean weight"),
    "own": ("The state's own pattern", "mean weight"),
    "previous": ("The pattern before", "mean weight"),
    "induction": ("What followed the same token", "mean weight"),
}


@dataclass(frozen=True)
class Picture:
    """A picture of a report.

    Attributes:
        draw: returns it, a Matplotlib figure.
        caption: what it shows.
    """

    draw: Callable[[], Any]
    caption: str

    @cached_property
    def figure(self) -> Figure:
        """It, on light and on dark ground."""
        return Figure.drawn(self.draw, self.caption, self.caption.partition(". ")[0])


def sorted_violins(heads: list[Head], statistics: HeadStatistics) -> list[Violin]:
    """The violins of a layer, by falling k."""
    falling = sorted(heads, key=lambda head: -head.share)
    return [violin(head, statistics) for head in falling]


def violin(head: Head, statistics: HeadStatistics) -> Violin:
    """The violin of a head."""
    counts = statistics.histogram(head, BINS)
    return Violin(str(head.head), counts, head.k, head.head_class)


def overview(statistics: HeadStatistics) -> dict[str, Picture]:
    """Violins, classes and the Jacobian, by the name of the file."""
    layers = [sorted_violins(heads, statistics) for heads in statistics.layers]
    kinds = statistics.stretch()
    counts, means = zip(*kinds.values(), strict=True)
    title = "How far states can be moved"
    shown = ["k = 1" if kind == "one" else kind for kind in kinds]
    return {
        "violins": Picture(partial(violins, layers, "k of each head"), VIOLINS),
        "classes": Picture(
            partial(plot.class_counts, statistics.counts(), "Classes of heads"),
            "How many heads of each layer are in each class.",
        ),
        "jacobian_by_class": Picture(
            partial(plot.stretch, shown, counts, means, title),
            "The norm of the softmax Jacobian by the class of each state's own k. It bounds how "
            "much gradient passes: states at a single pattern (k = 1) let little through.",
        ),
    }


def maps(statistics: HeadStatistics) -> dict[str, Picture]:
    """A heat map of each statistic that there is, by its name."""
    found = {}
    for name, (title, label) in MAPS.items():
        values = _grid(statistics, name)
        if not np.isnan(values).all():
            draw = partial(plot.by_head, values, title, label)
            found[name] = Picture(draw, f"{title}, by layer and head.")
    return found


def places(statistics: HeadStatistics) -> dict[str, Picture]:
    """Where heads look, if they look at sequences of their own."""
    names, rows = [], []
    for head in statistics.heads:
        distances, values = by_distance(statistics, head)
        if not np.isnan(values).all():
            names.append(head.name)
            rows.append(values)
    if not rows:
        return {}
    draw = partial(plot.by_distance, names, distances, np.array(rows), "Where heads look")
    caption = (
        "Mean weight of patterns by their distance from the state, as a multiple of uniform "
        "weights. Negative distances are patterns before the state; grey: there are none."
    )
    return {"distances": Picture(draw, caption)}


def save(pictures: Mapping[str, Picture], folder: Path) -> None:
    """Each picture as PNG and SVG, on light ground."""
    make_folder(folder)
    matplotlib = _check.extra("matplotlib", "heads")
    for name, picture in pictures.items():
        vector = BytesIO()
        with theme(), matplotlib.rc_context({"svg.hashsalt": "hopfield"}):
            picture.draw().savefig(vector, format="svg", metadata={"Date": None})
        for ending, content in (("png", picture.figure.light), ("svg", vector.getvalue())):
            with written_whole(folder / f"{name}.{ending}") as part:
                part.write_bytes(content)


def _grid(statistics: HeadStatistics, name: str) -> NDArray[np.float64]:
    """A statistic by layer and head, `(L, H)`; NaN where a layer has fewer heads."""
    layers = statistics.layers
    values = np.full((len(layers), max(map(len, layers))), np.nan)
    for head in statistics.heads:
        values[head.layer, head.head] = getattr(head, name)
    return values
