"""What the attention heads of a transformer do, seen as retrieval."""

from hopfield.heads.corpus import Batch, Corpus, read_dataset, read_images, read_texts, tokenized
from hopfield.heads.probe import probe
from hopfield.heads.source import Source, load
from hopfield.heads.statistics import Head, HeadStatistics
from hopfield.heads.watcher import Watcher

__all__ = [
    "Batch",
    "Corpus",
    "Head",
    "HeadStatistics",
    "Source",
    "Watcher",
    "load",
    "probe",
    "read_dataset",
    "read_images",
    "read_texts",
    "tokenized",
]
