"""Tables of numbers as pictures: cells in colours, with the numbers in them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hopfield.plot.theme import SIZE, axes

Array = NDArray[np.float64]

LEGIBLE = 150  # cells, up to which numbers stand in them


def grid(
    values: Array, rows: Sequence[str], columns: Sequence[str], title: str, x: str, y: str
) -> Any:
    """Numbers from 0 to 1, such as shares; negative ones look like 0.

    Args:
        values: `(n, m)`; NaN for an empty cell.
        rows: n names.
        columns: m names.
        title: of the picture.
        x: what columns are.
        y: what rows are.
    """
    figure, drawn = axes(title, x, y)
    wide = max(SIZE[0], 1.2 + min(0.36 * len(columns), 11.0))
    figure.set_size_inches(wide, 1.6 + min(0.34 * len(rows), 10.0))
    image = drawn.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    drawn.set_xticks(range(len(columns)), columns, rotation=90 * (len(columns) > 6))
    drawn.set_yticks(range(len(rows)), rows)
    drawn.tick_params(length=0, labelsize=8)
    drawn.spines[:].set_visible(False)
    if values.size > LEGIBLE:
        figure.colorbar(image, ax=drawn)
        return figure
    for (row, column), value in np.ndenumerate(values):
        if not np.isnan(value):
            colour = "white" if value > 0.6 else "black"
            number = f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")
            drawn.text(column, row, number, ha="center", va="center", fontsize=7, color=colour)
    return figure
