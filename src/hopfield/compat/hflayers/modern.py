"""Layers of hflayers as layers of this library."""

from copy import deepcopy
from functools import singledispatch
from typing import Any, Literal

import torch
from torch import Tensor, nn

import hopfield.nn
from hopfield.compat.hflayers.association import NAMES, Hopfield
from hopfield.compat.hflayers.lookup import HopfieldLayer
from hopfield.compat.hflayers.pooling import HopfieldPooling
from hopfield.compat.hflayers.transformer import HopfieldDecoderLayer, HopfieldEncoderLayer
from hopfield.errors import ArgumentError
from hopfield.nn.space import ROLES

FEED_FORWARD = {"linear_residual": "linear1", "linear_output": "linear2"}
ENCODER = FEED_FORWARD | {"norm_residual": "norm1", "norm_output": "norm2"}
DECODER = FEED_FORWARD | {
    "norm_residual_self": "norm1",
    "norm_residual_cross": "norm2",
    "norm_output": "norm3",
}


@singledispatch
def modern(layer: nn.Module) -> Any:
    """The layer of `hopfield.nn` with equal outputs, batch first; parameters are copied.

    Args:
        layer: one of `hopfield.compat.hflayers`.

    Returns:
        A `Hopfield`, `HopfieldPooling`, `HopfieldLayer`, `HopfieldEncoderLayer` or
        `HopfieldDecoderLayer`. Pooling comes as `(B, quantity, output_size)`, not flattened.

    Raises:
        ArgumentError: there is no such layer; the message says why.
    """
    raise ArgumentError(f"{type(layer).__name__} is no layer of hopfield.compat.hflayers")


@modern.register
def _(layer: Hopfield) -> hopfield.nn.Hopfield:
    made = hopfield.nn.Hopfield(*_widths(layer), **_options(layer))
    _fill(made, layer)
    return made.train(layer.training)


@modern.register
def _(layer: HopfieldPooling) -> hopfield.nn.HopfieldPooling:
    inner = layer.hopfield
    state_size, stored_size, projection_size = _widths(inner)
    made = hopfield.nn.HopfieldPooling(
        stored_size,
        quantity=layer.quantity,
        state_size=state_size,
        projection_size=projection_size,
        **_options(inner),
    )
    _copy(layer.pooling_weights, made.state)
    _fill(made.hopfield, inner)
    return made.train(layer.training)


@modern.register
def _(layer: HopfieldLayer) -> hopfield.nn.HopfieldLayer:
    inner = layer.hopfield
    state_size, stored_size, projection_size = _widths(inner)
    targets = layer.target_weights
    projection: Literal["stored", "learned", "frozen"] = "stored"
    if targets is not None:
        projection = "learned" if targets.requires_grad else "frozen"
    made = hopfield.nn.HopfieldLayer(
        state_size,
        quantity=layer.quantity,
        stored_size=stored_size,
        projection=projection,
        projection_size=None if targets is None else projection_size,
        **_options(inner),
    )
    _copy(layer.lookup_weights, made.stored)
    if targets is not None and made.projection is not None:
        _copy(targets, made.projection)
    _fill(made.hopfield, inner)
    return made.train(layer.training)


@modern.register
def _(layer: HopfieldEncoderLayer) -> hopfield.nn.HopfieldEncoderLayer:
    made = hopfield.nn.HopfieldEncoderLayer(
        modern(layer.hopfield_association),
        layer.linear_residual.out_features,
        layer.dropout_residual.p,
        layer.activation_residual,
    )
    _fill_modules(made, layer, ENCODER)
    return made.train(layer.training)


@modern.register
def _(layer: HopfieldDecoderLayer) -> hopfield.nn.HopfieldDecoderLayer:
    made = hopfield.nn.HopfieldDecoderLayer(
        modern(layer.hopfield_association_self),
        modern(layer.hopfield_association_cross),
        layer.linear_residual.out_features,
        layer.dropout_residual.p,
        layer.activation_residual,
    )
    _fill_modules(made, layer, DECODER)
    return made.train(layer.training)


