"""The transformers model that some claims look at, and its text."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hopfield.errors import ArgumentError

if TYPE_CHECKING:
    from hopfield.heads import Corpus, Source

LEAST, TOKENS = 20, 64  # sequences of so many tokens that a text must give


@lru_cache(1)
def load_model(name: str) -> "Source":
    """The model, loaded once."""
    from hopfield.heads import load

    return load(name)


def read_text(name: str, text: Path, length: int, most: int) -> "Corpus":
    """At most so many sequences of that length, or shorter ones if the model has fewer places."""
    from hopfield.heads import read
    from hopfield.heads.fitting import places

    source = load_model(name)
    fits: Any = places(source.model) or length
    return read(source, text=text, max_length=min(length, fits), max_sequences=most)


def check_model(name: str, text: Path) -> None:
    """The model can be loaded, and the text is long enough.

    Raises:
        ArgumentError, FileError: it cannot, or is not.
        MissingExtraError: transformers is not installed.
    """
    count = len(read_text(name, text, TOKENS, LEAST).sequences)
    if count < LEAST:
        raise ArgumentError(
            f"{text} gives {count} sequences of {TOKENS} tokens; at least {LEAST} are expected: "
            f"give a longer text"
        )
