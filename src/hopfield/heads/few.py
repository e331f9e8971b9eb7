"""Some sequences of a corpus, for looks at heads that take longer than `probe`, and their means."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from hopfield import _check
from hopfield.heads.corpus import Batch, Corpus
from hopfield.heads.fitting import sequences_for

Array = NDArray[np.float64]

DRAWS = 400  # of the bootstrap


@dataclass(frozen=True)
class HeadName:
    """Which head it is.

    Attributes:
        layer: the number of its call of attention, from 0, in the order in which the model makes
            them.
        module: the name of the module that calls.
        head: its number in the layer, from 0.
    """

    layer: int
    module: str
    head: int

    def __str__(self) -> str:
        return f"{self.layer}.{self.head}"


def by_layer(heads: Sequence[HeadName], values: Array) -> Array:
    """What is given of each head, `(M,)`, as `(L, H)`; NaN where a layer has fewer heads."""
    layers, most = 1 + max(head.layer for head in heads), 1 + max(head.head for head in heads)
    found = np.full((layers, most), np.nan)
    for head, value in zip(heads, values, strict=True):
        found[head.layer, head.head] = value
    return found


def few(
    model: nn.Module,
    processor: Any,
    texts: Iterable[str] | Corpus,
    sequences: int,
    max_length: int | None,
) -> Corpus:
    """At most so many sequences of the texts, spread evenly over them.

    Raises:
        ArgumentError: the texts are empty, a number is bad, or the model has too few positions.
    """
    sequences = _check.positive_int("sequences", sequences)
    corpus = sequences_for(model, processor, texts, max_length)
    count = len(corpus.sequences)
    chosen = (
        [n * count // sequences for n in range(sequences)] if count > sequences else range(count)
    )
    kept = [corpus.sequences[n] for n in chosen]
    return replace(corpus, sequences=kept, document=[corpus.document[n] for n in chosen])


def shown(corpus: Corpus, size: int, what: str, progress: bool) -> Iterator[Batch]:
    """The batches of a corpus, and how far they are."""
    count = len(corpus.sequences)
    with tqdm(total=count, desc=what, unit="sequence", disable=not progress) as bar:
        for batch in corpus.batches(size):
            yield batch
            bar.update(len(batch.group))


def interval(totals: Array, counts: Array, seed: int = 0) -> tuple[Array, Array]:
    """The 95 % interval of a mean over all that sequences hold, by a bootstrap over sequences.

    Args:
        totals: `(n, ...)`, the sum over what each sequence holds.
        counts: `(n, ...)`, how much that is.
        seed: of the bootstrap.

    Returns:
        Its lower and upper bound, `(...)` each; NaN where no sequence holds anything.
    """
    n, shape = len(totals), totals.shape[1:]
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), DRAWS).astype(float)
    of_draws = drawn @ counts.reshape(n, -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = drawn @ totals.reshape(n, -1) / of_draws
    said = np.atleast_1d((of_draws > 0).any(0))
    bounds = np.full((2, len(said)), np.nan)
    bounds[:, said] = np.nanquantile(means[:, said], [0.025, 0.975], axis=0)
    low, high = bounds.reshape(2, *shape)
    return low, high