def _widths(layer: Hopfield) -> list[int]:
    """The widths of what comes in as state, stored patterns and projection."""
    widths: list[int] = []
    for role in ROLES:
        hidden = None if role == "projection" else layer.hidden_size
        width = layer.coming[role] or hidden or layer.given[role]
        if width is None:
            raise ArgumentError(
                f"this layer takes a {NAMES[role]} of any width, a layer of hopfield.nn does not: "
                f"set input_size"
            )
        widths.append(width)
    return widths


def _options(layer: Hopfield) -> dict[str, Any]:
    """The arguments of the layer of this library, but for its widths."""
    if layer.association_activation is not None:
        raise ArgumentError(
            "the layers of hopfield.nn have no association_activation; leave it out here and "
            "apply it to their output, for example with torch.nn.Sequential"
        )
    core, association = layer.association_core, layer.association
    norms = [role for role, name in NAMES.items() if getattr(layer, f"normalize_{name}")]
    if core.connected and "stored" in norms and "projection" not in norms:
        raise ArgumentError(
            "connected projections that pass by the norm of the stored patterns are not in "
            "hopfield.nn, which projects from what it stores; set normalize_pattern_projection, "
            "or keep the layer of hflayers"
        )
    state_size, _, projection_size = _widths(layer)
    hidden = state_size if {"state", "stored"} <= layer.static else layer.hidden_size
    value = projection_size if "projection" in core.shared else layer.pattern_size
    scaling: Any = layer.scaling
    if isinstance(scaling, float) and scaling == (hidden or 1) ** -0.5:
        scaling = None
    like = next(layer.parameters(), torch.empty(0))
    return {
        "hidden_size": hidden,
        "value_size": value,
        "num_heads": layer.num_heads,
        "output_size": None if core.out_proj is None else core.out_proj.out_features,
        "beta": scaling,
        "learn_beta": isinstance(association.inverse_temperature.value, nn.Parameter),
        "steps": association.steps,
        "tol": association.tol,
        "separation": association.separation,
        "norm": [*norms, *(["hidden"] if core.normalize else [])],
        "dropout": association.dropout,
        "bias": layer.input_bias,
        "bias_pattern": core.bias_k is not None,
        "static": layer.static,
        "connected": layer.pattern_projection_as_connected,
        "output_projection": core.out_proj is not None,
        "device": like.device,
        "dtype": like.dtype,
    }


def _fill(made: hopfield.nn.Hopfield, layer: Hopfield) -> None:
    """Copy the parameters."""
    core, space = layer.association_core, made.space
    targets = space.by_role()
    for role in core.rows:
        weight, bias = core.map_of(role)
        _copy(weight, targets[f"{role}.weight"])
        if bias is not None:
            _copy(bias, targets[f"{role}.bias"])
    for role, name in NAMES.items():
        if role in space.norms:
            space.norms[role] = deepcopy(getattr(layer, f"norm_{name}"))
    if core.normalize:
        norm = nn.LayerNorm(made.hidden_size, core.eps, core.p_norm_weight is not None)
        space.norms["hidden"] = norm.to(next(core.parameters(), torch.empty(0)))
        if core.p_norm_weight is not None and core.p_norm_bias is not None:
            _copy(core.p_norm_weight, norm.weight)
            _copy(core.p_norm_bias, norm.bias)
    if core.bias_k is not None and core.bias_v is not None:
        _copy(core.bias_k, space.bias_stored)
        _copy(core.bias_v, space.bias_projection)
    if core.out_proj is not None and made.out_proj is not None:
        made.out_proj.load_state_dict(core.out_proj.state_dict())


def _fill_modules(made: nn.Module, layer: nn.Module, names: dict[str, str]) -> None:
    """Copy the parameters of modules that have other names there."""
    for theirs, ours in names.items():
        made.get_submodule(ours).load_state_dict(layer.get_submodule(theirs).state_dict())


@torch.no_grad()
def _copy(source: Tensor, target: Tensor | None) -> None:
    """Copy a parameter, and whether it is learned."""
    assert target is not None
    target.copy_(source.view(target.shape))
    if isinstance(source, nn.Parameter) and isinstance(target, nn.Parameter):
        target.requires_grad_(source.requires_grad)
