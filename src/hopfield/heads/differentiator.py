"""`Differentiator`: notes the gradient that comes by the heads of a model."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.linalg import vector_norm

from hopfield.errors import ArgumentError
from hopfield.heads.corpus import Batch
from hopfield.heads.few import HeadName
from hopfield.heads.observer import Call, HeadsObserver
from hopfield.heads.rows import rows, scores_of
from hopfield.heads.tally import KINDS, kinds
from hopfield.huggingface.attention import Heads
from hopfield.huggingface.recording import in_eval_mode

Array = NDArray[np.float64]

MEASURES = ("score", "readout", "passed", "entropy", "jacobian", "jacobian_beta")


class Differentiator(HeadsObserver):
    """Reads out differentiably and notes what gradient comes by, of a batch after the other.

    Each layer's gradient is brought to a few numbers for each state as soon as it is there.

    Args:
        model: of transformers, whose parameters take no gradients.

    Attributes:
        heads: M of them.
        by_batch: sums over the states of each sequence, head, kind and measure, and their numbers,
            `(B, M, 5, 6)` each.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.heads: list[HeadName] = []
        self.by_batch: list[tuple[Array, Array]] = []
        self._found: list[tuple[Call, dict[str, Array]]] = []

    def output(self, batch: Batch) -> Any:
        """What the model makes of a batch, unobserved and in eval mode."""
        with in_eval_mode(self.model):
            return self.model(**self.inputs(batch))

    def __call__(self, module: nn.Module, heads: Heads, cross: bool | None = None) -> Tensor | None:
        if cross is not None:
            raise ArgumentError(
                f"{self._names[module]} is a {type(module).__name__}, whose gradients cannot be "
                f"looked at; attention through transformers' interface is expected"
            )
        return super().__call__(module, heads)

    def see(self, call: Call) -> Tensor:
        heads = call.heads
        with torch.no_grad():
            still = replace(heads, **{n: getattr(heads, n).detach() for n in ("state", "stored")})
            seen = rows(still, call.around.near)
        found = {name: np.zeros(seen["k"].shape) for name in ("score", "weight", "readout")}
        found |= {"k": seen["k"], "entropy": np.full(seen["k"].shape, np.nan)}
        found["jacobian"] = seen["jacobian"]
        found["jacobian_beta"] = seen["jacobian"] * call.beta[:, None]
        self._found.append((call, found))
        readouts = []
        for b in range(len(heads.state)):
            scores = scores_of(heads, b, slice(None))
            if not scores.requires_grad:  # the first layer: there is nothing to be learned below
                scores.requires_grad_()
            weights = scores.softmax(-1)
            readout = weights @ heads.projection[b].to(weights.dtype)
            visible = torch.as_tensor(call.around.visible[b], device=scores.device)
            mask = scores.detach() > torch.finfo(scores.dtype).min
            note = partial(_note, {name: value[b] for name, value in found.items()})
            scores.register_hook(partial(note, partial(_of_scores, visible=visible)))
            weights.register_hook(partial(note, partial(_of_weights, mask=mask)))
            readout.register_hook(partial(note, _of_readout))
            readouts.append(readout)
        return torch.stack(readouts).to(heads.projection.dtype)

    def add(self) -> None:
        """Sum up what came by."""
        if not self.heads:
            self.heads = [
                HeadName(call.number, call.module, head)
                for call, found in self._found
                for head in range(found["k"].shape[1])
            ]
        sequences = len(self._batch.group)
        of_calls = [_summed(call, found, sequences) for call, found in self._found]
        totals, counts = (np.concatenate(part, 1) for part in zip(*of_calls, strict=True))
        self.by_batch.append((totals, counts))
        self._found = []


def _note(out: dict[str, Array], measure: Callable[[Tensor], dict[str, Tensor]], g: Tensor) -> None:
    """Write down what a hook finds of a gradient, `(H, S)` each."""
    for name, value in measure(g.detach()).items():
        out[name][:] = value.numpy(force=True)


def _of_scores(g: Tensor, visible: Tensor) -> dict[str, Tensor]:
    sizes = g.abs()
    entropy = torch.special.entr(sizes / sizes.sum(-1, keepdim=True)).sum(-1)
    return {"score": _norm(g), "entropy": entropy / visible.to(entropy).log()}


def _of_weights(g: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Of ∂L/∂p what softmax could let through: a constant changes nothing."""
    seen = mask.sum(-1, keepdim=True)
    mean = g.masked_fill(~mask, 0.0).sum(-1, keepdim=True) / seen
    return {"weight": _norm((g - mean).masked_fill(~mask, 0.0))}


def _of_readout(g: Tensor) -> dict[str, Tensor]:
    return {"readout": _norm(g)}


def _norm(g: Tensor) -> Tensor:
    """‖·‖ of rows, whose squares may be too small for float32."""
    return vector_norm(g, dim=-1, dtype=torch.float64)


def _summed(call: Call, found: dict[str, Array], sequences: int) -> tuple[Array, Array]:
    """Sums of measures over the states of each kind and their number, `(B, H, 5, 6)` each."""
    batch, heads, _ = found["k"].shape
    totals = np.zeros((batch, heads, len(KINDS), len(MEASURES)))
    counts = np.zeros_like(totals)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = found | {"passed": found["score"] / found["weight"]}
    for b, valid in enumerate(call.around.valid):
        kind = kinds(found["k"][b][:, valid], call.around.visible[b, valid].astype(float))
        values = np.stack([found[name][b][:, valid] for name in MEASURES], -1)
        known = np.isfinite(values)
        for number in range(len(KINDS)):
            there = (kind == number)[..., None] & known
            totals[b, :, number] = np.where(there, values, 0.0).sum(1)
            counts[b, :, number] = there.sum(1)
    shape = (sequences, -1, *totals.shape[1:])  # parts of a sequence, such as windows of images
    return totals.reshape(shape).sum(1), counts.reshape(shape).sum(1)
