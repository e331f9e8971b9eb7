"""The long-lived associative memory: add, retrieve, remove, save, map from disk."""

from hopfield.errors import MemoryCorrupt, MemoryLockedError
from hopfield.memory.memory import Associations, Memory, MemoryRetrieval
from hopfield.memory.reading import Certificate, Interval

__all__ = [
    "Associations",
    "Certificate",
    "Interval",
    "Memory",
    "MemoryCorrupt",
    "MemoryLockedError",
    "MemoryRetrieval",
]
