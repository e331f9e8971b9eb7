"""What the heads of a model associate, seen while it runs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from hopfield.errors import ArgumentError
from hopfield.huggingface.attention import BESIDE, NAME, OBSERVER, Heads, Observer
from hopfield.huggingface.options import layer_configs

# What models may have: theirs, ours, and those that compute what PyTorch's attention does.
LOOKED_AT = {None, NAME, *BESIDE, "flash_attention_2", "flash_attention_3", "flex_attention"}


@torch.no_grad()
def run(
    model: nn.Module,
    inputs: Mapping[str, Any] | Tensor,
    keep: Callable[[int, str], bool],
) -> tuple[list[str], list[Heads]]:
    """Run a model once, in eval mode, and note its calls of attention.

    Args:
        model: as it is now it comes back, also after an error.
        inputs: its keyword arguments, or its one tensor.
        keep: whether to keep a call, by its number and the name of its module.

    Returns:
        The name of the module of each call; what the heads associated in those kept.
    """
    names = {module: name for name, module in model.named_modules()}
    calls: list[str] = []
    kept: list[Heads] = []

    def note(module: nn.Module, heads: Heads) -> None:
        name = names.get(module, type(module).__name__)
        if keep(len(calls), name):
            kept.append(heads)
        calls.append(name)

    with watched(model, note), in_eval_mode(model):
        _ = model(**inputs) if isinstance(inputs, Mapping) else model(inputs)
    return calls, kept


@contextmanager
def watched(model: nn.Module, observer: Observer) -> Iterator[None]:
    """All attention inside goes by the observer; the model computes what it computes without.

    Layers that associate by this library do so with their options; others by transformers' own
    function, eager attention where they have it, PyTorch's otherwise.

    Raises:
        ArgumentError: the model has attention of another kind.
    """
    before = [(config, config._attn_implementation) for config in layer_configs(model)]
    for _, stock in before:
        if stock not in LOOKED_AT:
            raise ArgumentError(
                f"the model's attn_implementation is {stock!r}, whose heads cannot be looked at; "
                f"a model with 'sdpa' or 'eager', and without replaced heads, is expected"
            )
    upcasts = any(getattr(module, "reorder_and_upcast_attn", False) for module in model.modules())
    if upcasts and any(stock == "eager" for _, stock in before):
        raise ArgumentError(
            "the model has reorder_and_upcast_attn and attn_implementation 'eager', which together "
            "go round transformers' interface; attn_implementation 'sdpa' is expected"
        )
    token = OBSERVER.set(observer)
    try:
        for config, stock in before:  # the public setter changes configs inside, too
            own = NAME if stock == NAME else BESIDE.get(stock, BESIDE["sdpa"])
            config._attn_implementation_internal = own
        yield
    finally:
        for config, stock in before:
            config._attn_implementation_internal = stock
        OBSERVER.reset(token)


@contextmanager
def in_eval_mode(model: nn.Module) -> Iterator[None]:
    """No dropout; afterwards each module is in the mode in which it was."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
