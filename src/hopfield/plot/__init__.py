"""Pictures of networks and retrievals, drawn with Matplotlib (`pip install 'hopfield[plot]'`)."""

from hopfield.plot.curves import band, energies, error_bounds, phase_shares
from hopfield.plot.images import images
from hopfield.plot.theme import theme

__all__ = ["band", "energies", "error_bounds", "images", "phase_shares", "theme"]
