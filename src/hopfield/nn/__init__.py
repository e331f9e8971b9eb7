"""Layers of modern Hopfield networks."""

from hopfield.nn.hopfield import Hopfield, Projected
from hopfield.nn.lookup import HopfieldLayer
from hopfield.nn.multihead import MultiheadAttention, replace_attention
from hopfield.nn.options import Options
from hopfield.nn.pooling import HopfieldPooling
from hopfield.nn.transformer import HopfieldDecoderLayer, HopfieldEncoderLayer

__all__ = [
    "Hopfield",
    "HopfieldDecoderLayer",
    "HopfieldEncoderLayer",
    "HopfieldLayer",
    "HopfieldPooling",
    "MultiheadAttention",
    "Options",
    "Projected",
    "replace_attention",
]
