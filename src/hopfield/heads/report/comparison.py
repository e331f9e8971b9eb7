"""The page and the files that set two models, or two checkpoints of one, side by side."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hopfield import _check
from hopfield.files.whole import written_whole
from hopfield.heads.differences import Difference, Differences, Level, mean_share
from hopfield.heads.report import figures
from hopfield.heads.report.figures import Picture
from hopfield.heads.report.report import PAGE, HeadReport
from hopfield.heads.statistics import Head, HeadStatistics
from hopfield.phases import HeadClass
from hopfield.plot import heads as plot
from hopfield.plot.violins import violins
from hopfield.report import Report, Section, Table

Array = NDArray[np.float64]

DEPTH = (
    "Depth goes from 0, the first layer, to 1, the last. k / N is the median of k, as a share of "
    "the patterns that a state sees; here its mean over the heads of a layer. Differences are B "
    "less A, with intervals of 95 % by a bootstrap over groups of sequences."
)


def write_comparison(
    first: HeadReport, second: HeadReport, found: Differences, folder: Path
) -> None:
    """Write `report.html`, `layers.csv`, `figures/`, and `heads.csv` where heads are in pairs.

    Args:
        first: called A.
        second: called B.
        found: what sets them apart.
        folder: that is there.

    Raises:
        MissingExtraError: polars or matplotlib is not installed.
    """
    polars = _check.extra("polars", "heads")
    tables = {"layers.csv": [_level_row(level) for level in found.levels]}
    if found.heads:
        tables["heads.csv"] = [
            {"layer": pair.first.layer, "head": pair.first.head, "changed": pair.changed}
            | _both("class", pair.first.head_class.name, pair.second.head_class.name)
            | _both("share", pair.first.share, pair.second.share)
            | _numbers(pair.difference)
            for pair in found.heads
        ]
    for name, rows in tables.items():
        with written_whole(folder / name) as part:
            polars.DataFrame(rows).write_csv(part)
    pictures = _pictures(first.statistics, second.statistics, found)
    figures.save(pictures, folder / "figures")
    _page(first, second, found, pictures).save(folder / PAGE)


def _level_row(level: Level) -> dict[str, object]:
    layers = _both("layer", level.first[0].layer, level.second[0].layer)
    shares = _both("share", mean_share(level.first), mean_share(level.second))
    return {"depth": level.depth} | layers | shares | _numbers(level.difference)


def _both(name: str, first: object, second: object) -> dict[str, object]:
    return {f"{name}_a": first, f"{name}_b": second}


def _numbers(difference: Difference) -> dict[str, object]:
    return {"difference": difference.value, "low": difference.low, "high": difference.high}


def _pictures(
    first: HeadStatistics, second: HeadStatistics, found: Differences
) -> dict[str, Picture]:
    curves = {name: _curve(one) for name, one in (("A", first), ("B", second))}
    drawn = {}
    if found.heads:
        drawn["violins"] = _halves(first, second, found)
    else:
        for name, one in (("a", first), ("b", second)):
            layers = [figures.sorted_violins(heads, one) for heads in one.layers]
            draw = partial(violins, layers, f"{name.upper()}: k of each head")
            drawn[f"violins_{name}"] = Picture(draw, f"{name.upper()}. {figures.VIOLINS}")
    drawn["depth"] = Picture(
        partial(plot.over_depth, curves, "k through the layers"),
        "The mean of k / N over the heads of each layer.",
    )
    for name, one in (("a", first), ("b", second)):
        draw = partial(plot.class_counts, one.counts(), f"{name.upper()}: classes of heads")
        caption = f"{name.upper()}: how many heads of each layer are in each class."
        drawn[f"classes_{name}"] = Picture(draw, caption)
    return drawn


def _curve(statistics: HeadStatistics) -> tuple[Array, Array]:
    layers = [heads for heads in statistics.layers if not heads[0].cross]
    return np.linspace(0, 1, len(layers)), np.array([mean_share(heads) for heads in layers])


def _halves(first: HeadStatistics, second: HeadStatistics, found: Differences) -> Picture:
    """Each violin is half of A and half of B; heads are in the order of A."""
    left, right = [], []
    for layer in range(len(first.tallies)):
        pairs = [pair for pair in found.heads if pair.first.layer == layer]
        pairs.sort(key=lambda pair: -pair.first.share)
        left.append([figures.violin(pair.first, first) for pair in pairs])
        right.append([figures.violin(pair.second, second) for pair in pairs])
    return Picture(
        partial(violins, left, "k of each head: A on the left, B on the right", right),
        f"The left half of a violin is A, the right half B; so are the lines above it, from top to "
        f"bottom. {figures.VIOLINS}",
    )


def _page(
    first: HeadReport, second: HeadReport, found: Differences, pictures: dict[str, Picture]
) -> Report:
    drawn = {name: picture.figure for name, picture in pictures.items()}
    of_heads = [figure for name, figure in drawn.items() if name.startswith("violins")]
    of_layers = [figure for name, figure in drawn.items() if not name.startswith("violins")]
    sections = [
        Section("What was found", found.findings()),
        Section("How many patterns each head rests on", figures=of_heads),
        Section("By depth", [DEPTH], [_levels(found)], of_layers),
    ]
    if found.heads:
        sections.insert(2, Section("Heads", tables=[_heads(found)]))
    return Report(
        "Attention heads of two models, side by side",
        f"A: {first.name} ({first.folder}). B: {second.name} ({second.folder}).",
        sections,
    )


def _heads(found: Differences) -> Table:
    rows = [
        [
            pair.first.name,
            pair.first.layer,
            "yes" if pair.changed else "no",
            *(_said(head) for head in (pair.first, pair.second)),
            pair.first.share,
            pair.second.share,
            *_interval(pair.difference),
        ]
        for pair in sorted(
            found.heads, key=lambda pair: (not pair.changed, -abs(pair.difference.value))
        )
    ]
    return Table(
        [
            "head",
            "layer",
            "class changed",
            "A",
            "B",
            "k / N of A",
            "of B",
            "difference",
            "interval",
        ],
        rows,
        "Heads whose class changed come first, then those that differ most.",
        3,
        ["layer", "class changed", "A", "B"],
    )


def _said(head: Head) -> str:
    return f"{head.head_class.name}{', borderline' * head.borderline}"


def _interval(difference: Difference) -> list[object]:
    return [difference.value, f"{difference.low:+.3f} to {difference.high:+.3f}"]


def _levels(found: Differences) -> Table:
    rows = [
        [
            level.depth,
            *(f"{heads[0].layer}: {_classes(heads)}" for heads in (level.first, level.second)),
            mean_share(level.first),
            mean_share(level.second),
            *_interval(level.difference),
        ]
        for level in found.levels
    ]
    return Table(
        [
            *("depth", "layer of A: I, II, III, IV", "layer of B: I, II, III, IV"),
            *("k / N of A", "of B", "difference", "interval"),
        ],
        rows,
        "Layers in pairs.",
        3,
    )


def _classes(heads: Sequence[Head]) -> str:
    return ", ".join(str(sum(head.head_class == c for head in heads)) for c in HeadClass)
