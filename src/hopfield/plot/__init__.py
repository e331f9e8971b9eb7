"""Pictures of networks and retrievals, drawn with Matplotlib (`pip install 'hopfield[plot]'`)."""

from hopfield.plot.capacities import capacities
from hopfield.plot.curves import band, energies, error_bounds, phase_shares, shares_of_phases
from hopfield.plot.images import images
from hopfield.plot.landscapes import bifurcation, landscape
from hopfield.plot.storage import storage_curves
from hopfield.plot.theme import theme
from hopfield.plot.trade_offs import (
    once_against_delta,
    over_grid,
    phase_diagram,
    share_against_delta,
    share_once,
    steps,
)

__all__ = [
    "band",
    "bifurcation",
    "capacities",
    "energies",
    "error_bounds",
    "images",
    "landscape",
    "once_against_delta",
    "over_grid",
    "phase_diagram",
    "phase_shares",
    "share_against_delta",
    "share_once",
    "shares_of_phases",
    "steps",
    "storage_curves",
    "theme",
]
