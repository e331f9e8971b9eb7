"""`Watcher`: the statistics of all heads of a model while it runs."""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hopfield.errors import ArgumentError
from hopfield.heads.corpus import Batch
from hopfield.heads.rows import rows
from hopfield.heads.surroundings import Stream, Surroundings, look_round
from hopfield.heads.tally import Seen, Tally
from hopfield.huggingface.attention import Heads
from hopfield.huggingface.recording import in_eval_mode, watched
from hopfield.separation import Softmax

Mode = Literal["side", "exact", "sample"]
CROSS = re.compile(r"cross_?att|encoder_attn|EncDecAttention", re.IGNORECASE)


class Watcher:
    """Sums up what each call of attention associates, batch by batch.

    Args:
        model: a transformers model whose layers call attention through its interface.
        mode: "side": all states are looked at, and the model computes bit for bit what it does
            unobserved; "exact": all states, and the read-out comes from the weights that are
            looked at, which is faster; "sample": some states of each sequence, beside.
        sample: how many, in mode "sample".
        groups: of sequences that are summed up apart.
        width: the most patterns of a sequence.
        seed: of the choice of states.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        mode: Mode = "exact",
        sample: int = 32,
        groups: int = 50,
        width: int = 512,
        seed: int = 0,
    ) -> None:
        self.model = model
        self.mode, self.sample, self.groups, self.width = mode, sample, groups, width
        self.seed = seed
        self.tallies: list[Tally] = []
        self._names = {module: name for name, module in model.named_modules()}
        config = getattr(model, "config", None)
        self._decodes = bool(getattr(config, "is_encoder_decoder", False))
        self._caches = hasattr(config, "use_cache")

    def run(self, batch: Batch, number: int = 0) -> Any:
        """Run the model on a batch and add what was seen; its output.

        Args:
            batch: sequences.
            number: of the batch, for the choice of states.

        Raises:
            ArgumentError: the model calls no attention, or some that cannot be looked at.
        """
        inputs = self._inputs(batch)
        self._batch, self._streams = batch, _streams(inputs, batch)
        self._generator = torch.Generator().manual_seed((self.seed << 32) + number)
        self._seen: list[tuple[str, float, bool, Seen]] = []
        self._known: list[tuple[bool, tuple[int, int, int], Surroundings]] = []
        with torch.no_grad(), self._watching(), in_eval_mode(self.model):
            output = self.model(**inputs)
        if not self._seen:
            raise ArgumentError(
                f"{type(self.model).__name__} never called attention through transformers' "
                f"attention interface, so its heads cannot be seen"
            )
        self._add()
        return output

    def _watching(self) -> AbstractContextManager[None]:
        return watched(self.model, self)

    def _inputs(self, batch: Batch) -> dict[str, Any]:
        """What the model is called with, on its device; a decoder reads what its encoder reads."""
        device = next(self.model.parameters()).device
        inputs: dict[str, Any] = {name: it.to(device) for name, it in batch.inputs.items()}
        if self._caches:
            inputs["use_cache"] = False
        if self._decodes and "input_ids" in inputs:
            tokens = inputs["input_ids"]
            start = getattr(self.model.config, "decoder_start_token_id", None)
            first = torch.full_like(tokens[:, :1], 0 if start is None else start)
            inputs["decoder_input_ids"] = torch.cat([first, tokens[:, :-1]], 1)
            if "attention_mask" in inputs:
                inputs["decoder_attention_mask"] = inputs["attention_mask"]
        return inputs

    def __call__(self, module: nn.Module, heads: Heads) -> Tensor | None:
        """What a module associates, as the attention interface shows it."""
        name = self._names.get(module, type(module).__name__)
        cross = bool(getattr(module, "is_cross_attention", False)) or bool(CROSS.search(name))
        around = self._look_round(heads, name, cross)
        reads = self.mode == "exact" and _is_attention(heads)
        some = heads if around.chosen is None else _some(heads, around.chosen)
        found = rows(some, around.around, readout=reads)
        energy = _energy(some, found["log_partition"], around)
        seen = Seen(
            replace(found, readout=None),
            self._batch.group.numpy(),
            around.valid,
            around.visible,
            around.content,
            energy,
            around.reachable,
        )
        self._seen.append((name, float(heads.association.beta), cross, seen))
        return found.readout

    def _look_round(self, heads: Heads, name: str, cross: bool) -> Surroundings:
        """The surroundings of these heads, those of an earlier call if they are the same."""
        mask = heads.association.mask
        mask = None if mask is None else mask.any(1) if mask.shape[1] > 1 else mask[:, 0]
        shape = (len(heads.state), heads.state.shape[-2], heads.stored.shape[-2])
        for known_cross, known_shape, known in self._known:
            if (known_cross, known_shape) == (cross, shape) and _same(known.mask, mask):
                return known
        decoder = self._streams.get("decoder", self._streams["encoder"])
        of_states = decoder if cross or ".decoder." in f".{name}" else self._streams["encoder"]
        of_patterns = self._streams["encoder"] if cross else of_states
        sample = self.sample if self.mode == "sample" else None
        found = look_round(mask, shape, of_states, of_patterns, cross, sample, self._generator)
        self._known.append((cross, shape, found))
        return found

    def _add(self) -> None:
        """Only what a whole run has seen is added."""
        if not self.tallies:
            self.tallies = [
                Tally.empty(name, beta, cross, self.groups, seen.rows.values.shape[1], self.width)
                for name, beta, cross, seen in self._seen
            ]
        if [tally.module for tally in self.tallies] != [name for name, *_ in self._seen]:
            raise ArgumentError(
                f"the model called attention {len(self._seen)} times, but {len(self.tallies)} for "
                f"another batch; a model whose calls do not depend on its input is expected"
            )
        for tally, (*_, seen) in zip(self.tallies, self._seen, strict=True):
            tally.add(seen)


def _streams(inputs: Mapping[str, Any], batch: Batch) -> dict[str, Stream]:
    """The sequences that go into a model."""
    found = {
        "encoder": Stream(inputs.get("input_ids"), batch.special, inputs.get("attention_mask"))
    }
    if "decoder_input_ids" in inputs:
        special = None
        if batch.special is not None:
            special = torch.cat([torch.ones_like(batch.special[:, :1]), batch.special[:, :-1]], 1)
        mask = inputs.get("decoder_attention_mask")
        found["decoder"] = Stream(inputs["decoder_input_ids"], special, mask)
    return found


def _is_attention(heads: Heads) -> bool:
    """Whether the layer does one step of softmax association, no more."""
    separation = heads.association.separation
    return heads.limits.get("steps", 1) == 1 and type(separation) is Softmax


def _same(one: Tensor | None, other: Tensor | None) -> bool:
    return one is other or (one is not None and other is not None and torch.equal(one, other))


def _some(heads: Heads, chosen: Tensor) -> Heads:
    """The heads with the chosen states `(B, Q)` alone."""
    association = heads.association
    chosen = chosen.to(heads.state.device)

    def pick(additive: Tensor | None) -> Tensor | None:
        if additive is None or additive.shape[-2] == 1:
            return additive
        index = chosen[:, None, :, None].expand(-1, additive.shape[1], -1, additive.shape[-1])
        return additive.expand(len(chosen), -1, -1, -1).gather(-2, index)

    index = chosen[:, None, :, None].expand(-1, heads.state.shape[1], -1, heads.state.shape[-1])
    own = replace(association, mask=pick(association.mask), bias=pick(association.bias))
    return replace(heads, state=heads.state.gather(-2, index), association=own)


def _energy(
    heads: Heads, log_partition: NDArray[np.float64], around: Surroundings
) -> NDArray[np.float64]:
    """−lse/β + ½|ξ|² + log N/β + ½M², `(B, H, S)`: Ramsauer et al. 2020, eq. (2).

    N is what a state sees, M the largest norm of the patterns that any state of the sequence sees.
    """
    beta = float(heads.association.beta)
    squares = heads.state.double().square().sum(-1)
    norms = heads.stored.double().square().sum(-1)
    if around.mask is not None:
        norms = norms.masked_fill(~around.mask.any(1)[:, None].to(norms.device), 0.0)
    ground = 0.5 * (squares + norms.amax(-1, keepdim=True)).numpy(force=True)
    energy: NDArray[np.float64] = (
        ground + (np.log(np.maximum(around.visible, 1))[:, None] - log_partition) / beta
    )
    return energy
