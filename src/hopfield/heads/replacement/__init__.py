"""Heads that do without queries and keys: what they are replaced by, and which ones can be."""

from hopfield.heads.replacement.fit import fit_gaussian
from hopfield.heads.replacement.gaussian import GaussianAttention
from hopfield.heads.replacement.install import replace_heads, replaced, replaced_heads
from hopfield.heads.replacement.layers import Layer, attention_layers
from hopfield.heads.replacement.prune import prune
from hopfield.heads.replacement.replacement import MeanOutput, Replacement, Uniform, Zero
from hopfield.heads.replacement.saving import load_replaced, save_replaced
from hopfield.heads.replacement.statistics import LayerStatistics, gather

__all__ = [
    "GaussianAttention",
    "Layer",
    "LayerStatistics",
    "MeanOutput",
    "Replacement",
    "Uniform",
    "Zero",
    "attention_layers",
    "fit_gaussian",
    "gather",
    "load_replaced",
    "prune",
    "replace_heads",
    "replaced",
    "replaced_heads",
    "save_replaced",
]
