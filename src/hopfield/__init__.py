"""Modern Hopfield networks: retrieval, energies and phases of continuous associative memory."""

from hopfield import theory
from hopfield.errors import ConvergenceWarning, HopfieldError
from hopfield.functional import associate, energy, explain, partial, update
from hopfield.head import Head, from_head
from hopfield.memory import Memory
from hopfield.nn import (
    Hopfield,
    HopfieldDecoderLayer,
    HopfieldEncoderLayer,
    HopfieldLayer,
    HopfieldPooling,
    replace_attention,
)
from hopfield.phases import FixedPoints, Phase, PhaseLabel, fixed_points, phase
from hopfield.reduction import Partial, merge
from hopfield.retrieval import Retrieval, Trajectory, retrieve
from hopfield.separation import Entmax, Separation, Softmax, Softmax1, Sparsemax, TopK
from hopfield.settings import Settings

__all__ = [
    "ConvergenceWarning",
    "Entmax",
    "FixedPoints",
    "Head",
    "Hopfield",
    "HopfieldDecoderLayer",
    "HopfieldEncoderLayer",
    "HopfieldError",
    "HopfieldLayer",
    "HopfieldPooling",
    "Memory",
    "Partial",
    "Phase",
    "PhaseLabel",
    "Retrieval",
    "Separation",
    "Settings",
    "Softmax",
    "Softmax1",
    "Sparsemax",
    "TopK",
    "Trajectory",
    "associate",
    "energy",
    "explain",
    "fixed_points",
    "from_head",
    "merge",
    "partial",
    "phase",
    "replace_attention",
    "retrieve",
    "theory",
    "update",
]
