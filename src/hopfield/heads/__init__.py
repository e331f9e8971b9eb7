"""What the attention heads of a transformer do, seen as retrieval."""

from hopfield.heads.corpus import Batch, Corpus, read_dataset, read_images, read_texts, tokenized
from hopfield.heads.source import Source, load

__all__ = [
    "Batch",
    "Corpus",
    "Source",
    "load",
    "read_dataset",
    "read_images",
    "read_texts",
    "tokenized",
]
