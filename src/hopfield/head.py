"""A head of a transformer, looked at as a Hopfield network."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor, nn

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.settings import Settings


@dataclass(frozen=True)
class Head:
    """What one head of a model associates.

    It unpacks: `state, stored, projection, beta = head`. Where there is padding or the head is
    causal, `settings` say what is visible: `hopfield.phase(head.state, head.stored,
    **head.settings)`.

    Attributes:
        state: `(B, S, d)`, the queries.
        stored: `(B, N, d)`, the keys.
        projection: `(B, N, v)`, the values.
        beta: the head's β.
        mask: `(B or 1, S or 1, N)`, True takes part; None: everything does.
        bias: `(B or 1, S or 1, N)`, added to the scores after β, or None.
    """

    state: Float[Tensor, "..."]
    stored: Float[Tensor, "..."]
    projection: Float[Tensor, "..."]
    beta: float | Tensor
    mask: Bool[Tensor, "..."] | None
    bias: Float[Tensor, "..."] | None

    def __iter__(self) -> Iterator[Any]:
        return iter((self.state, self.stored, self.projection, self.beta))

    @property
    def settings(self) -> Settings:
        """β, mask and bias, as keyword arguments of `hopfield.retrieve` and its like."""
        return {"beta": self.beta, "mask": self.mask, "bias": self.bias}


def from_head(
    model: nn.Module, layer: int | str, head: int, inputs: Mapping[str, Any] | Tensor
) -> Head:
    """What a head of a transformers model associates, for some inputs.

    `hopfield.update(head.state, head.stored, head.projection, **head.settings)` is what the head
    reads out, before the layer's output projection.

    The model runs once, without gradients and in eval mode; afterwards it is as it was. It may have
    any attention implementation, as long as its layers call attention through transformers'
    interface. They then compute attention, or, where they are `"hopfield"` layers, what their
    options say.

    Args:
        model: a transformers model.
        layer: the number of a call of attention, from 0, in the order in which the model makes
            them; or the name of a module that makes one call, or holds the only one that does:
            "vision_model.encoder.layers.0". A model with several parts has an order of its own, so
            name modules there.
        head: the number of the head, from 0. Heads that share stored patterns each have them.
        inputs: the keyword arguments of the model, such as a tokenizer's output, or one tensor.

    Raises:
        ArgumentError: there is no such layer or head, or it does more than a Hopfield network
            (softcap, sinks), or the model does not use the interface; the message says which.
        MissingExtraError: transformers is not installed.
    """
    from hopfield.huggingface.recording import run

    def wanted(number: int, name: str) -> bool:
        return number == layer if isinstance(layer, int) else _inside(layer, name)

    calls, kept = run(model, inputs, wanted)
    _check_layer(layer, calls, len(kept))
    heads = kept[0]
    if heads.softcap is not None:
        raise ArgumentError(
            f"layer {layer!r} bounds its scores (softcap = {heads.softcap}), which a Hopfield "
            f"network does not; model.set_attn_implementation('sdpa') leaves the bound out"
        )
    count = heads.state.shape[1]
    if isinstance(head, bool) or not isinstance(head, int) or not 0 <= head < count:
        raise ArgumentError(f"head is {head!r}; layer {layer!r} has heads 0 to {count - 1}")

    def pick(tensor: Tensor | None) -> Any:
        return None if tensor is None else tensor[:, head if tensor.shape[1] > 1 else 0]

    return Head(
        pick(heads.state),
        pick(heads.stored),
        pick(heads.projection),
        heads.association.beta,
        pick(heads.association.mask),
        pick(heads.association.bias),
    )


def _check_layer(layer: object, calls: list[str], found: int) -> None:
    """One call was found."""
    if not calls:
        raise ArgumentError(
            "the model never called attention through transformers' attention interface, so its "
            "heads cannot be seen (nor replaced, by attn_implementation='hopfield')"
        )
    numbers = f"0 to {len(calls) - 1}"
    if isinstance(layer, str):
        if found == 0:
            _check.choice("layer", layer, dict.fromkeys(calls))
        if found > 1:
            inside = [call for call in calls if _inside(layer, call)]
            raise ArgumentError(
                f"layer {layer!r} calls attention {found} times, in {', '.join(inside)}; name a "
                f"module that calls it once, or give the number of a call, {numbers}"
            )
    elif isinstance(layer, bool) or found == 0:
        raise ArgumentError(
            f"layer is {layer!r}; the model calls attention {len(calls)} times, so that a number "
            f"from {numbers} is expected, or the name of a module, such as {calls[0]!r}"
        )


def _inside(layer: str, name: str) -> bool:
    """Whether a module is the one that `layer` names, or lies in it."""
    return f"{name}.".startswith(f"{layer}.")
