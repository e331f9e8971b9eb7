"""`HeadsObserver`: sees each call of attention while a model runs, with what lies round it."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from hopfield.errors import ArgumentError
from hopfield.heads.corpus import Batch
from hopfield.heads.surroundings import Stream, Surroundings, look_round
from hopfield.huggingface.attention import Heads
from hopfield.huggingface.recording import in_eval_mode, watched
from hopfield.separation import Softmax

CROSS = re.compile(r"cross_?att|encoder_attn|EncDecAttention", re.IGNORECASE)


@dataclass(frozen=True)
class Call:
    """A call of attention.

    Attributes:
        number: of the call, from 0, in the order in which the model makes them.
        module: the name of the module that calls.
        cross: whether states and stored patterns are of different sequences.
        heads: what associates, with the states that are looked at alone.
        around: what lies round these states.
    """

    number: int
    module: str
    cross: bool
    heads: Heads
    around: Surroundings

    @property
    def attends(self) -> bool:
        """Whether the layer does one step of softmax association, no more."""
        separation = self.heads.association.separation
        return self.heads.limits.get("steps", 1) == 1 and type(separation) is Softmax


class HeadsObserver(ABC):
    """Runs a model on batches and shows each call of attention to `see`.

    Args:
        model: a transformers model whose layers call attention through its interface.
        sample: how many states of each sequence are looked at, chosen at random; None for all.
        seed: of that choice.
    """

    def __init__(self, model: nn.Module, *, sample: int | None = None, seed: int = 0) -> None:
        self.model, self.sample, self.seed = model, sample, seed
        self._names = {module: name for name, module in model.named_modules()}
        config = getattr(model, "config", None)
        self._decodes = bool(getattr(config, "is_encoder_decoder", False))
        self._caches = hasattr(config, "use_cache")

    @abstractmethod
    def see(self, call: Call) -> Tensor | None:
        """Look at a call; what is returned, if anything, is its read-out `(B, H, S, v)`."""

    def run(self, batch: Batch, number: int = 0) -> Any:
        """Run the model on a batch, in eval mode; its output.

        Args:
            batch: sequences.
            number: of the batch, for the choice of states.

        Raises:
            ArgumentError: the model calls no attention, or some that cannot be looked at.
        """
        inputs = self.inputs(batch)
        self._streams = _streams(inputs, batch)
        self._generator = torch.Generator().manual_seed((self.seed << 32) + number)
        self._known: list[tuple[bool, tuple[int, int, int], Surroundings]] = []
        self._calls = 0
        with self._watching(), in_eval_mode(self.model):
            output = self.model(**inputs)
        if not self._calls:
            raise ArgumentError(
                f"{type(self.model).__name__} never called attention through transformers' "
                f"attention interface, so its heads cannot be seen"
            )
        return output

    def _watching(self) -> AbstractContextManager[None]:
        return watched(self.model, self)

    def inputs(self, batch: Batch) -> dict[str, Any]:
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
        some = heads if around.chosen is None else _some(heads, around.chosen)
        self._calls += 1
        return self.see(Call(self._calls - 1, name, cross, some, around))

    def _look_round(self, heads: Heads, name: str, cross: bool) -> Surroundings:
        """The surroundings of these heads, those of an earlier call if they are the same."""
        mask = heads.association.mask
        mask = None if mask is None else mask.any(1) if mask.shape[1] > 1 else mask[:, 0]
        shape = (len(heads.state), heads.state.shape[-2], heads.stored.shape[-2])
        for known_cross, known_shape, known in self._known:
            if (known_cross, known_shape) == (cross, shape) and _same(known.mask, mask):
                return known
        streams = self.streams(name, cross)
        found = look_round(mask, shape, *streams, cross, self.sample, self._generator)
        self._known.append((cross, shape, found))
        return found

    def streams(self, module: str, cross: bool) -> tuple[Stream, Stream]:
        """The sequences of the states and of the stored patterns of a call."""
        encoder = self._streams["encoder"]
        decoder = self._streams.get("decoder", encoder)
        of_states = decoder if cross or ".decoder." in f".{module}" else encoder
        return of_states, encoder if cross else of_states


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
    mask, bias = pick(association.mask), pick(association.bias)
    own = replace(association, mask=mask, bias=bias, causal=False)
    return replace(heads, state=heads.state.gather(-2, index), association=own)
