"""Checkpoints of hflayers as layers of this library."""

from collections.abc import Mapping
from os import PathLike
from typing import Any

import torch
from torch import Tensor, nn

from hopfield import _check
from hopfield.compat.hflayers.association import NAMES, Hopfield
from hopfield.compat.hflayers.core import LETTERS
from hopfield.compat.hflayers.lookup import HopfieldLayer
from hopfield.compat.hflayers.modern import modern
from hopfield.compat.hflayers.pooling import HopfieldPooling
from hopfield.compat.hflayers.transformer import HopfieldDecoderLayer, HopfieldEncoderLayer
from hopfield.errors import ArgumentError

State = dict[str, Tensor]


def load_hflayers(
    source: str | PathLike[str] | Mapping[str, Tensor], *, prefix: str = "", **config: Any
) -> nn.Module:
    """A layer of `hopfield.nn` from a checkpoint of hflayers.

    Which layer it is and its sizes are told by the tensors. What they cannot tell is taken from
    `config`, and has the defaults of hflayers: `num_heads`, `scaling`, `update_steps_max`,
    `update_steps_eps`, `add_zero_association`, `dropout`, what is static or connected (and, where
    states and stored patterns are, `hidden_size`), the `eps` of layer norms, norms without weights.

    Example:
        >>> old = hopfield.compat.hflayers.HopfieldPooling(16, num_heads=2, quantity=3)
        >>> pool = load_hflayers(old.state_dict(), num_heads=2)
        >>> pool(torch.randn(8, 30, 16)).shape
        torch.Size([8, 3, 16])

    Args:
        source: the state dict of a layer, or of a model that has it, or the file of one.
        prefix: where in the model the layer is, for example "encoder.pool.".
        **config: the arguments with which the layer was made. Those of the associations of encoder
            and decoder layers are dictionaries, `hopfield_association={"num_heads": 8}`.

    Returns:
        A `Hopfield`, `HopfieldPooling`, `HopfieldLayer`, `HopfieldEncoderLayer` or
        `HopfieldDecoderLayer`, batch first, with equal outputs; pooling is not flattened.

    Raises:
        ArgumentError: the checkpoint does not fit the arguments; the message names the keys.
    """
    loaded: Mapping[str, Tensor] = (
        source
        if isinstance(source, Mapping)
        else torch.load(source, map_location="cpu", weights_only=True)
    )
    state = _below(loaded, prefix)
    wrong = [name for name, tensor in state.items() if not isinstance(tensor, Tensor)]
    if wrong:
        raise ArgumentError(
            f"{prefix}{wrong[0]} is no tensor; the state dict of a layer is expected: take it out "
            f"of the checkpoint first"
        )
    layer = _layer(state, config)
    _check_fit(state, layer)
    layer.load_state_dict(state)
    return modern(layer)


def _layer(state: State, config: dict[str, Any]) -> nn.Module:
    """The layer of hflayers that has such a state dict."""
    dtype = next((tensor.dtype for tensor in state.values()), torch.get_default_dtype())
    return _kind(state, dict(config)).to(dtype)


def _kind(state: State, config: dict[str, Any]) -> nn.Module:
    if "linear_residual.weight" in state:
        decodes = "norm_residual_self.weight" in state
        for part in ("_self", "_cross") if decodes else ("",):
            name = f"hopfield_association{part}"
            own = _below(state, f"{name}.")
            config[name] = Hopfield(**_arguments(own, config.get(name, {})))
        config.setdefault("dim_feedforward", len(state["linear_residual.weight"]))
        return HopfieldDecoderLayer(**config) if decodes else HopfieldEncoderLayer(**config)
    if "pooling_weights" in state:
        return HopfieldPooling(**_of_shell(state, "pooling_weights", config))
    if "lookup_weights" in state:
        config.setdefault("lookup_weights_as_separated", "target_weights" in state)
        return HopfieldLayer(**_of_shell(state, "lookup_weights", config))
    return Hopfield(**_arguments(state, config))


