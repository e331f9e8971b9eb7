"""The part of a report about the space in which heads associate."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from hopfield.heads.few import by_layer
from hopfield.heads.report.analysis import Analysis
from hopfield.heads.report.figures import Picture
from hopfield.heads.space import MEASURES, Space
from hopfield.plot import heads as plot
from hopfield.plot.planes import planes
from hopfield.report import Table

Array = NDArray[np.float64]

TITLE = "The associative space"
METHOD = (
    "Δ is how much more a pattern resembles itself than the pattern that resembles it most, "
    "x·x − max x·x'; where it is negative a longer pattern hides it, and no β can store it. M is "
    "the largest norm, m_max the largest distance from the mean of the patterns; where β m_max² is "
    "below 1 there is exactly one fixed point. Before: what goes into the layer, with β = 1/√D. "
    "After: the keys of a head, with its β. All are medians over the patterns of a sequence, and "
    "means over {sequences} sequences, whether or not a state sees them all."
)
TITLES = {
    "delta": "Δ",
    "positive": "share with Δ > 0",
    "relative": "Δ / M²",
    "beta_delta": "βΔ",
    "spread": "m_max",
    "beta_spread": "β m_max²",
}
SHOWN = ("positive", "relative", "beta_delta", "beta_spread")
PLANES = 6  # layers of which heads are drawn, at most


def analysis(found: Space) -> Analysis:
    """What `space` found, as a part of a report."""
    relative = by_layer(found.heads, found.mean("relative")[:, 1])
    chosen = _chosen(found, relative)
    shown = {
        f"head {found.heads[n]}": (
            found.planes[n].state,
            found.planes[n].stored,
            found.planes[n].special,
            found.planes[n].share,
        )
        for n in chosen
    }
    pictures = {
        "space_planes": Picture(
            partial(planes, shown, "Queries and keys"),
            "Queries and keys of heads over one sequence, in the two principal components of both. "
            "Of each layer shown, left the head with the least separated keys (Δ / M²), right that "
            "with the most.",
        ),
        "space_separation": Picture(
            partial(plot.by_head, relative, "Separation of the keys", "Δ / M²"),
            "The separation of the keys as a share of the largest squared norm, by layer and head. "
            "Below 0: longer keys hide the median key.",
        ),
    }
    method = METHOD.format(sequences=len(found.values))
    return Analysis(
        "space", TITLE, _sentences(found), [method], [_table(found)], pictures, _rows(found)
    )


def _sentences(found: Space) -> list[str]:
    positive, relative, wide = (
        found.mean(name) for name in ("positive", "relative", "beta_spread")
    )
    known = ~np.isnan(relative).any(1)
    said = []
    if known.any():
        apart = (relative[known, 1] > relative[known, 0]).sum()
        said.append(
            f"Keys are further apart than what they are projected from (Δ / M²) in {apart} of "
            f"{known.sum()} heads. Of the patterns {positive[known, 0].mean():.0%} have Δ > 0 "
            f"before the projection and {positive[known, 1].mean():.0%} after it, over all heads."
        )
    layers = by_layer(found.heads, positive[:, 1])
    ends = ", ".join(f"{np.nanmean(row):.0%} in layer {n}" for n, row in enumerate(layers))
    single = int((wide[:, 1] < 1).sum())
    none = (
        "In no head is β m_max² below 1, where all states would have one and the same fixed point."
    )
    some = (
        f"In {single} of {len(found.heads)} heads β m_max² is below 1, so that all states have one "
        f"and the same fixed point, whatever they are."
    )
    return [
        *said,
        f"The share of keys with Δ > 0: {ends}.",
        some if single else none,
    ]


def _chosen(found: Space, relative: Array) -> list[int]:
    """Of some layers the heads with the least and the most separated keys."""
    layers = np.unique(np.linspace(0, len(relative) - 1, PLANES).round().astype(int))
    numbers = {(head.layer, head.head): n for n, head in enumerate(found.heads)}
    chosen: list[int] = []
    for layer in layers:
        row = relative[layer]
        if not np.isnan(row).all():
            places = int(np.nanargmin(row)), int(np.nanargmax(row))
            chosen += [numbers[int(layer), place] for place in places]
    return chosen


def _table(found: Space) -> Table:
    means = {measure: found.mean(measure) for measure in SHOWN}
    layers = [head.layer for head in found.heads]
    rows = []
    for layer in dict.fromkeys(layers):
        own = np.array(layers) == layer
        row: list[object] = [layer]
        for values in means.values():
            before, after = values[own, 0][0], values[own, 1]
            row += [
                float(before),
                f"{np.median(after):.3f} ({after.min():.3f} to {after.max():.3f})",
            ]
        rows.append(row)
    columns = [f"{TITLES[name]}, {when}" for name in SHOWN for when in ("before", "after")]
    caption = "After: the median of the heads, and the least and the largest of them."
    return Table(["layer", *columns], rows, caption, 3)


def _rows(found: Space) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    means = {measure: (found.mean(measure), *found.interval(measure)) for measure in MEASURES}
    for number, head in enumerate(found.heads):
        row: dict[str, object] = {"head": str(head), "layer": head.layer, "module": head.module}
        row |= {"number": head.head, "beta": float(found.beta[number, 1])}
        for measure, bounds in means.items():
            for place, when in enumerate(("before", "after")):
                mean, low, high = (float(values[number, place]) for values in bounds)
                name = f"{measure}_{when}"
                row |= {name: mean, f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    return rows
