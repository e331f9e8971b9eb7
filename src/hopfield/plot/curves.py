"""Curves: phases, energies, errors. Each function returns a Matplotlib figure."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hopfield.phases import PhaseLabel
from hopfield.plot.theme import COLOURS, axes

PHASES = {
    PhaseLabel.GLOBAL: ("global: all patterns", COLOURS["all"]),
    PhaseLabel.METASTABLE: ("metastable: some patterns", COLOURS["some"]),
    PhaseLabel.FIXED_POINT: ("fixed point: one pattern", COLOURS["one"]),
}


def phase_shares(beta: Float[Tensor, " B"], label: Int[Tensor, "B S"], title: str) -> Any:
    """The share of states in each phase against β.

    Args:
        beta: inverse temperatures, rising.
        label: `PhaseLabel` of S states at each β.
        title: of the picture.
    """
    return shares_of_phases(
        beta, {phase: (label == phase).double().mean(-1) for phase in PHASES}, title
    )


def shares_of_phases(
    beta: Float[Tensor, " B"], shares: Mapping[PhaseLabel, Float[Tensor, " B"]], title: str
) -> Any:
    """The same, of shares that are counted already.

    Args:
        beta: inverse temperatures, rising.
        shares: of the three phases, from 0 to 1.
        title: of the picture.
    """
    figure, drawn = axes(title, "inverse temperature β", "share of states")
    heights = [shares[phase].numpy(force=True) for phase in PHASES]
    names, colours = zip(*PHASES.values(), strict=True)
    drawn.stackplot(beta.numpy(force=True), heights, labels=names, colors=colours, alpha=0.9)
    drawn.set(xscale="log", xlim=(beta[0].item(), beta[-1].item()), ylim=(0, 1))
    drawn.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=1)
    return figure


def energies(energy: Float[Tensor, "T S"], title: str) -> Any:
    """Energy along retrieval, a line for each state and their median.

    Args:
        energy: of S states before the first and after each update.
        title: of the picture.
    """
    figure, drawn = axes(title, "updates", "energy E")
    each = drawn.plot(energy.numpy(force=True), color=COLOURS["all"], linewidth=0.6, alpha=0.5)
    each[0].set_label("each state")
    drawn.plot(
        energy.median(-1).values.numpy(force=True), color=COLOURS["one"], marker="o", label="median"
    )
    drawn.set_xlim(0, len(energy) - 1)
    drawn.xaxis.get_major_locator().set_params(integer=True)
    drawn.legend()
    return figure


def error_bounds(
    delta: Float[Tensor, " S"],
    error: Float[Tensor, " S"],
    bound: Float[Tensor, " S"],
    title: str,
    limit: float = math.inf,
) -> Any:
    """The error of one update and what a theorem allows, against the separation of the pattern.

    Args:
        delta: Δ_i of the pattern that each state is meant to retrieve.
        error: how far from it one update ended; 0 is drawn at the lower edge.
        bound: what it may be.
        title: of the picture.
        limit: bounds above it say nothing, and are not drawn.
    """
    figure, drawn = axes(title, "separation Δ of the pattern", "error of one update")
    least, told = torch.finfo(torch.float64).eps, bound <= limit
    for x, y, colour, name in (
        (delta[told], bound[told].clamp(min=least), "bound", "bound"),
        (delta, error.clamp(min=least), "one", "measured"),
    ):
        drawn.scatter(
            x.numpy(force=True), y.numpy(force=True), s=7, color=COLOURS[colour], label=name
        )
    drawn.set_yscale("log")
    drawn.legend()
    return figure


def band(
    x: Float[Tensor, " B"],
    curves: dict[str, Float[Tensor, "..."]],
    title: str,
    x_label: str,
    y_label: str,
    level: tuple[float, str] | None = None,
) -> Any:
    """Curves against x; one of several values at each x is drawn as median and middle half.

    Args:
        x: rising, drawn on a log axis.
        curves: by name, `(B,)` or `(B, S)`.
        title: of the picture.
        x_label: of the x axis, with unit.
        y_label: of the y axis, with unit.
        level: height and name of a horizontal line.
    """
    figure, drawn = axes(title, x_label, y_label)
    colours = [COLOURS[name] for name in ("one", "some", "bound", "all")]
    for (name, y), colour in zip(curves.items(), colours, strict=False):
        if y.dim() > 1:
            low, high = (y.double().nanquantile(q, -1).numpy(force=True) for q in (0.25, 0.75))
            drawn.fill_between(
                x.numpy(force=True), low, high, color=colour, alpha=0.25, linewidth=0
            )
            y = y.nanmedian(-1).values
        drawn.plot(x.numpy(force=True), y.numpy(), color=colour, label=name)
    if level is not None:
        height, name = level
        drawn.axhline(height, color=COLOURS["all"], linestyle="--", linewidth=1)
        drawn.annotate(name, (x[0].item(), height), (0, 3), textcoords="offset points", fontsize=9)
    drawn.set_xscale("log")
    if len(curves) > 1:
        drawn.legend()
    return figure
