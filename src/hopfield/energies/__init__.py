"""Energies of associative memories beside each other: update, energy and retrieve of each."""

from hopfield.energies.epanechnikov import Epanechnikov
from hopfield.energies.hebbian import Hebbian
from hopfield.energies.memory import EnergyMemory
from hopfield.energies.modern import Modern
from hopfield.energies.polynomial import Polynomial
from hopfield.energies.random_features import RandomFeatures

__all__ = ["EnergyMemory", "Epanechnikov", "Hebbian", "Modern", "Polynomial", "RandomFeatures"]
