"""Patterns that are images."""

from typing import Any

from jaxtyping import Float
from torch import Tensor

from hopfield import _check


def images(rows: dict[str, Float[Tensor, "n h w"]], title: str) -> Any:
    """Rows of small grey images, each row with its name.

    Args:
        rows: by name, n images of h × w pixels; all rows are drawn on one scale of grey.
        title: of the picture.
    """
    figure_module = _check.extra("matplotlib.figure", "plot")
    count = max(len(row) for row in rows.values())
    low = min(row.min().item() for row in rows.values())
    high = max(row.max().item() for row in rows.values())
    figure = figure_module.Figure(figsize=(5.0, 0.45 + 0.48 * len(rows)))
    figure.suptitle(title)
    grid = figure.subplots(len(rows), count, squeeze=False)
    for line, (name, row) in zip(grid, rows.items(), strict=True):
        for place in line:
            place.set(xticks=[], yticks=[])
            place.spines[:].set_visible(False)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        for place, image in zip(line, row, strict=False):
            place.imshow(image.numpy(force=True), cmap="gray_r", vmin=low, vmax=high)
    return figure
