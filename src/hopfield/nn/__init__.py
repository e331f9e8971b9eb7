"""Layers of modern Hopfield networks."""

from hopfield.nn.hopfield import Hopfield, Projected

__all__ = ["Hopfield", "Projected"]
