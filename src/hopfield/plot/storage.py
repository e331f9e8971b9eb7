"""The storage curve: which share of the patterns is retrieved, against how many are stored."""

from collections.abc import Mapping, Sequence
from typing import Any

from hopfield.errors import ArgumentError
from hopfield.plot.capacities import OTHERS, SHAPES
from hopfield.plot.theme import COLOURS, axes


def storage_curves(sizes: Sequence[int], shares: Mapping[str, Sequence[float]], title: str) -> Any:
    """Shares retrieved against the number of stored patterns, one curve for each network.

    Args:
        sizes: numbers of stored patterns, rising.
        shares: the shares of states from which a pattern was retrieved, as many as sizes, by name.
        title: of the picture.
    """
    if wrong := [name for name, of_sizes in shares.items() if len(of_sizes) != len(sizes)]:
        raise ArgumentError(
            f"shares has {wrong[0]!r} with another number of points than the {len(sizes)} sizes; "
            f"as many are expected"
        )
    figure, drawn = axes(title, "stored patterns N", "share retrieved")
    figure.set_size_inches(5.2, 4.6)
    colours, shapes = (COLOURS["one"], *OTHERS, COLOURS["bound"]), f"o{SHAPES}X"
    for n, (name, of_sizes) in enumerate(shares.items()):
        style = {"color": colours[n % len(colours)], "marker": shapes[n % len(shapes)]}
        drawn.plot(sizes, of_sizes, **style, markersize=4, linewidth=1.2, label=name)
    drawn.set_xscale("log")
    drawn.set_ylim(-0.03, 1.03)
    drawn.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), fontsize=8, ncols=2)
    return figure
