"""Replacing heads of a model, for good or for a while."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import nn

from hopfield.errors import ArgumentError
from hopfield.heads.replacement.attention import HELD, NAME, ReplacedHeads, register
from hopfield.heads.replacement.replacement import Replacement
from hopfield.huggingface.attention import NAME as ASSOCIATING
from hopfield.huggingface.options import layer_configs

# Replacements by the name of a layer and the number of a head.
Plan = Mapping[str, Mapping[int, Replacement]]


def replace_heads(model: nn.Module, plan: Plan) -> None:
    """Replace heads of a transformers model; other heads of these layers come back.

    All its attention then goes through PyTorch's, but for the heads that are replaced. The
    replacements become parts of the model: their parameters can be learned and are in its state.

    Example:
        >>> replace_heads(model, {"encoder.layer.0.attention.self": {3: Uniform()}})

    Args:
        model: of transformers; it is changed.
        plan: layers as `attention_layers` names them, and replacements of their heads.

    Raises:
        ArgumentError: there is no such layer, or the model's attention is association already.
    """
    register()
    configs = layer_configs(model)
    if any(config._attn_implementation == ASSOCIATING for config in configs):
        raise ArgumentError(
            f"the model's attn_implementation is {ASSOCIATING!r}, of which replaced heads know no "
            f"options; load it with 'sdpa'"
        )
    modules = dict(model.named_modules())
    for name, by_head in plan.items():
        if name not in modules:
            raise ArgumentError(
                f"the model has no layer {name!r}; hopfield.heads.attention_layers(model, inputs) "
                f"gives the names of layers with heads"
            )
        for head in by_head:
            if isinstance(head, bool) or not isinstance(head, int) or head < 0:
                raise ArgumentError(f"a head of {name!r} is {head!r}; a number from 0 is expected")
    for name, by_head in plan.items():
        setattr(modules[name], HELD, ReplacedHeads(by_head).to(next(model.parameters()).device))
    for config in configs:
        config._attn_implementation_internal = NAME


def replaced_heads(model: nn.Module) -> dict[str, dict[int, Replacement]]:
    """The heads of a model that are replaced, as a plan."""
    return {
        name.removesuffix(f".{HELD}"): dict(module.items())
        for name, module in model.named_modules()
        if isinstance(module, ReplacedHeads) and len(module.by_head)
    }


@contextmanager
def replaced(model: nn.Module, plan: Plan) -> Iterator[None]:
    """Replace heads for what runs inside, besides those that are replaced already."""
    before = [(config, config._attn_implementation) for config in layer_configs(model)]
    modules = dict(model.named_modules())
    held = {name: getattr(modules.get(name), HELD, None) for name in plan}
    now = replaced_heads(model)
    try:
        replace_heads(model, {name: {**now.get(name, {}), **plan[name]} for name in plan})
        yield
    finally:
        for name, own in held.items():
            if name not in modules:
                continue
            if own is None:
                delattr(modules[name], HELD)
            else:
                setattr(modules[name], HELD, own)
        for config, implementation in before:
            config._attn_implementation_internal = implementation


@contextmanager
def unreplaced(model: nn.Module) -> Iterator[None]:
    """What runs inside is computed by the heads as they were; projections must be whole."""
    held = [one for one in model.modules() if isinstance(one, ReplacedHeads)]
    before = [one.by_head for one in held]
    try:
        for one in held:
            one.by_head = nn.ModuleDict()
        yield
    finally:
        for one, by_head in zip(held, before, strict=True):
            one.by_head = by_head
