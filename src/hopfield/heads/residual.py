"""What each part of a transformer wrote into what its heads read, so that all sum up to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hopfield.errors import ArgumentError


@dataclass(frozen=True)
class Layout:
    """Where the layers of a family keep what writes into their stream; paths within a layer.

    Attributes:
        families: that are laid out like this.
        attention: its output is what attention writes.
        mlp: its output is what the MLP writes.
        value: the linear map that makes values.
        before: the norm through which values read the stream; None: they read it as it is.
        after: the norms of the stream after attention and after the MLP, if there are.
        parts: of the output of `value`, the last of which are the values.
    """

    families: str
    attention: str
    mlp: str
    value: str
    before: str | None = None
    after: tuple[str, str] | None = None
    parts: int = 1

    @property
    def paths(self) -> list[str]:
        """All paths."""
        norms = (self.before,) if self.after is None else self.after
        return [self.attention, self.mlp, self.value, *filter(None, norms)]


LAYOUTS = (
    Layout(
        "BERT, RoBERTa, ELECTRA",
        "attention.output.dense",
        "output.dense",
        "attention.self.value",
        after=("attention.output.LayerNorm", "output.LayerNorm"),
    ),
    Layout(
        "DistilBERT",
        "attention.out_lin",
        "ffn.lin2",
        "attention.v_lin",
        after=("sa_layer_norm", "output_layer_norm"),
    ),
    Layout("GPT-2", "attn.c_proj", "mlp.c_proj", "attn.c_attn", "ln_1", parts=3),
    Layout("Llama, Mistral", "self_attn.o_proj", "mlp", "self_attn.v_proj", "input_layernorm"),
    Layout("ViT", "attention.o_proj", "mlp", "attention.v_proj", "layernorm_before"),
    Layout("CLIP", "self_attn.out_proj", "mlp", "self_attn.v_proj", "layer_norm1"),
)


@dataclass(frozen=True)
class Stack:
    """The layers of a model.

    Attributes:
        name: of the module that holds them.
        layers: in order.
        layout: of each.
    """

    name: str
    layers: nn.ModuleList
    layout: Layout

    @property
    def writers(self) -> tuple[str, ...]:
        """W of them: the embedding, attention and MLP of each layer, biases of norms and values."""
        each = (f"{n} {part}" for n in range(len(self.layers)) for part in ("attention", "MLP"))
        return ("embedding", *each, "biases")


def stack_of(model: nn.Module) -> Stack:
    """The layers of a model, by their layout.

    Raises:
        ArgumentError: it is not known, or there are several stacks of layers.
    """
    found = [
        Stack(name, module, layout)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) > 0
        for layout in LAYOUTS
        if all(_has(layer, path) for layer in module for path in layout.paths)
    ]
    if not found:
        raise ArgumentError(
            f"how the layers of {type(model).__name__} are laid out is not known; that is known of "
            f"{', '.join(layout.families for layout in LAYOUTS)}, and what is built like these"
        )
    if len(found) > 1:
        raise ArgumentError(
            f"{type(model).__name__} has layers in {', '.join(one.name for one in found)}; a part "
            f"of it with one of these is expected"
        )
    return found[0]


def _has(layer: nn.Module, path: str) -> bool:
    try:
        layer.get_submodule(path)
    except AttributeError:
        return False
    return True


@contextmanager
def written(stack: Stack) -> Iterator[dict[str, Tensor]]:
    """What the writers write, by name, while the model runs inside; `(B, N, D)` each."""
    found: dict[str, Tensor] = {}

    def begin(module: nn.Module, given: Any, named: Any) -> None:
        found["embedding"] = given[0] if given else named["hidden_states"]

    def end(name: str, module: nn.Module, given: Any, output: Any) -> None:
        found[name] = output[0] if isinstance(output, tuple) else output

    handles = [stack.layers[0].register_forward_pre_hook(begin, with_kwargs=True)]
    for number, layer in enumerate(stack.layers):
        for part, path in (("attention", stack.layout.attention), ("MLP", stack.layout.mlp)):
            hook = partial(end, f"{number} {part}")
            handles.append(layer.get_submodule(path).register_forward_hook(hook))
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def values(stack: Stack, found: dict[str, Tensor]) -> Iterator[Tensor]:
    """What each writer wrote into the values of each layer, in order.

    Norms are taken as the linear maps that they are with the scale of each token as it is. So the
    parts of all writers sum up to the values.

    Args:
        stack: the layers.
        found: what `written` found of one sequence.

    Yields:
        `(w, N, G·v)`: the writers below the layer, and at last the biases.
    """
    layout = stack.layout
    first = found["embedding"][0]
    parts = torch.stack([first, torch.zeros_like(first)])
    for number, layer in enumerate(stack.layers):
        read = parts
        if layout.before is not None:
            read = _through(layer.get_submodule(layout.before), parts)
        linear = layer.get_submodule(layout.value)
        bias = linear(torch.zeros_like(read[0, :1]))
        made = linear(read) - bias
        made[-1] += bias
        yield made[..., -(made.shape[-1] // layout.parts) :]
        for own, part in enumerate(("attention", "MLP")):
            parts = torch.cat([parts[:-1], found[f"{number} {part}"][:1], parts[-1:]])
            if layout.after is not None:
                parts = _through(layer.get_submodule(layout.after[own]), parts)


def _through(norm: nn.Module, parts: Tensor) -> Tensor:
    """Parts `(W, N, D)` of what goes into a norm as parts of what comes out of it."""
    weight: Tensor = norm.get_parameter("weight")
    bias: Tensor | None = getattr(norm, "bias", None)
    eps = getattr(norm, "variance_epsilon", getattr(norm, "eps", 0.0))
    if isinstance(norm, nn.LayerNorm):
        parts = parts - parts.mean(-1, keepdim=True)
    scale = (parts.sum(0).square().mean(-1, keepdim=True) + eps).rsqrt()
    parts = parts * scale * weight
    if bias is not None:
        parts[-1] += bias
    return parts
