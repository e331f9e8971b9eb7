"""What the replacement of heads does."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hopfield.plot.heads import by_head
from hopfield.plot.theme import COLOURS, axes

Array = NDArray[np.float64]

KINDS = {"gaussian": "one", "uniform": "some", "mean": "bound", "zero": "all"}


def damage_by_number(
    heads: Sequence[int], damage: Array, kept: Sequence[bool], budget: float, measure: str
) -> Any:
    """Damage of heads that are replaced together.

    Args:
        heads: how many, of n trials.
        damage: `(n, 3)`: lower bound, mean and upper bound.
        kept: whether the trial was within the budget.
        budget: of damage.
        measure: of damage, in words.
    """
    figure, drawn = axes("", "heads replaced together", measure)
    for number, (low, mean, high), within in zip(heads, damage, kept, strict=True):
        colour = COLOURS["one"] if within else COLOURS["all"]
        drawn.plot([number, number], [low, high], color=colour, linewidth=1)
        face = colour if within else "none"
        drawn.plot(number, mean, "o", color=colour, markerfacecolor=face)
    drawn.xaxis.get_major_locator().set_params(integer=True)
    drawn.axhline(budget, color=COLOURS["bound"], linestyle="--", label="budget")
    drawn.legend()
    return figure


def damage_by_head(damage: Array, measure: str) -> Any:
    """The damage of each head's replacement, `(L, H)`, on a scale of powers of ten."""
    with np.errstate(invalid="ignore"):
        powers = np.log10(np.maximum(damage, np.nanmax(damage) * 1e-5))
    return by_head(powers, measure, "log₁₀ of the damage")


def damage_by_k(points: Mapping[str, Array], measure: str) -> Any:
    """For each kind, `(n, 2)`: the share of keys that a head rests on, and its damage."""
    figure, drawn = axes("", "k / N", measure)
    for kind, values in points.items():
        if len(values):
            drawn.plot(*values.T, "o", markersize=3.5, color=COLOURS[KINDS[kind]], label=kind)
    lowest = min((float(np.abs(values[:, 1]).min()) for values in points.values()), default=0.0)
    drawn.set_yscale("symlog", linthresh=max(lowest, 1e-6))
    drawn.legend()
    return figure
