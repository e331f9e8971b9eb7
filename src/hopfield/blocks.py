"""Stored patterns in blocks: from memory, from disk, or computed again in backward."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from inspect import isgeneratorfunction
from itertools import chain, islice
from typing import TypeVar, cast

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from hopfield import _check
from hopfield.errors import ArgumentError, DtypeError, ShapeError
from hopfield.network import DenseNetwork, Ground, Network, Read, dense_network
from hopfield.reduction.inputs import broadcast
from hopfield.reduction.partial import Partial, merge

T = TypeVar("T")
Patterns = Tensor | tuple[Tensor, Tensor]
Block = Patterns | Callable[[], Patterns]
Blocks = Iterable[Block] | Callable[[], Patterns] | Callable[[], Iterator[Block]]


@dataclass(frozen=True)
class BlockNetwork(Network):
    """Stored patterns that come in blocks.

    Attributes:
        blocks: gives the blocks anew for each pass.
        like: a state, whose width, dtype and device the blocks must have.
        validate: whether blocks are searched for NaN and infinity.
    """

    blocks: "Passes"
    like: Tensor
    validate: bool

    def readout(self, state: Tensor, read: Read) -> Tensor:
        return self.partial(state, read).readout

    def partial(self, state: Tensor, read: Read) -> Partial:
        return merge(self._each(lambda network: network.partial(state, read)))

    def log_partition(self, state: Tensor) -> Tensor:
        return self.partial(state, "nothing").log_partition

    def weights(self, state: Tensor) -> Tensor:
        scores = self._each(lambda network: network.inputs(state, "nothing").scores())
        return self.association.separation.weights(torch.cat([*scores], -1)).to(state.dtype)

    def patterns(self) -> Tensor:
        return torch.cat([*self._each(lambda network: network.stored)], -2)

    def ground(self) -> Ground:
        grounds = [*self._each(lambda network: network.ground())]
        radius, visible = grounds[0].radius, grounds[0].visible
        for ground in grounds[1:]:
            radius, visible = torch.maximum(radius, ground.radius), visible + ground.visible
        return Ground(merge(ground.bias for ground in grounds), radius, visible)

    def lead(self, state: Tensor) -> tuple[int, ...]:
        """The leading dimensions after an update, learned from the first block."""
        lead = super().lead(state)
        block = self.blocks.first()
        if block is None:
            return lead
        with torch.no_grad():
            of_block, _ = self._of_block(lambda network: network.lead(state), block, 0)
        return broadcast([lead, of_block])

    def _each(self, function: Callable[[DenseNetwork], T]) -> Iterator[T]:
        """A function of each block as a network; callable blocks are computed again in backward."""
        start = 0
        for block in self.blocks():
            run = partial(self._of_block, function, block, start)
            if callable(block) and torch.is_grad_enabled():
                result, size = checkpoint(run, use_reentrant=False, preserve_rng_state=False)
            else:
                result, size = run()
            start += size
            yield result
        if start == 0:
            raise ShapeError("stored gave no blocks; at least one pattern is expected")
        self._check_sizes(lambda size: size == start, str(start))

    def _of_block(
        self, function: Callable[[DenseNetwork], T], block: Block, start: int
    ) -> tuple[T, int]:
        stored, projection = self._pair(block() if callable(block) else block)
        _check.patterns(stored, projection)
        _check.state_fits(self.like, stored)
        beside = (self.like, self.association.beta, self.association.bias, self.association.mask)
        names = ("stored", "projection", "state", "beta", "bias", "mask")
        tensors = zip(names, (stored, projection, *beside), strict=True)
        _check.lead(None, {name: t.shape[:-2] for name, t in tensors if isinstance(t, Tensor)})
        if self.validate:
            _check.finite("stored", stored)
            if projection is not None:
                _check.finite("projection", projection)
        which = slice(start, start + stored.shape[-2])
        self._check_sizes(lambda size: size >= which.stop, f"at least {which.stop}")
        if isinstance(self.projection, Tensor):
            projection = self.projection[..., which, :]
        network = dense_network(self.association.for_patterns(which), stored, projection)
        return function(network), stored.shape[-2]

    def _pair(self, block: Patterns) -> tuple[Tensor, Tensor | None]:
        if self.projection != "blocks":
            return cast(Tensor, block), None
        if not (isinstance(block, tuple | list) and len(block) == 2):
            raise DtypeError(
                f"a block is a {type(block).__name__}; with projection='blocks' each must be a "
                f"pair (stored, projection)"
            )
        return block[0], block[1]

    def _check_sizes(self, fits: Callable[[int], bool], held: str) -> None:
        """What comes beside the blocks is for as many patterns as they hold."""
        beside = {
            "projection": (self.projection, -2),
            "bias": (self.association.bias, -1),
            "mask": (self.association.mask, -1),
        }
        for name, (tensor, dim) in beside.items():
            for_all = dim == -1 and isinstance(tensor, Tensor) and tensor.shape[-1] == 1
            if isinstance(tensor, Tensor) and not for_all and not fits(tensor.shape[dim]):
                raise ShapeError(
                    f"{name} has shape {_check.shape_of(tensor)}, for {tensor.shape[dim]} "
                    f"patterns, but the blocks hold {held}"
                )


class Passes:
    """Gives the blocks anew for each pass."""

    def __init__(self, source: Callable[[], Iterable[Block]]) -> None:
        self._source = source

    def __call__(self) -> Iterator[Block]:
        return iter(self._source())

    def first(self) -> Block | None:
        """The first block, without using up a pass."""
        return next(self(), None)


class OnePass(Passes):
    """An iterator can be read once; a second pass is an error, not an empty result."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._left: Iterator[Block] | None = blocks

    def __call__(self) -> Iterator[Block]:
        if self._left is None:
            raise ArgumentError(
                "stored is an iterator and was read already; this needs several passes: give a "
                "list of blocks or a generator function"
            )
        blocks, self._left = self._left, None
        return blocks

    def first(self) -> Block | None:
        blocks = self()
        head = [*islice(blocks, 1)]
        self._left = chain(head, blocks)
        return head[0] if head else None


def passes(stored: Blocks) -> Passes:
    """The passes over stored patterns that come in blocks."""
    if isgeneratorfunction(stored):
        return Passes(stored)
    if callable(stored):
        block = cast(Callable[[], Patterns], stored)
        return Passes(lambda: (block,))
    if isinstance(stored, Iterator):
        return OnePass(stored)
    if isinstance(stored, Iterable):
        return Passes(lambda: stored)
    raise DtypeError(
        f"stored is a {type(stored).__name__}; a tensor, an iterable of blocks or a callable is "
        f"expected"
    )
