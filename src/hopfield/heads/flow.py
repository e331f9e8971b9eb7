"""`flow`: which part of a model wrote what its heads read."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.heads.corpus import Corpus
from hopfield.heads.few import few, interval, shown
from hopfield.heads.observer import Call, HeadsObserver
from hopfield.heads.residual import Stack, stack_of, values, written

Array = NDArray[np.float64]

MEASURES = ("share", "varying", "norm")


@dataclass(frozen=True)
class Flow:
    """What each of W writers wrote into the values of H heads in each of L layers.

    The values v of a head are a sum of what each writer wrote, v_w, if a norm on the way is taken
    as the linear map that it is with the scale of each token as it is. A measure is one of
    `MEASURES`, over the tokens of a sequence: "share", Σ v_w·v / Σ v·v, which may be negative and
    sums to 1 over the writers; "varying", the same of v_w and v less their means over the tokens,
    so that what all tokens have in common, as biases, counts nothing; "norm", Σ ‖v_w‖ as a share of
    the sum of these over the writers.

    Attributes:
        modules: the names of the modules that call attention, by layer.
        writers: their names: the embedding, attention and MLP of each layer, biases of norms and of
            values. Those that a layer has above it wrote 0 into it.
        values: `(n, L, H, W, 3)`, of each of n sequences, by measure.
        seed: of the bootstrap.
    """

    modules: tuple[str, ...]
    writers: tuple[str, ...]
    values: Array
    seed: int = 0

    def mean(self, measure: str) -> Array:
        """The mean over sequences, `(L, H, W)`."""
        return self._of(measure).mean(0)

    def of_layers(self, measure: str) -> tuple[Array, Array, Array]:
        """The mean over sequences and heads, and its 95 % interval, `(L, W)` each."""
        each = self._of(measure).mean(2)
        return each.mean(0), *interval(each, np.ones_like(each), self.seed)

    def from_layers(self, measure: str) -> Array:
        """The mean by layer that wrote, `(L, H, L + 1)`: embedding, layers but the last, biases."""
        mean = self.mean(measure)
        attention, mlp = mean[..., 1:-3:2], mean[..., 2:-3:2]
        return np.concatenate([mean[..., :1], attention + mlp, mean[..., -1:]], -1)

    def _of(self, measure: str) -> Array:
        _check.choice("measure", measure, MEASURES)
        return self.values[..., MEASURES.index(measure)]


def flow(
    model: nn.Module,
    processor: Any,
    texts: Iterable[str] | Corpus,
    *,
    sequences: int = 32,
    max_length: int | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Flow:
    """What each part of a model wrote into the values of each of its heads.

    Memory: what every part wrote into every token of one sequence, (2L + 2) N D numbers.

    Args:
        model: of a family whose layers are laid out in a way that is known (`residual.LAYOUTS`). It
            comes back as it was.
        processor: its tokenizer; not looked at for a `Corpus`.
        texts: documents, or sequences that are ready.
        sequences: how many are looked at, spread evenly over the texts.
        max_length: tokens of a sequence; see `tokenized`.
        seed: of the bootstrap.
        progress: whether to show it.

    Raises:
        ArgumentError: texts are empty, a number is bad, the layout of the model is not known, or
            the parts do not sum up to what its heads read, so that it is another one.
    """
    seed = _check.seed("seed", seed)
    corpus = few(model, processor, texts, sequences, max_length)
    tracer = _Tracer(model)
    with torch.no_grad():
        for batch in shown(corpus, 1, "tracing", progress):
            with written(tracer.stack) as found:
                tracer.run(batch)
            tracer.add(found)
    return Flow(tuple(tracer.modules), tracer.stack.writers, np.stack(tracer.values), seed)


class _Tracer(HeadsObserver):
    """Notes the values of each layer, and takes them apart."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.stack: Stack = stack_of(model)
        self.modules: list[str] = []
        self.values: list[Array] = []
        self._projections: list[Tensor] = []

    def see(self, call: Call) -> None:
        if f"{call.module}.".startswith(f"{self.stack.name}."):
            self._projections.append(call.heads.projection[0])
            if not self.values:
                self.modules.append(call.module)

    def add(self, found: dict[str, Tensor]) -> None:
        projections, self._projections = self._projections, []
        if len(projections) != len(self.stack.layers):
            raise _other(self.model, f"attention was called {len(projections)} times in its layers")
        layers, writers = [], len(self.stack.writers)
        for projection, parts in zip(projections, values(self.stack, found), strict=True):
            shares = _shares(self._by_head(parts, projection))
            above = np.zeros((len(shares), writers - shares.shape[1], len(MEASURES)))
            layers.append(np.concatenate([shares[:, :-1], above, shares[:, -1:]], 1))
        self.values.append(np.stack(layers))

    def _by_head(self, parts: Tensor, projection: Tensor) -> Tensor:
        """Parts `(W, N, G·v)` as `(H, W, N, v)`; their sum is the projection `(H, N, v)`."""
        heads, tokens, width = projection.shape
        each = parts.view(len(parts), tokens, -1, width).permute(2, 0, 1, 3)
        each = each.repeat_interleave(heads // len(each), 0)
        off, size = (each.sum(1) - projection).norm(), projection.norm()
        if not off <= torch.finfo(projection.dtype).eps ** 0.5 * size:
            why = f"what its parts wrote sums up to values that are {off / size:.1%} off"
            raise _other(self.model, why)
        return each


def _other(model: nn.Module, why: str) -> ArgumentError:
    return ArgumentError(
        f"the layers of {type(model).__name__} look like those of a known family, but are others: "
        f"{why}; what they wrote cannot be told apart"
    )


def _shares(parts: Tensor) -> Array:
    """The measures of parts `(H, W, N, v)`, `(H, W, 3)`."""
    parts = parts.double()
    norms = parts.norm(dim=-1).sum(-1)
    total = norms.sum(-1, keepdim=True)
    less = parts - parts.mean(-2, keepdim=True)
    measures = _projected(parts), _projected(less), norms / total.where(total > 0, 1.0)
    return torch.stack(measures, -1).numpy(force=True)


def _projected(parts: Tensor) -> Tensor:
    """Σ v_w·v / Σ v·v, `(H, W)`; the parts of nothing are nothing."""
    whole = parts.sum(1, keepdim=True)
    total = whole.square().sum((-1, -2))
    return (parts * whole).sum((-1, -2)) / total.where(total > 0, 1.0)
