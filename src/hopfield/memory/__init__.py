"""The long-lived associative memory: add, retrieve, remove, save, map from disk."""

from hopfield.errors import MemoryCorrupt, MemoryLockedError, ShardError
from hopfield.memory.diagnosis import Diagnosis
from hopfield.memory.form import FormSettings
from hopfield.memory.index.probe import Probe
from hopfield.memory.info import MemoryInfo
from hopfield.memory.memory import Memory
from hopfield.memory.reading import Certificate, Interval
from hopfield.memory.retrieval import Associations, MemoryRetrieval
from hopfield.memory.shard.shard import ShardedMemory

__all__ = [
    "Associations",
    "Certificate",
    "Diagnosis",
    "FormSettings",
    "Interval",
    "Memory",
    "MemoryCorrupt",
    "MemoryInfo",
    "MemoryLockedError",
    "MemoryRetrieval",
    "Probe",
    "ShardError",
    "ShardedMemory",
]
