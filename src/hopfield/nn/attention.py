"""PyTorch's attention as a Hopfield layer, and back."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar, cast

import torch
from torch import Tensor, nn

from hopfield.errors import ArgumentError
from hopfield.nn.space import ROLES
from hopfield.separation import Softmax, Softmax1, resolve

if TYPE_CHECKING:
    from hopfield.nn.hopfield import Hopfield

    Layer = TypeVar("Layer", bound=Hopfield)


@torch.no_grad()
def to_hopfield(kind: type["Layer"], source: nn.MultiheadAttention) -> "Layer":
    """A layer of that kind with copies of the parameters of the attention."""
    if not isinstance(source, nn.MultiheadAttention):
        raise ArgumentError(
            f"a {type(source).__name__} was given; a torch.nn.MultiheadAttention is expected"
        )
    weight = source.out_proj.weight
    layer = kind(
        source.embed_dim,
        source.kdim,
        source.vdim,
        num_heads=source.num_heads,
        hidden_size=source.head_dim,
        separation="softmax1" if source.add_zero_attn else "softmax",
        dropout=source.dropout,
        bias=source.in_proj_bias is not None,
        bias_pattern=source.bias_k is not None,
        device=weight.device,
        dtype=weight.dtype,
    )
    _copy(_of_attention(source), _of_hopfield(layer))
    _freeze_like(source, layer)
    return layer.train(source.training)


@torch.no_grad()
def from_hopfield(layer: "Hopfield") -> nn.MultiheadAttention:
    """Attention with copies of the parameters of the layer, and its β in the states' map."""
    if obstacle := _obstacle(layer):
        raise ArgumentError(f"the layer is not attention: {obstacle}")
    like = layer.out_proj.weight  # type: ignore[union-attr]
    attention = nn.MultiheadAttention(
        layer.state_size,
        layer.num_heads,
        layer.dropout,
        bias=layer.out_proj.bias is not None,  # type: ignore[union-attr]
        add_bias_kv=layer.space.bias_stored is not None,
        add_zero_attn=isinstance(resolve(layer.separation), Softmax1),
        kdim=layer.stored_size,
        vdim=layer.projection_size,
        batch_first=True,
        device=like.device,
        dtype=like.dtype,
    )
    target = _of_attention(attention)
    _copy(_of_hopfield(layer), target)
    factor = torch.as_tensor(layer.beta).to(like) * layer.hidden_size**0.5
    factor = factor.expand(layer.num_heads).repeat_interleave(layer.hidden_size)
    target["state.weight"].mul_(factor[:, None])
    if "state.bias" in target:
        target["state.bias"].mul_(factor)
    return attention.train(layer.training)


def _obstacle(layer: "Hopfield") -> str | None:
    """What the layer does that attention does not."""
    space = layer.space
    width = layer.num_heads * layer.hidden_size
    reasons = {
        f"steps is {layer.steps}": layer.steps != 1,
        f"separation is {layer.separation!r}": not isinstance(
            resolve(layer.separation), (Softmax, Softmax1)
        ),
        f"{sorted(space.static)} are static": bool(space.static),
        "its projections are connected": space.connected,
        f"it has layer norms {list(space.norms)}": len(space.norms) > 0,
        "it has no output projection": layer.out_proj is None,
        f"num_heads · hidden_size = {width} is not state_size = {layer.state_size}": (
            width != layer.state_size
        ),
        f"value_size {layer.value_size} is not hidden_size {layer.hidden_size}": (
            layer.value_size != layer.hidden_size
        ),
        f"output_size {layer.output_size} is not state_size {layer.state_size}": (
            layer.output_size != layer.state_size
        ),
    }
    return next((why for why, holds in reasons.items() if holds), None)


def _of_attention(source: nn.MultiheadAttention) -> dict[str, Tensor]:
    """Views of the parameters by the names of this library."""
    if source.in_proj_weight is not None:
        weights = source.in_proj_weight.chunk(3)
    else:
        weights = (source.q_proj_weight, source.k_proj_weight, source.v_proj_weight)
    found = {f"{role}.weight": w for role, w in zip(ROLES, weights, strict=True)}
    if source.in_proj_bias is not None:
        biases = source.in_proj_bias.chunk(3)
        found |= {f"{role}.bias": b for role, b in zip(ROLES, biases, strict=True)}
    found |= _of_map(source.out_proj)
    if source.bias_k is not None and source.bias_v is not None:
        heads = (source.num_heads, 1, source.head_dim)
        found["bias.stored"] = source.bias_k.view(heads)
        found["bias.projection"] = source.bias_v.view(heads)
    return found


def _of_hopfield(layer: "Hopfield") -> dict[str, Tensor]:
    """Views of the parameters by the same names."""
    space = layer.space
    found = space.by_role()
    found |= _of_map(layer.out_proj)  # type: ignore[arg-type]
    if space.bias_stored is not None and space.bias_projection is not None:
        found |= {"bias.stored": space.bias_stored, "bias.projection": space.bias_projection}
    return found


def _of_map(output: nn.Linear) -> dict[str, Tensor]:
    found = {"output.weight": output.weight, "output.bias": output.bias}
    return {name: parameter for name, parameter in found.items() if parameter is not None}


def _freeze_like(source: nn.MultiheadAttention, layer: "Hopfield") -> None:
    """What is not trained there is not trained here."""
    space, origin = layer.space, dict(source.named_parameters())
    names = {"packed": "in_proj", "state": "q_proj", "stored": "k_proj", "projection": "v_proj"}
    pairs: list[tuple[Tensor | None, str]] = [
        (space.bias_stored, "bias_k"),
        (space.bias_projection, "bias_v"),
    ]
    for name, linear in cast(Iterable[tuple[str, nn.Linear]], space.maps.items()):
        pairs += [(linear.weight, f"{names[name]}_weight"), (linear.bias, "in_proj_bias")]
    if layer.out_proj is not None:
        pairs += [
            (layer.out_proj.weight, "out_proj.weight"),
            (layer.out_proj.bias, "out_proj.bias"),
        ]
    for parameter, name in pairs:
        if parameter is not None:
            parameter.requires_grad_(origin[name].requires_grad)


def _copy(source: dict[str, Tensor], target: dict[str, Tensor]) -> None:
    for name, parameter in target.items():
        parameter.copy_(source[name])
