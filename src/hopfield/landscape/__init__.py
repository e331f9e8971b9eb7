"""The energy as a landscape: families of patterns, basins, barriers, slopes; and the trade-off."""

from hopfield.landscape.barrier import Barrier, barrier
from hopfield.landscape.basins import basin_by_masking, basin_by_noise, basin_radius
from hopfield.landscape.bifurcation import Bifurcation, bifurcation
from hopfield.landscape.families import Family, families
from hopfield.landscape.plane import Plane, plane
from hopfield.landscape.slopes import Slopes, slopes
from hopfield.landscape.trade_off import TradeOff, trade_off

__all__ = [
    "Barrier",
    "Bifurcation",
    "Family",
    "Plane",
    "Slopes",
    "TradeOff",
    "barrier",
    "basin_by_masking",
    "basin_by_noise",
    "basin_radius",
    "bifurcation",
    "families",
    "plane",
    "slopes",
    "trade_off",
]
