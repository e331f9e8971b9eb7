"""Simulated repertoires: a background as real ones have it, a signal, and the truth about it."""

from hopfield.repertoire.simulation.background import Background
from hopfield.repertoire.simulation.motif import Motif
from hopfield.repertoire.simulation.olga import Olga
from hopfield.repertoire.simulation.signal import Motifs, PublicClones, Signal
from hopfield.repertoire.simulation.simulate import Simulation, simulate, simulated

__all__ = [
    "Background",
    "Motif",
    "Motifs",
    "Olga",
    "PublicClones",
    "Signal",
    "Simulation",
    "simulate",
    "simulated",
]
