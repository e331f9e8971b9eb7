"""Means over kinds of states, with their intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hopfield import _check
from hopfield.plot.theme import COLOURS, SIZE
from hopfield.plot.violins import CLASS_COLOURS

Array = NDArray[np.float64]


def by_kind(
    kinds: Sequence[str], panels: Mapping[str, tuple[Array, Array, Array]], title: str
) -> Any:
    """Bars side by side.

    Args:
        kinds: classes I to IV, and what states with k = 1 are called.
        panels: by title mean, lower and upper bound of each kind, `(5,)`; NaN where there is none.
        title: of the picture.
    """
    figure = _check.extra("matplotlib.figure", "plot").Figure()
    rows = -(-len(panels) // 2)
    figure.set_size_inches(SIZE[0], 0.5 + 1.9 * rows)
    figure.suptitle(title)
    places = list(figure.subplots(rows, 2, squeeze=False).flat)
    for place, (name, (mean, low, high)) in zip(places, panels.items(), strict=False):
        bars = [*CLASS_COLOURS.values(), COLOURS["all"]]
        place.bar(kinds, mean, color=bars)
        reach = np.clip(np.nan_to_num([mean - low, high - mean]), 0.0, None)
        place.errorbar(kinds, mean, reach, fmt="none", ecolor=COLOURS["bound"], linewidth=1)
        place.set_title(name, fontsize=9)
        place.tick_params(labelsize=8)
        place.ticklabel_format(axis="y", scilimits=(-3, 4))
        place.yaxis.get_offset_text().set_fontsize(7)
    for place in places[len(panels) :]:
        place.set_visible(False)
    return figure
