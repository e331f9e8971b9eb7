"""Heads that do without queries and keys: what they are replaced by, and which ones can be."""

from hopfield.heads.replacement.candidates import KINDS, Candidates, candidates_of
from hopfield.heads.replacement.choice import Choice, Step, choose
from hopfield.heads.replacement.distil import distil
from hopfield.heads.replacement.fit import fit_gaussian
from hopfield.heads.replacement.gaussian import GaussianAttention
from hopfield.heads.replacement.install import replace_heads, replaced, replaced_heads
from hopfield.heads.replacement.layers import Layer, attention_layers
from hopfield.heads.replacement.measure import Measure, measure_of
from hopfield.heads.replacement.prune import prune
from hopfield.heads.replacement.replace import replace
from hopfield.heads.replacement.replacement import MeanOutput, Replacement, Uniform, Zero
from hopfield.heads.replacement.saving import load_replaced, save_replaced
from hopfield.heads.replacement.scores import Estimate, HeadScore, score_heads
from hopfield.heads.replacement.smaller import Smaller
from hopfield.heads.replacement.statistics import LayerStatistics, gather

__all__ = [
    "KINDS",
    "Candidates",
    "Choice",
    "Estimate",
    "GaussianAttention",
    "HeadScore",
    "Layer",
    "LayerStatistics",
    "MeanOutput",
    "Measure",
    "Replacement",
    "Smaller",
    "Step",
    "Uniform",
    "Zero",
    "attention_layers",
    "candidates_of",
    "choose",
    "distil",
    "fit_gaussian",
    "gather",
    "load_replaced",
    "measure_of",
    "prune",
    "replace",
    "replace_heads",
    "replaced",
    "replaced_heads",
    "save_replaced",
    "score_heads",
]
