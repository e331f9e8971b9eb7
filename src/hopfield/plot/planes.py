"""The states and stored patterns of heads in a plane."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hopfield import _check
from hopfield.plot.theme import COLOURS, SIZE

Array = NDArray[np.float64]
Plane = tuple[Array, Array, NDArray[np.bool_], tuple[float, float]]

COLUMNS = 2


def planes(heads: Mapping[str, Plane], title: str) -> Any:
    """A picture for each head.

    Args:
        heads: by name the states `(S, 2)`, the patterns `(N, 2)`, which of these are special,
            `(N,)`, and the share of the variance along each axis.
        title: of all.
    """
    figure = _check.extra("matplotlib.figure", "plot").Figure()
    rows = -(-len(heads) // COLUMNS)
    figure.set_size_inches(SIZE[0], 0.8 + 1.9 * rows)
    figure.suptitle(title)
    places = list(figure.subplots(rows, COLUMNS, squeeze=False).flat)
    for place, (name, (state, stored, special, share)) in zip(places, heads.items(), strict=False):
        for points, role, colour, size, marker in (
            (state, "states (queries)", "one", 5, "."),
            (stored[~special], "stored patterns (keys)", "some", 5, "."),
            (stored[special], "keys of special tokens", "bound", 22, "x"),
        ):
            place.scatter(*points.T, s=size, marker=marker, color=COLOURS[colour], label=role)
        place.set_title(name, fontsize=9)
        place.set_xlabel(f"component 1, {share[0]:.0%} of variance", fontsize=7)
        place.set_ylabel(f"component 2, {share[1]:.0%}", fontsize=7)
        place.tick_params(labelsize=6)
        place.set_aspect("equal", adjustable="datalim")
    for place in places[len(heads) :]:
        place.set_visible(False)
    figure.legend(*places[0].get_legend_handles_labels(), loc="outside lower center", fontsize=8)
    return figure
