"""Models that ours is compared with, fit on the same rows."""

from hopfield.repertoire.baselines.baseline import Baseline
from hopfield.repertoire.baselines.confounders import Confounders
from hopfield.repertoire.baselines.ensemble import ensemble
from hopfield.repertoire.baselines.kmer_regression import KmerRegression
from hopfield.repertoire.baselines.minmax_svm import MinMaxSVM
from hopfield.repertoire.baselines.public_clones import PublicClones
from hopfield.repertoire.baselines.registry import BASELINES, baselines

__all__ = [
    "BASELINES",
    "Baseline",
    "Confounders",
    "KmerRegression",
    "MinMaxSVM",
    "PublicClones",
    "baselines",
    "ensemble",
]
