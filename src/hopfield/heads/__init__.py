"""What the attention heads of a transformer do, seen as retrieval."""

from hopfield.heads.converge import Convergence, converge
from hopfield.heads.corpus import Batch, Corpus, read_dataset, read_images, read_texts, tokenized
from hopfield.heads.flow import Flow, flow
from hopfield.heads.gradients import Gradients, gradients
from hopfield.heads.probe import probe
from hopfield.heads.source import Source, load
from hopfield.heads.space import Space, space
from hopfield.heads.statistics import Head, HeadStatistics
from hopfield.heads.watcher import Watcher

__all__ = [
    "Batch",
    "Convergence",
    "Corpus",
    "Flow",
    "Gradients",
    "Head",
    "HeadStatistics",
    "Source",
    "Space",
    "Watcher",
    "converge",
    "flow",
    "gradients",
    "load",
    "probe",
    "read_dataset",
    "read_images",
    "read_texts",
    "space",
    "tokenized",
]
