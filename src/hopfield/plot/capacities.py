"""Capacity against dimension: measured, estimated, guaranteed, and for other energies."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hopfield.errors import ArgumentError
from hopfield.plot.theme import COLOURS, axes
from hopfield.theory import Growth, MeasuredCapacity

OTHERS = ("#1d9a76", "#8a63c9", "#b5a01f", "#7a8b99", "#48a9c5")
SHAPES = "sdv^P"


def capacities(
    measured: Sequence[MeasuredCapacity],
    title: str,
    *,
    name: str = "measured",
    fit: Growth | None = None,
    lines: Mapping[str, Sequence[float]] | None = None,
    others: Mapping[str, Sequence[MeasuredCapacity]] | None = None,
) -> Any:
    """Measured capacities with their intervals, and what is said or measured beside them.

    Args:
        measured: at rising dimensions.
        title: of the picture.
        name: what was measured.
        fit: both laws of growth, drawn through them.
        lines: numbers of patterns by name, such as an estimate or a guarantee, as many as
            `measured`; NaN for none.
        others: the same measured for other energies, by name.
    """
    if not measured or not all((others or {"": measured}).values()):
        raise ArgumentError("a series of capacities is empty; at least one in each is expected")
    if wrong := [name for name, line in (lines or {}).items() if len(line) != len(measured)]:
        raise ArgumentError(
            f"lines has {wrong[0]!r} with another number of points than the {len(measured)} "
            f"capacities that were measured; as many are expected"
        )
    figure, drawn = axes(title, "dimension d of the patterns", "stored patterns N")
    figure.set_size_inches(5.0, 4.6)
    d = np.array([capacity.d for capacity in measured])
    _points(drawn, measured, name, COLOURS["one"], "o")
    if fit is not None:
        along = np.linspace(d[0], d[-1], 100)
        laws = {
            f"exponential: e^({fit.exponential.exponent:.2f} d)": np.exp(
                fit.exponential.intercept + fit.exponential.exponent * along
            ),
            f"power: d^{fit.power.exponent:.1f}": np.exp(
                fit.power.intercept + fit.power.exponent * np.log(along)
            ),
        }
        for (law_name, law), style in zip(laws.items(), ("-", "--"), strict=True):
            drawn.plot(along, law, style, color=COLOURS["one"], linewidth=1, label=law_name)
    for (line, values), style in zip((lines or {}).items(), (":", "-.", "--", "-"), strict=False):
        drawn.plot(d, values, style, color=COLOURS["bound"], linewidth=1.3, label=line)
    for n, (other, some) in enumerate((others or {}).items()):
        _points(drawn, some, other, OTHERS[n % len(OTHERS)], SHAPES[n % len(SHAPES)])
    drawn.set_yscale("log")
    drawn.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), fontsize=8, ncols=2)
    return figure


def _points(
    drawn: Any, measured: Sequence[MeasuredCapacity], name: str, colour: str, shape: str
) -> None:
    d = [capacity.d for capacity in measured]
    middle = np.array([capacity.patterns for capacity in measured])
    low, high = np.array([capacity.interval for capacity in measured]).T
    reach = np.nan_to_num([middle - low, high - middle], nan=0.0, posinf=0.0)
    drawn.errorbar(
        d, middle, reach, fmt=shape, color=colour, label=name, markersize=4, capsize=2, linewidth=1
    )
