"""The layers of a model that call attention, found by running it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hopfield.errors import ArgumentError
from hopfield.heads.observer import CROSS
from hopfield.huggingface.attention import Heads
from hopfield.huggingface.recording import in_eval_mode, watched


@dataclass(frozen=True)
class Layer:
    """A layer that calls attention.

    Attributes:
        name: of its module in the model.
        heads: H.
        group: how many heads share a key and a projection.
        width: v, of a projection.
        cross: whether its queries and keys are of different sequences, judged by its name.
    """

    name: str
    heads: int
    group: int
    width: int
    cross: bool


@torch.no_grad()
def attention_layers(model: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Layer]:
    """The layers that call attention, by the names of their modules, in the order of first calls.

    Args:
        model: of transformers.
        inputs: its keyword arguments: some batch.

    Raises:
        ArgumentError: no attention goes through transformers' interface.
    """
    names = {module: name for name, module in model.named_modules()}
    found: dict[str, Layer] = {}

    def note(module: nn.Module, heads: Heads) -> None:
        name = names[module]
        cross = bool(getattr(module, "is_cross_attention", False)) or bool(CROSS.search(name))
        count = heads.state.shape[1]
        group = getattr(module, "num_key_value_groups", 1)
        found.setdefault(name, Layer(name, count, group, heads.projection.shape[-1], cross))

    with watched(model, note), in_eval_mode(model):
        _ = call(model, inputs)
    if not found:
        raise ArgumentError(
            f"{type(model).__name__} never calls attention through transformers' interface, so "
            f"that its heads cannot be seen; a model that does is expected"
        )
    return found


def call(model: nn.Module, inputs: Mapping[str, Any]) -> Any:
    """The output of a model for inputs that may lie on another device."""
    device = next(model.parameters()).device
    return model(
        **{
            name: value.to(device) if isinstance(value, Tensor) else value
            for name, value in inputs.items()
        }
    )
