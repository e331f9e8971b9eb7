"""Text in three parts: one to fit on, one to choose on, one to say at last what came of it."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hopfield.errors import ArgumentError
from hopfield.heads.corpus import Corpus

FEW = 20  # documents; of fewer, neighbouring sequences are taken for one document
LEAST = 8  # sequences of each part


def parted(corpus: Corpus, seed: int = 0) -> tuple[Corpus, Corpus, Corpus]:
    """Half of the documents at random, a quarter, and the other quarter.

    A corpus of fewer than 20 documents is cut into 20 stretches of neighbouring sequences instead.

    Raises:
        ArgumentError: a part would have fewer than 8 sequences.
    """
    units = np.asarray(corpus.document)
    if len(np.unique(units)) < FEW:
        units = corpus.groups(FEW).numpy()
    names = np.random.default_rng(seed).permutation(np.unique(units))
    half, quarter = len(names) // 2, len(names) // 4
    first, second, third = np.split(names, [half, half + quarter])
    return _part(corpus, units, first), _part(corpus, units, second), _part(corpus, units, third)


def _part(corpus: Corpus, units: NDArray[np.int64], names: NDArray[np.int64]) -> Corpus:
    numbers = np.flatnonzero(np.isin(units, names)).tolist()
    if len(numbers) < LEAST:
        raise ArgumentError(
            f"there are {len(corpus.sequences)} sequences, {len(numbers)} of them for one of the "
            f"three parts to fit, choose and measure on; {LEAST} at least are expected: give more "
            f"texts or images, or a smaller max_length"
        )
    return replace(
        corpus,
        sequences=[corpus.sequences[n] for n in numbers],
        document=[corpus.document[n] for n in numbers],
    )
