"""`gradients`: how much of the gradient of a loss goes through heads, by kind of state."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.heads import losses
from hopfield.heads.corpus import Corpus
from hopfield.heads.differentiator import MEASURES, Differentiator
from hopfield.heads.few import HeadName, few, interval, shown
from hopfield.heads.losses import Loss

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Gradients:
    """The gradient of a loss L through M heads, by kind of state.

    A measure is one of `MEASURES`, of a state i with scores s_j, weights p_j and read-out o:
    "score", ‖∂L/∂s‖, the norm over the keys; "readout", ‖∂L/∂o‖, what arrives at the head;
    "passed", ‖∂L/∂s‖ / ‖∂L/∂p − its mean over the visible keys‖, what softmax lets through, at most
    ½; "entropy", that of |∂L/∂s_j| over the visible keys, as a share of the largest possible;
    "jacobian", ‖diag p − p pᵀ‖ in the Frobenius norm; "jacobian_beta", the same times β.

    Attributes:
        heads: which they are, `(M,)`.
        loss: in words.
        value: of the loss, the mean over sequences.
        totals: `(n, M, 5, 6)`, for each of n sequences, head, kind of state (`tally.KINDS`) and
            measure the sum over states.
        counts: `(n, M, 5, 6)`, over how many: "passed" and "entropy" are not defined where nothing
            arrives, or one key alone is visible.
        seed: of the bootstrap.
    """

    heads: Sequence[HeadName]
    loss: str
    value: float
    totals: Array
    counts: Array
    seed: int = 0

    @property
    def states(self) -> NDArray[np.int64]:
        """How many states of each kind each head has, `(M, 5)`."""
        counts: NDArray[np.int64] = self.counts[..., 0].sum(0).astype(np.int64)
        return counts

    def mean(self, measure: str) -> Array:
        """The mean of a measure over the states of each kind, `(M, 5)`; NaN where there is none."""
        totals, counts = self._of(measure)
        return _ratio(totals.sum(0), counts.sum(0))

    def of_heads(self, measure: str) -> Array:
        """The mean over all states of each head, `(M,)`."""
        totals, counts = self._of(measure)
        return _ratio(totals.sum((0, 2)), counts.sum((0, 2)))

    def of_kinds(self, measure: str, *, relative: bool = False) -> tuple[Array, Array, Array]:
        """The mean over all states of each kind, and its 95 % interval, `(5,)` each.

        Args:
            measure: which.
            relative: take each state's as a multiple of the mean of its head, so that heads and
                layers to which little of the gradient comes count like others.
        """
        totals, counts = self._of(measure)
        if relative:
            level = self.of_heads(measure)[:, None]
            arrives = np.isfinite(level) & (level > 0)
            totals = np.where(arrives, totals / np.where(arrives, level, 1.0), 0.0)
            counts = np.where(arrives, counts, 0.0)
        totals, counts = totals.sum(1), counts.sum(1)
        return _ratio(totals.sum(0), counts.sum(0)), *interval(totals, counts, self.seed)

    def _of(self, measure: str) -> tuple[Array, Array]:
        _check.choice("measure", measure, MEASURES)
        number = MEASURES.index(measure)
        return self.totals[..., number], self.counts[..., number]


def gradients(
    model: nn.Module,
    processor: Any,
    texts: Iterable[str] | Corpus,
    *,
    loss: Loss | None = None,
    sequences: int = 32,
    batch_size: int = 4,
    max_length: int | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Gradients:
    """The gradient of a loss through each head of a transformers model.

    The weights of all layers are kept until the gradient has come by: memory grows with the number
    of layers and with the square of the length of sequences. A smaller `batch_size` needs less.

    Args:
        model: any that calls attention through transformers' interface. It comes back as it was,
            without gradients.
        processor: its tokenizer; for a `Corpus`, only the token that masks is taken from it.
        texts: documents, or sequences that are ready.
        loss: a function of the model's output and the batch that gives a number, the sum over
            sequences; by default what the model was made for, see `losses.by_default`.
        sequences: how many are looked at, spread evenly over the texts.
        batch_size: sequences that go through the model at once.
        max_length: tokens of a sequence; see `tokenized`.
        seed: of the choice of what is masked, and of the bootstrap.
        progress: whether to show it.

    Raises:
        ArgumentError: texts are empty, a number is bad, the model cannot be looked at or returns
            nothing that there is a loss for, or the loss does not depend on it.
    """
    batch_size, seed = _check.positive_int("batch_size", batch_size), _check.seed("seed", seed)
    corpus = few(model, processor, texts, sequences, max_length)
    observer = Differentiator(model)
    task = losses.given(loss) if loss is not None else None
    task = task or losses.by_default(model, processor, observer.output, seed)
    value = 0.0
    with _frozen(model):
        for batch in shown(corpus, batch_size, "differentiating", progress):
            asked, of_output = task.ask(batch)
            with torch.enable_grad():
                found = of_output(observer.run(asked))
                _check_loss(found)
                found.backward()
            value += found.item()
            observer.add()
    totals, counts = (np.concatenate(part) for part in zip(*observer.by_batch, strict=True))
    value /= len(corpus.sequences)
    return Gradients(observer.heads, task.name, value, totals, counts, seed)


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """Parameters take no gradients; they cost time, and some of them are the user's."""
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for parameter in learned:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in learned:
            parameter.requires_grad_(True)


def _check_loss(loss: object) -> None:
    if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
        came = f"a tensor {tuple(loss.shape)}" if isinstance(loss, Tensor) else repr(loss)
        raise ArgumentError(
            f"the loss is {came}; a tensor with one number that depends on the model's output is "
            f"expected"
        )


def _ratio(totals: Array, counts: Array) -> Array:
    return np.divide(totals, counts, out=np.full(totals.shape, np.nan), where=counts > 0)
