"""What the attention heads of a transformer do, seen as retrieval."""

from hopfield.heads.compare import Comparison, compare
from hopfield.heads.converge import Convergence, converge
from hopfield.heads.corpus import Batch, Corpus, read_dataset, read_images, read_texts, tokenized
from hopfield.heads.flow import Flow, flow
from hopfield.heads.gradients import Gradients, gradients
from hopfield.heads.history import History
from hopfield.heads.learning import HeadClassCallback
from hopfield.heads.probe import probe
from hopfield.heads.reading import read
from hopfield.heads.replacement import (
    GaussianAttention,
    Smaller,
    attention_layers,
    load_replaced,
    replace,
    replace_heads,
    replaced,
    save_replaced,
)
from hopfield.heads.report import HeadReport, look
from hopfield.heads.source import Source, load
from hopfield.heads.space import Space, space
from hopfield.heads.statistics import Head, HeadStatistics
from hopfield.heads.watch import watch
from hopfield.heads.watcher import Watcher

__all__ = [
    "Batch",
    "Comparison",
    "Convergence",
    "Corpus",
    "Flow",
    "GaussianAttention",
    "Gradients",
    "Head",
    "HeadClassCallback",
    "HeadReport",
    "HeadStatistics",
    "History",
    "Smaller",
    "Source",
    "Space",
    "Watcher",
    "attention_layers",
    "compare",
    "converge",
    "flow",
    "gradients",
    "load",
    "load_replaced",
    "look",
    "probe",
    "read",
    "read_dataset",
    "read_images",
    "read_texts",
    "replace",
    "replace_heads",
    "replaced",
    "save_replaced",
    "space",
    "tokenized",
    "watch",
]
