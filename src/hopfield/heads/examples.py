"""`examples`: what some states of each head read most, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hopfield._text import encodable, printable
from hopfield.heads.corpus import Corpus
from hopfield.heads.few import few
from hopfield.heads.observer import Call, HeadsObserver
from hopfield.heads.rows import scores_of

SEQUENCES = 3  # with a state each
MOST = 5  # patterns of a state
CONTEXT = 6  # tokens on each side


@dataclass(frozen=True)
class Read:
    """A pattern that a state reads.

    Attributes:
        token: its text.
        place: in the sequence, from 0.
        weight: of it.
    """

    token: str
    place: int
    weight: float


@dataclass(frozen=True)
class Example:
    """A state and the patterns that it reads most.

    Attributes:
        before: the text before its token.
        token: its text.
        after: the text after it.
        place: in the sequence, from 0.
        reads: the heaviest patterns, falling.
    """

    before: str
    token: str
    after: str
    place: int
    reads: tuple[Read, ...]


def examples(
    model: nn.Module, processor: Any, corpus: Corpus, *, seed: int = 0
) -> list[list[list[Example]]]:
    """What a state of each of three sequences reads most, by layer and head.

    All heads of a layer show the same states, chosen at random. There are none where states are no
    tokens, as in images.

    Args:
        model: any that calls attention through transformers' interface. It comes back as it was.
        processor: its tokenizer.
        corpus: sequences, from all over which the three are.
        seed: of the choice of states.

    Raises:
        ArgumentError: the model cannot be looked at.
    """
    reader = _Reader(model, processor, seed)
    with torch.no_grad():
        for number, batch in enumerate(few(model, processor, corpus, SEQUENCES, None).batches(1)):
            reader.run(batch, number)
    return reader.found


class _Reader(HeadsObserver):
    """Keeps what one state of each sequence reads."""

    def __init__(self, model: nn.Module, tokenizer: Any, seed: int) -> None:
        super().__init__(model, sample=1, seed=seed)
        self.tokenizer = tokenizer
        self.found: list[list[list[Example]]] = []

    def see(self, call: Call) -> None:
        weights = scores_of(call.heads, 0, slice(None))[:, 0].softmax(-1)
        if call.number == len(self.found):
            self.found.append([[] for _ in weights])
        own, read = (stream.tokens for stream in self.streams(call.module, call.cross))
        if own is None or read is None or read.shape[-1] != weights.shape[-1]:
            return
        chosen = call.around.chosen
        place = 0 if chosen is None else int(chosen[0, 0])
        for kept, line in zip(self.found[call.number], weights, strict=True):
            kept.append(self._example(own[0].tolist(), place, read[0].tolist(), line))

    def _example(self, own: list[int], place: int, read: list[int], weights: Tensor) -> Example:
        heaviest = weights.topk(min(MOST, len(weights)))
        pairs = zip(heaviest.indices.tolist(), heaviest.values.tolist(), strict=True)
        return Example(
            self._text(own[max(0, place - CONTEXT) : place]),
            self._text(own[place : place + 1]),
            self._text(own[place + 1 : place + 1 + CONTEXT]),
            place,
            tuple(Read(self._text(read[at : at + 1]), at, weight) for at, weight in pairs),
        )

    def _text(self, tokens: Sequence[int]) -> str:
        if not hasattr(self.tokenizer, "decode"):
            return " ".join(map(str, tokens))
        return printable(encodable(self.tokenizer.decode(tokens)))
