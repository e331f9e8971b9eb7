"""What the heads of a model associate, seen while it runs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from hopfield.huggingface.attention import NAME, OBSERVER, PLAIN, Heads
from hopfield.huggingface.options import layer_configs


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

    token = OBSERVER.set(note)
    try:
        with _watched(model), _in_eval_mode(model):
            _ = model(**inputs) if isinstance(inputs, Mapping) else model(inputs)
    finally:
        OBSERVER.reset(token)
    return calls, kept


@contextmanager
def _watched(model: nn.Module) -> Iterator[None]:
    """All attention goes through this library; what already did, with its options."""
    before = [(config, config._attn_implementation) for config in layer_configs(model)]
    try:
        for config, implementation in before:  # the public setter changes configs inside, too
            config._attn_implementation_internal = NAME if implementation == NAME else PLAIN
        yield
    finally:
        for config, implementation in before:
            config._attn_implementation_internal = implementation


@contextmanager
def _in_eval_mode(model: nn.Module) -> Iterator[None]:
    """No dropout; afterwards each module is in the mode in which it was."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
