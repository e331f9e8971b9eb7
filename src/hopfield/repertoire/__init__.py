"""Immune repertoire classification: receptor sequences in, a diagnosis and its sequences out."""

from hopfield.repertoire.checking import Check, check
from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.dataset import RepertoireDataset
from hopfield.repertoire.explanation import Explanation, explain
from hopfield.repertoire.model import Architecture, RepertoireNetwork
from hopfield.repertoire.motifs import Motif
from hopfield.repertoire.prediction import predict
from hopfield.repertoire.reading import Reading, read, write_table
from hopfield.repertoire.repertoire import ALPHABET, LOCI, Repertoire
from hopfield.repertoire.report import RepertoireReport
from hopfield.repertoire.run import train
from hopfield.repertoire.simulation import Simulation, simulate, simulated
from hopfield.repertoire.targets import Target

__all__ = [
    "ALPHABET",
    "LOCI",
    "Architecture",
    "Check",
    "Explanation",
    "Motif",
    "Reading",
    "Repertoire",
    "RepertoireClassifier",
    "RepertoireDataset",
    "RepertoireNetwork",
    "RepertoireReport",
    "Simulation",
    "Target",
    "check",
    "explain",
    "predict",
    "read",
    "simulate",
    "simulated",
    "train",
    "write_table",
]
