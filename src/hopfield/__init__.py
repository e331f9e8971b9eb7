"""Modern Hopfield networks: retrieval, energies and phases of continuous associative memory."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hopfield.errors import ConvergenceWarning, HopfieldError
from hopfield.functional import associate, energy, explain, partial, update
from hopfield.head import Head, from_head
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

if TYPE_CHECKING:
    from hopfield import theory
    from hopfield.memory import Memory

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

# Imported when they are first used.
LATER = {"Memory": "hopfield.memory", "memory": "hopfield", "theory": "hopfield"}


def __getattr__(name: str) -> Any:
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if LATER[name] == __name__:
        return import_module(f"{__name__}.{name}")
    return getattr(import_module(LATER[name]), name)


def __dir__() -> list[str]:
    return __all__
