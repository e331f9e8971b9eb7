"""What lies below a change of a model is computed once."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


class Blocks:
    """The blocks of a model, which run one after another, and what they gave last.

    Args:
        model: of transformers.
        layers: names of modules that call attention, in the order of first calls; the outermost
            member of a `ModuleList` that contains one is a block.
    """

    def __init__(self, model: nn.Module, layers: Iterable[str]) -> None:
        self._of = {name: _block(model, name) for name in layers}
        self._blocks = list(dict.fromkeys(block for block in self._of.values() if block))
        self._last: list[list[Any]] = [[] for _ in self._blocks]

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note what the blocks give to the model that runs inside, once."""
        self._last = [[] for _ in self._blocks]
        hooks = [
            block.register_forward_hook(lambda _, __, given, last=last: last.append(given))
            for block, last in zip(self._blocks, self._last, strict=True)
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    @contextmanager
    def below(self, layer: str | None) -> Iterator[None]:
        """Blocks below that of a layer give what they gave last, without running.

        A block that ran several times, or never, runs again, as do those above it.

        Args:
            layer: its name; None: all blocks.
        """
        block = None if layer is None else self._of[layer]
        standing = []
        try:
            for one, last in zip(self._blocks, self._last, strict=True):
                if one is block or len(last) != 1 or (layer is not None and block is None):
                    break
                standing.append(one)
                one.forward = _giving(last[0])
            yield
        finally:
            for one in standing:
                del one.forward


def _giving(output: Any) -> Any:
    def forward(*_: Any, **__: Any) -> Any:
        return output

    return forward


def _block(model: nn.Module, layer: str) -> nn.Module | None:
    """The outermost member of a `ModuleList` on the way to a layer."""
    module: nn.Module = model
    for part in layer.split("."):
        inside = getattr(module, part)
        if isinstance(module, nn.ModuleList):
            return inside
        module = inside
    return None
