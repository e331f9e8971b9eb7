"""`HeadsObserver`: sees each call of attention while a model runs, with what lies round it."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hopfield import _check
from hopfield._text import one_line
from hopfield.errors import ArgumentError, HopfieldError
from hopfield.heads import modules
from hopfield.heads.corpus import Batch
from hopfield.heads.surroundings import Stream, Surroundings, look_round
from hopfield.huggingface.attention import Heads
from hopfield.huggingface.recording import in_eval_mode, watched
from hopfield.network import DenseNetwork
from hopfield.nn.attend import before_readout
from hopfield.separation import Softmax

NO_TOKENS = Stream(None, None, None)
CROSS = re.compile(r"cross_?att|encoder_attn|EncDecAttention", re.IGNORECASE)


@dataclass(frozen=True)
class Call:
    """A call of attention.

    Attributes:
        number: of the call, from 0, in the order in which the model makes them.
        module: the name of the module that calls.
        cross: whether states and stored patterns are of different sequences.
        heads: what associates by softmax, with the states that are looked at alone; where others
            are updated first, with those that read out.
        around: what lies round these states.
        attends: whether what `see` returns takes the place of the model's own read-out; modules
            (see `modules`) make theirs all the same.
    """

    number: int
    module: str
    cross: bool
    heads: Heads
    around: Surroundings
    attends: bool = True

    @property
    def beta(self) -> NDArray[np.float64]:
        """β of each head, `(H,)`."""
        beta = self.heads.association.beta
        numbers = beta.numpy(force=True) if isinstance(beta, Tensor) else np.array(beta)
        return np.broadcast_to(numbers.astype(float).flatten(), self.heads.state.shape[1])


class HeadsObserver(ABC):
    """Runs a model on batches and shows each call of attention to `see`.

    Args:
        model: a transformers model whose layers call attention through its interface; or one with
            PyTorch's attention, or with layers of this library, see `modules`.
        sample: how many states of each sequence are looked at, chosen at random; None for all.
        seed: of that choice.
    """

    def __init__(self, model: nn.Module, *, sample: int | None = None, seed: int = 0) -> None:
        self.model, self.sample, self.seed = model, sample, _check.seed("seed", seed)
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
            number: of the batch, for the choice of states, if its sequences have none.

        Raises:
            ArgumentError: the model cannot be run on the batch, calls no attention, or some that
                cannot be looked at.
        """
        inputs = self.inputs(batch)
        self._batch, self._streams = batch, _streams(inputs, batch)
        numbers = batch.number
        if numbers is None:
            numbers = torch.arange(len(batch.group)) + number * len(batch.group)
        self._seeds = [(self.seed, n) for n in numbers.tolist()]
        self._known: list[tuple[bool, tuple[int, int, int], Surroundings]] = []
        self._calls = 0
        with watched(self.model, self), modules.watched(self.model, self):
            output = self._output(inputs)
        if not self._calls:
            raise ArgumentError(
                f"{type(self.model).__name__} never called attention through transformers' "
                f"interface, nor as PyTorch's MultiheadAttention or a layer of hopfield.nn, so "
                f"that its heads cannot be seen; some models (MPNet, DeBERTa-v2 …) have attention "
                f"of their own: another model is expected"
            )
        return output

    def _output(self, inputs: dict[str, Any]) -> Any:
        device = next((one.device.type for one in self.model.parameters()), "cpu")
        with in_eval_mode(self.model), torch.autocast(device, enabled=False):
            try:
                return self.model(**inputs)
            except (AttributeError, TypeError, ValueError) as error:
                if self._calls or isinstance(error, HopfieldError):
                    raise
                raise ArgumentError(
                    f"{type(self.model).__name__} cannot be run on {', '.join(inputs)}: "
                    f"{one_line(error)}; a model, or a part of one, that takes these is expected"
                ) from error

    def inputs(self, batch: Batch) -> dict[str, Any]:
        """What the model is called with, on its device; a decoder reads what its encoder reads."""
        parameter = next(self.model.parameters(), None)
        device = None if parameter is None else parameter.device
        inputs: dict[str, Any] = {name: it.to(device) for name, it in batch.inputs.items()}
        if self._caches:
            inputs["use_cache"] = False
        if self._decodes and "input_ids" in inputs and "decoder_input_ids" not in inputs:
            tokens = inputs["input_ids"]
            start = getattr(self.model.config, "decoder_start_token_id", None)
            first = torch.full_like(tokens[:, :1], 0 if start is None else start)
            inputs["decoder_input_ids"] = torch.cat([first, tokens[:, :-1]], 1)
            if "attention_mask" in inputs:
                inputs["decoder_attention_mask"] = inputs["attention_mask"]
        return inputs

    def __call__(self, module: nn.Module, heads: Heads, cross: bool | None = None) -> Tensor | None:
        """What a module associates, and whether it reads another sequence if that is known."""
        number, self._calls = self._calls, self._calls + 1
        name = self._names.get(module, type(module).__name__)
        _check_looked_at(name, heads, len(self._batch.group))
        if heads.limits.get("steps", 1) != 1:
            heads = _read_out(heads)
        beside = cross is not None
        if cross is None:
            cross = bool(getattr(module, "is_cross_attention", False)) or bool(CROSS.search(name))
        around = self._look_round(heads, name, cross)
        some = heads if around.chosen is None else _some(heads, around.chosen)
        return self.see(Call(number, name, cross, some, around, not beside))

    def _look_round(self, heads: Heads, name: str, cross: bool) -> Surroundings:
        """The surroundings of these heads, those of an earlier call if they are the same."""
        mask = heads.association.mask
        mask = None if mask is None else mask.any(1) if mask.shape[1] > 1 else mask[:, 0]
        shape = (len(heads.state), heads.state.shape[-2], heads.stored.shape[-2])
        for known_cross, known_shape, known in self._known:
            if (known_cross, known_shape) == (cross, shape) and _same(known.mask, mask):
                return known
        parts = len(heads.state) // len(self._seeds)  # of each sequence, as windows of images are
        streams = self.streams(name, cross) if parts == 1 else (NO_TOKENS, NO_TOKENS)
        seeds = [seed for seed in self._seeds for _ in range(parts)]
        found = look_round(mask, shape, *streams, cross, self.sample, seeds)
        self._known.append((cross, shape, found))
        return found

    def streams(self, module: str, cross: bool) -> tuple[Stream, Stream]:
        """The sequences of the states and of the stored patterns of a call."""
        encoder = self._streams["encoder"]
        decoder = self._streams.get("decoder", encoder)
        of_states = decoder if cross or ".decoder." in f".{module}" else encoder
        return of_states, encoder if cross else of_states


