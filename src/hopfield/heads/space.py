"""`space`: how far apart patterns are before heads project them and after, and where states lie."""

import inspect
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad

from hopfield import _check
from hopfield.heads.corpus import Batch, Corpus
from hopfield.heads.few import HeadName, few, interval, shown
from hopfield.heads.observer import Call, HeadsObserver
from hopfield.huggingface.recording import run
from hopfield.theory import delta, max_norm, spread

Array = NDArray[np.float64]

MEASURES = ("delta", "positive", "relative", "beta_delta", "spread", "beta_spread")
OTHER = ("key_value_states", "encoder_hidden_states")  # what cross-attention calls its patterns


@dataclass(frozen=True)
class Plane:
    """The states and patterns of a head over one sequence, in their two principal components.

    Attributes:
        state: `(S, 2)`.
        stored: `(N, 2)`.
        special: `(N,)`, True at special patterns.
        share: of the variance of both together, that each component has.
    """

    state: Array
    stored: Array
    special: NDArray[np.bool_]
    share: tuple[float, float]


@dataclass(frozen=True)
class Space:
    """How far apart the patterns of M heads are, over n sequences.

    Of the patterns of a sequence, padding left out and whether or not a state sees them all, a
    measure is one of `MEASURES`: "delta", the separation Δ_i = min_{j≠i} x_i·x_i − x_i·x_j, median
    over the patterns; "positive", the share of patterns with Δ_i > 0; "relative", the median of
    Δ_i / M², M the largest norm; "beta_delta", that of βΔ_i; "spread", m_max, the largest distance
    from the mean; "beta_spread", β m_max²: below 1 there is exactly one fixed point.

    Attributes:
        heads: which they are, `(M,)`.
        beta: `(M, 2)`: 1/√D of the D dimensions before projection, β of the head after it.
        values: `(n, M, 2, 6)`: before projection (what goes into the layer) and after it (keys),
            by measure; NaN where it is not known, as what goes into some layers.
        planes: of each head, for the longest sequence.
        seed: of the bootstrap.
    """

    heads: Sequence[HeadName]
    beta: Array
    values: Array
    planes: Sequence[Plane]
    seed: int = 0

    def mean(self, measure: str) -> Array:
        """The mean over sequences before and after projection, `(M, 2)`."""
        values, known = self._of(measure)
        totals, counts = values.sum(0), known.sum(0)
        return np.divide(totals, counts, out=np.full(totals.shape, np.nan), where=counts > 0)

    def interval(self, measure: str) -> tuple[Array, Array]:
        """The 95 % interval of that mean by a bootstrap over sequences, `(M, 2)` each."""
        return interval(*self._of(measure), self.seed)

    def _of(self, measure: str) -> tuple[Array, Array]:
        """Values, 0 where they are not known, and where they are."""
        _check.choice("measure", measure, MEASURES)
        values = self.values[..., MEASURES.index(measure)]
        known = np.isfinite(values)
        return np.where(known, values, 0.0), known.astype(float)


