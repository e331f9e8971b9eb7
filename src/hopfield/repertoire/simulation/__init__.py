"""Simulated repertoires: a background as real ones have it, a signal, and the truth about it."""

from hopfield.repertoire.simulation.background import Background
from hopfield.repertoire.simulation.signal import Motif, Motifs, PublicClones, Signal
from hopfield.repertoire.simulation.simulate import Simulation, simulated

__all__ = ["Background", "Motif", "Motifs", "PublicClones", "Signal", "Simulation", "simulated"]