def _of_shell(state: State, name: str, config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a layer that learns the patterns of that name."""
    weights = state[name]
    own = {
        "input_size": weights.shape[-1],
        "quantity": weights.shape[:-1].numel(),
        "batch_first": weights.shape[0] == 1,
    }
    return own | _arguments(_below(state, "hopfield."), config)


def _arguments(state: State, config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `Hopfield` that follow from the tensors, and those that were given."""
    shapes = {name.removeprefix("association_core."): [*t.shape] for name, t in state.items()}
    heads = config.get("num_heads", 1)
    found: dict[str, Any] = {
        "input_bias": "in_proj_bias" in shapes or "out_proj.bias" in shapes,
        "concat_bias_pattern": "bias_k" in shapes,
        "disable_out_projection": "out_proj.weight" not in shapes,
    }
    sizes = ("stored_pattern_size", "input_size", "pattern_projection_size")
    for name, size in zip(NAMES.values(), sizes, strict=True):
        affine, told = f"norm_{name}.weight" in shapes, f"normalize_{name}_affine" in config
        found |= {f"normalize_{name}": affine or told, f"normalize_{name}_affine": affine}
        if affine:
            found[size] = shapes[f"norm_{name}.weight"][0]
    unclear = [
        f"normalize_{name}=False"
        for name in NAMES.values()
        if not found[f"normalize_{name}"] and f"normalize_{name}" not in config
    ]
    if unclear:
        raise ArgumentError(
            f"the checkpoint does not tell whether there are layer norms without weights: give "
            f"{', '.join(unclear)}, or True"
        )
    if "out_proj.weight" in shapes:
        found["output_size"] = shapes["out_proj.weight"][0]
    if "p_norm_weight" in shapes:
        found |= {"normalize_hopfield_space": True, "normalize_hopfield_space_affine": True}
        found["hidden_size"] = shapes["p_norm_weight"][0]
    if "in_proj_weight" in shapes:
        rows, found["input_size"] = shapes["in_proj_weight"]
        projected = 3 - sum(config.get(f"{name}_as_static", False) for name in NAMES.values())
        found["hidden_size"] = rows // (heads * max(1, projected))
        found |= {"stored_pattern_size": None, "pattern_projection_size": None}
        return found | config
    apart = {role: shapes.get(f"{letter}_proj_weight") for role, letter in LETTERS.items()}
    if "out_proj.weight" in shapes:
        found["pattern_size"] = shapes["out_proj.weight"][1] // heads
    if any(apart.values()):
        found |= {f"{name}_as_static": not apart[role] for role, name in NAMES.items()}
    if apart["state"]:
        found |= {"hidden_size": apart["state"][0] // heads, "input_size": apart["state"][1]}
    if apart["stored"]:
        found["hidden_size"] = apart["stored"][0] // heads
        found["stored_pattern_size"] = apart["stored"][1]
    if apart["projection"]:
        found["pattern_size"] = apart["projection"][0] // heads
        found["pattern_projection_size"] = apart["projection"][1]
    if config.get("pattern_projection_as_connected") and apart["stored"]:
        found["pattern_projection_size"] = apart["stored"][1]
    return found | config


def _below(state: Mapping[str, Tensor], prefix: str) -> State:
    """What has that prefix, without it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in state.items()
        if name.startswith(prefix)
    }


def _check_fit(state: State, layer: nn.Module) -> None:
    """The layer has such a state dict."""
    expected = layer.state_dict()
    faults = [f"{name} is missing" for name in expected if name not in state]
    faults += [f"{name} is not expected" for name in state if name not in expected]
    faults += [
        f"{name} has shape {_check.shape_of(state[name])} instead of {_check.shape_of(tensor)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]
    if faults:
        raise ArgumentError(
            f"the checkpoint does not fit its arguments: {'; '.join(faults)}. Give the arguments "
            f"with which the layer was made, and as prefix where in the checkpoint it is"
        )