def space(
    model: nn.Module,
    processor: Any,
    texts: Iterable[str] | Corpus,
    *,
    sequences: int = 32,
    batch_size: int = 8,
    max_length: int | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Space:
    """How far apart the patterns of each head are, before and after their projection.

    Before: what goes into the layer that projects them, as it is. After: the keys, with rotations
    by position where the model has them.

    Args:
        model: any that `probe` takes. It comes back as it was.
        processor: its tokenizer; not looked at for a `Corpus`.
        texts: documents, or sequences that are ready.
        sequences: how many are looked at, spread evenly over the texts.
        batch_size: sequences that go through the model at once.
        max_length: tokens of a sequence; see `tokenized`.
        seed: of the bootstrap.
        progress: whether to show it.

    Raises:
        ArgumentError: texts are empty, a number is bad, or the model cannot be looked at.
    """
    batch_size, seed = _check.positive_int("batch_size", batch_size), _check.seed("seed", seed)
    corpus = few(model, processor, texts, sequences, max_length)
    surveyor = _Surveyor(model)
    with torch.no_grad(), surveyor.noting_inputs(corpus.batch([0])):
        for batch in shown(corpus, batch_size, "surveying", progress):
            surveyor.run(batch)
    values = np.concatenate([np.concatenate(calls, 1) for calls in surveyor.values])
    beta = np.concatenate(surveyor.betas)
    return Space(surveyor.heads, beta, values, surveyor.planes, seed)


class _Surveyor(HeadsObserver):
    """Measures patterns; the first call of each layer gives a plane."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.heads: list[HeadName] = []
        self.betas: list[Array] = []
        self.planes: list[Plane] = []
        self.values: list[list[Array]] = []  # by batch and call, `(B, H, 2, 6)`
        self._inputs: dict[str, dict[str, Tensor]] = {}

    @contextmanager
    def noting_inputs(self, batch: Batch) -> Iterator[None]:
        """What goes into each module that calls attention, as a run on some batch shows them."""
        calls, _ = run(self.model, self.inputs(batch), lambda number, name: False)
        modules = dict(self.model.named_modules())
        handles = [
            modules[name].register_forward_pre_hook(partial(self._note, name), with_kwargs=True)
            for name in dict.fromkeys(calls)
            if name in modules
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _note(self, name: str, module: nn.Module, given: Any, named: Any) -> None:
        arguments = inspect.signature(module.forward).bind_partial(*given, **named).arguments
        self._inputs[name] = {k: v for k, v in arguments.items() if isinstance(v, Tensor)}

    def see(self, call: Call) -> None:
        if call.number == 0:
            self.values.append([])
        stored = call.heads.stored
        before = self._before(call)
        seen = torch.ones(len(stored), stored.shape[-2], dtype=torch.bool, device=stored.device)
        if call.around.mask is not None:
            seen = call.around.mask.any(1).expand_as(seen).to(stored.device)
        betas = np.stack([np.full_like(call.beta, np.nan), call.beta], -1)
        if before is not None:
            betas[:, 0] = before.shape[-1] ** -0.5
        found = np.full((*stored.shape[:2], 2, len(MEASURES)), np.nan)
        for b, there in enumerate(seen):
            found[b, :, 1] = _measured(stored[b, :, there], betas[:, 1])
            if before is not None:
                found[b, :, 0] = _measured(before[b, None, there], betas[:1, 0])
        sequences = len(self._batch.group)
        self.values[-1].append(found.reshape(sequences, -1, *found.shape[1:]).mean(1))
        if len(self.values) == 1:
            self.betas.append(betas)
            self.heads += [HeadName(call.number, call.module, head) for head in range(len(betas))]
            special = self.streams(call.module, call.cross)[1].special
            self.planes += _planes(call, seen[0], special)

    def _before(self, call: Call) -> Tensor | None:
        """What the keys are projected from, `(B, N, D)`; None where it is not known."""
        inputs = self._inputs.get(call.module, {})
        names = OTHER if call.cross else ("hidden_states", *inputs)
        batch, _, patterns, _ = call.heads.stored.shape
        for name in names:
            found = inputs.get(name)
            if found is not None and found.dim() == 3 and found.shape[:2] == (batch, patterns):
                return found
        return None


def _measured(patterns: Tensor, beta: Array) -> Array:
    """The measures of patterns `(H, N, d)`, `(H, 6)`; NaN for a pattern alone."""
    if patterns.shape[-2] < 2:
        return np.full((len(patterns), len(MEASURES)), np.nan)
    patterns = patterns.double()
    gaps, longest, reach = (f(patterns).numpy(force=True) for f in (delta, max_norm, spread))
    middle = np.median(gaps, -1)
    measures = (
        middle,
        (gaps > 0).mean(-1),
        middle / longest**2,
        beta * middle,
        reach,
        beta * reach**2,
    )
    return np.stack(measures, -1)


def _planes(call: Call, seen: Tensor, special: Tensor | None) -> list[Plane]:
    """The states and patterns of the first sequence that are not padding, of each head."""
    valid = torch.as_tensor(call.around.valid[0], device=seen.device)
    states, patterns = call.heads.state[0, :, valid], call.heads.stored[0, :, seen]
    both = torch.cat([states, patterns], -2).double()
    left, sizes, _ = torch.linalg.svd(both - both.mean(-2, keepdim=True), full_matrices=False)
    places = pad(left * sizes[:, None], (0, 1))[..., :2].numpy(force=True)
    squares = sizes.square()
    shares = pad(squares / squares.sum(-1, keepdim=True), (0, 1))[:, :2].tolist()
    marks = np.zeros(int(seen.sum()), bool)
    if special is not None and special.shape[-1] == len(seen):
        marks = special[0][seen.cpu()].numpy(force=True)
    count = states.shape[-2]
    return [
        Plane(own[:count], own[count:], marks, (first, second))
        for own, (first, second) in zip(places, shares, strict=True)
    ]
