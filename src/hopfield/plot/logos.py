"""Logos: motifs of residues, as tall as what they tell."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hopfield import _check
from hopfield.plot.theme import COLOURS, SIZE, axes

READABLE = 0.02  # bits, below which a letter is a line
KINDS = {"basic": "KRH", "acidic": "DE", "polar": "STNQCYG", "hydrophobic": "AVILMFWP"}
COLOUR = dict(zip(KINDS, (COLOURS[name] for name in ("one", "bound", "some", "all")), strict=True))


def logo(
    matrix: NDArray[np.float64], information: NDArray[np.float64], letters: str, title: str
) -> Any:
    """The logo of a motif: residues stacked by probability, as high as the place tells.

    Args:
        matrix: `(L, A)`, probabilities.
        information: of each place, `(L,)`, in bits.
        letters: the A residues.
        title: of the picture.
    """
    logomaker, pandas = (_check.extra(name, "repertoire") for name in ("logomaker", "pandas"))
    figure, drawn = axes(title, "position in kernel window", "information (bits)")
    figure.set_size_inches(SIZE[0], SIZE[0] * 0.5)
    tall = matrix * information[:, None]
    tall = np.where(tall < READABLE, 0, tall)  # each letter takes time to draw
    heights = pandas.DataFrame(tall, range(1, len(matrix) + 1), [*letters])
    colours = {residue: COLOUR[kind] for kind, residues in KINDS.items() for residue in residues}
    logomaker.Logo(heights, ax=drawn, color_scheme=colours, show_spines=None)
    drawn.set(xticks=heights.index, ylim=(0, max(1.0, float(information.max()) * 1.05)))
    handles = [drawn.scatter([], [], color=colour, marker="s") for colour in COLOUR.values()]
    figure.legend(handles, [*COLOUR], loc="outside lower center", ncols=len(COLOUR), fontsize=8)
    return figure
