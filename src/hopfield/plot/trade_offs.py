"""Pictures of grids of N and β: phases, shares, steps; and errors under their bound."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hopfield import _check
from hopfield.landscape import TradeOff
from hopfield.plot.curves import PHASES, error_bounds
from hopfield.plot.theme import COLOURS, SIZE, axes

SHOWN = 4  # numbers of patterns, of which steps are shown
PARTS = 8  # of the patterns in the order of Δ


def phase_diagram(found: TradeOff, title: str) -> Any:
    """Which kind of minimum states end in, at each N and β: the shares of the three as colours.

    Args:
        found: what `hopfield.landscape.trade_off` returned.
        title: of the picture.
    """
    colours = _check.extra("matplotlib.colors", "plot")
    patches = _check.extra("matplotlib.patches", "plot")
    figure, drawn = axes(title, "inverse temperature β", "stored patterns N")
    mixed = torch.zeros(len(found.sizes), len(found.beta), 3, dtype=torch.float64)
    for label, (_, colour) in PHASES.items():
        mixed += found.share(label)[..., None] * torch.tensor(colours.to_rgb(colour))
    _cells(drawn, found, mixed.clamp(0, 1).numpy(force=True))
    keys = [patches.Patch(color=colour, label=name) for name, colour in PHASES.values()]
    drawn.legend(handles=keys, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=1)
    return figure


def over_grid(values: Float[Tensor, "A B"], found: TradeOff, title: str, name: str) -> Any:
    """A number at each N and β, such as `found.retrieved()`.

    Args:
        values: from 0 to 1; larger ones look like 1.
        found: the grid that they belong to.
        title: of the picture.
        name: of the number.
    """
    figure, drawn = axes(title, "inverse temperature β", "stored patterns N")
    image = _cells(drawn, found, values.numpy(force=True))
    figure.colorbar(image, ax=drawn, label=name)
    return figure


def _cells(drawn: Any, found: TradeOff, values: Any) -> Any:
    """Cells between the middles of their neighbours, on log axes."""
    x, y = (_edges(axis.double().numpy(force=True)) for axis in (found.beta, found.sizes))
    image = drawn.pcolormesh(x, y, values, cmap="Blues", vmin=0, vmax=1)
    drawn.set(xscale="log", yscale="log")
    return image


def _edges(middles: Any) -> Any:
    logs = np.log(middles)
    between = (logs[1:] + logs[:-1]) / 2
    first, last = (
        (logs[0] - 0.5, logs[0] + 0.5)
        if len(logs) == 1
        else (
            2 * logs[0] - between[0],
            2 * logs[-1] - between[-1],
        )
    )
    return np.exp(np.concatenate([[first], between, [last]]))


def steps(found: TradeOff, title: str) -> Any:
    """Histograms of the updates until states stand still, over all β, for some N.

    Args:
        found: what `hopfield.landscape.trade_off` returned.
        title: of the picture.
    """
    figure = _check.extra("matplotlib.figure", "plot").Figure(layout="constrained")
    chosen = torch.linspace(0, len(found.sizes) - 1, min(SHOWN, len(found.sizes))).long().tolist()
    figure.set_size_inches(SIZE[0], 0.9 + 1.2 * len(chosen))
    figure.suptitle(title)
    most = int(found.steps.max())
    bins = np.unique(np.round(np.geomspace(1, most + 1, 30)))
    for place, row in zip(
        figure.subplots(len(chosen), sharex=True, squeeze=False).flat, chosen, strict=True
    ):
        colours = [colour for _, colour in PHASES.values()]
        labels = found.label[row].flatten()
        of_row = found.steps[row].flatten()
        taken = [of_row[labels == label].numpy(force=True) for label in PHASES]
        names = [name for name, _ in PHASES.values()]
        place.hist(taken, bins=bins, stacked=True, color=colours, label=names)
        place.set_xscale("log")
        place.set_ylabel(f"states, N = {int(found.sizes[row])}", fontsize=8)
        place.tick_params(labelsize=8)
    place.set_xlabel("updates until the state stands still")
    figure.legend(*place.get_legend_handles_labels(), loc="outside lower center", fontsize=8)
    return figure


def once_against_delta(found: TradeOff, size: int, beta: int, title: str) -> Any:
    """The error of ONE update against the separation Δ, under its bound, in one cell of the grid.

    Args:
        found: what `hopfield.landscape.trade_off` returned.
        size: index of the number of patterns.
        beta: index of β.
        title: of the picture.
    """
    cell = found.once[size, beta], found.bound[size, beta]
    return error_bounds(found.delta[size], *cell, title, limit=2 * found.length)


def share_against_delta(found: TradeOff, beta: int, title: str, error: float = 1e-3) -> Any:
    """The share that ONE update retrieves against Δ, at one β, beside what theorem 5 promises.

    Args:
        found: what `hopfield.landscape.trade_off` returned; patterns of all N are taken together.
        beta: index of β.
        title: of the picture.
        error: as a share of M.
    """
    figure, drawn = axes(
        f"{title}, β = {found.beta[beta]:.3g}", "separation Δ", "share of patterns"
    )
    delta = found.delta.flatten()
    order = delta.argsort()
    for values, colour, name in (
        (found.once[:, beta], "one", "retrieved"),
        (found.bound[:, beta], "bound", "promised by the bound"),
    ):
        within = (values.flatten() <= error * found.length).double()[order]
        parts = zip(delta[order].tensor_split(PARTS), within.tensor_split(PARTS), strict=True)
        points = torch.tensor([(x.mean().item(), y.mean().item()) for x, y in parts if len(x)])
        drawn.plot(*points.T.numpy(), marker="o", color=COLOURS[colour], label=name)
    drawn.set_ylim(-0.03, 1.03)
    drawn.legend()
    return figure


def share_once(found: TradeOff, title: str, error: float = 1e-3) -> Any:
    """The share that ONE update retrieves against β, beside what the theorem guarantees.

    Args:
        found: what `hopfield.landscape.trade_off` returned.
        title: of the picture.
        error: as a share of M.
    """
    figure, drawn = axes(title, "inverse temperature β", "share of patterns")
    shares, certain = found.retrieved(error, once=True), found.guaranteed.double().mean(-1)
    beta = found.beta.numpy(force=True)
    for row, colour in zip((0, -1), ("one", "some"), strict=True):
        name = f"N = {int(found.sizes[row])}"
        drawn.plot(beta, shares[row], color=COLOURS[colour], label=f"{name}: retrieved")
        drawn.plot(
            beta,
            certain[row],
            color=COLOURS[colour],
            linestyle="--",
            label=f"{name}: guaranteed to be stored",
        )
    drawn.set(xscale="log", ylim=(-0.03, 1.03))
    drawn.legend(fontsize=8)
    return figure