def _check_looked_at(name: str, heads: Heads, sequences: int) -> None:
    """The heads attend, for each of the sequences, with numbers."""
    if type(heads.association.separation) is not Softmax:
        raise ArgumentError(
            f"{name} associates by {heads.association.separation!r}; heads are looked at where it "
            f"is softmax"
        )
    if len(heads.state) % sequences:
        raise ArgumentError(
            f"{name} associates {len(heads.state)} sequences where the batch has {sequences}; is "
            f"the batch in the dimension where the model wants it?"
        )
    for what, tensor in (("states", heads.state), ("patterns", heads.stored)):
        if not bool(tensor.sum(dtype=torch.float32).isfinite()):
            raise ArgumentError(
                f"{name} has NaN or infinite {what}: weights of the model are damaged, or overflow "
                f"in {tensor.dtype}; other weights, or dtype 'float32', are expected"
            )
    bias = heads.association.bias
    if bias is not None and bool(bias.isnan().any()):
        raise ArgumentError(f"{name} adds NaN to its scores; weights without NaN are expected")


def _read_out(heads: Heads) -> Heads:
    """The heads in the last of several steps, with the states that read out."""
    network = DenseNetwork(heads.association, None, heads.stored)
    state = before_readout(network, heads.state, **heads.limits)
    return replace(heads, state=state, limits={})


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
