"""`Contents`: what a memory holds at one time: segments, and a tail of small adds."""

import math
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from hopfield.memory.form import Form
from hopfield.memory.segment import Segment, ValueKind
from hopfield.memory.store.manifest import Entry
from hopfield.reduction.inputs import tiles

ROWS_AT_ONCE = 2**16


@dataclass(eq=False)
class Held:
    """A segment, and which of its rows were removed.

    Attributes:
        segment: the rows.
        entry: the file that it is mapped from; None in memory.
        removed: `(n,)`, bool; None where all rows are there.
    """

    segment: Segment
    entry: Entry | None = None
    removed: Tensor | None = None

    def __len__(self) -> int:
        return len(self.segment) - (0 if self.removed is None else int(self.removed.sum()))

    @property
    def ids(self) -> Tensor:
        """The ids that are there."""
        ids = self.segment.ids
        return ids if self.removed is None else ids[~self.removed]

    @cached_property
    def classes(self) -> Tensor:
        """The labels that there are, `(C,)`, those of rows that were removed included."""
        values = self.segment.values
        return self.segment.ids[:0] if values is None else values.unique()

    @property
    def longest(self) -> float:
        """The length of the longest pattern that is there; 0 without any."""
        halves = self.segment.half_norms
        halves = halves if self.removed is None else halves[~self.removed]
        return math.sqrt(-2 * halves.amin().item()) if len(halves) else 0.0

    def without(self, rows: Tensor) -> "Held":
        """The same, and rows are there no more."""
        made = copy(self)  # with its classes, which take long to find
        whole = torch.zeros(len(self.segment), dtype=torch.bool)
        made.removed = whole if self.removed is None else self.removed.clone()
        made.removed[rows] = True
        return made

    def find(self, ids: Tensor) -> Tensor:
        """The row of each id, −1 where there is none."""
        row = self.segment.find(ids)
        return row if self.removed is None else row.masked_fill(self.removed[row] & (row >= 0), -1)

    def kept(self) -> Segment:
        """The rows that are there; a copy only where some are not."""
        return self.segment if self.removed is None else self.segment.rows(~self.removed)


@dataclass(frozen=True, eq=False)
class Tail:
    """Small adds, gathered in buffers that double, so that a row costs the same however many.

    It never changes: a tail with more rows writes them behind those of this one, and sees more of
    the same buffers. What an add that failed left there is written over.

    Attributes:
        size: how many rows there are, removed ones included.
        buffers: the tensors of a segment, with room behind the rows.
        row_of: the row of each id, of tails with more rows, too.
        removed: `(size,)`, bool; None where all rows are there.
    """

    size: int = 0
    buffers: dict[str, Tensor] = field(default_factory=dict)
    row_of: dict[int, int] = field(default_factory=dict)
    removed: Tensor | None = None

    def extended(self, rows: Segment) -> "Tail":
        """With more rows, whose ids are new."""
        first, size = self.size, self.size + len(rows)
        buffers = {}
        for name, tensor in rows.tensors().items():
            buffer = self.buffers.get(name, tensor[:0])
            if len(buffer) < size:
                more = buffer.new_empty(max(64, 2 * size), *tensor.shape[1:])
                more[:first] = buffer[:first]
                buffer = more
            buffer[first:size] = tensor
            buffers[name] = buffer
        self.row_of.update(zip(rows.ids.tolist(), range(first, size), strict=True))
        removed = self.removed
        if removed is not None:
            removed = torch.cat([removed, removed.new_zeros(len(rows))])
        return Tail(size, buffers, self.row_of, removed)

    def without(self, rows: Tensor) -> "Tail":
        """The same, and rows are there no more."""
        whole = torch.zeros(self.size, dtype=torch.bool)
        removed = whole if self.removed is None else self.removed.clone()
        removed[rows] = True
        return replace(self, removed=removed)

    def find(self, ids: Tensor) -> Tensor:
        """The row of each id, −1 where there is none."""
        if self.size == 0:
            return torch.full_like(ids, -1)
        row = torch.tensor([self.row_of.get(id_, -1) for id_ in ids.tolist()], dtype=torch.int64)
        here = row.clamp(0, self.size - 1)
        there = (row == here) & (self.buffers["ids"][here] == ids)
        if self.removed is not None:
            there &= ~self.removed[here]
        return row.masked_fill(~there, -1)

    def held(self) -> Held | None:
        """The rows as a segment, without a copy; None where there are none."""
        if self.size == 0:
            return None
        shown = {name: tensor[: self.size] for name, tensor in self.buffers.items()}
        return Held(Segment(**shown), None, self.removed)


@dataclass(frozen=True)
class Place:
    """Where ids are: the number of a segment, −1 for the tail, and a row of it, −1 for nowhere."""

    segment: Tensor
    row: Tensor


@dataclass(frozen=True, eq=False)
class Contents:
    """What a memory holds at one time. It never changes, so that others may read it meanwhile.

    Attributes:
        form: of the patterns.
        held: the segments.
        next_id: the id that the next pattern gets by itself.
        value_kind: of the values; "open" until the first patterns come.
        tail: of small adds.
    """

    form: Form
    held: list[Held]
    next_id: int = 0
    value_kind: ValueKind | Literal["open"] = "open"
    tail: Tail = field(default_factory=Tail)

    def __len__(self) -> int:
        return sum(map(len, self.blocks()))

    def blocks(self) -> Iterator[Held]:
        """The segments, and last the tail if it has rows."""
        yield from self.held
        tail = self.tail.held()
        if tail is not None:
            yield tail

    def patterns(self) -> Iterator[Tensor]:
        """The patterns that are there, block by block."""
        for held in self.blocks():
            for which in tiles(len(held.segment), ROWS_AT_ONCE):
                block = held.segment.patterns[which]
                block = block if held.removed is None else block[~held.removed[which]]
                if len(block):
                    yield block

    @property
    def longest(self) -> float:
        """M, the length of the longest pattern."""
        return max(held.longest for held in self.blocks())

    def find(self, ids: Tensor) -> Place:
        """Where ids are."""
        ids = ids.contiguous()  # `searchsorted` warns of others
        row = self.tail.find(ids)
        segment = torch.full_like(ids, -1)
        for number, held in enumerate(self.held):
            found = held.find(ids)
            segment[found >= 0], row[found >= 0] = number, found[found >= 0]
        return Place(segment, row)

    def added(self, rows: Segment, **changes: Any) -> "Contents":
        """With a small add, to the tail, and other changes."""
        return replace(self, tail=self.tail.extended(rows), **changes)

    def without(self, place: Place) -> "Contents":
        """The same, and patterns are there no more."""
        held, tail = [*self.held], self.tail
        for number in place.segment.unique().tolist():
            rows = place.row[place.segment == number]
            if number < 0:
                tail = tail.without(rows)
            else:
                held[number] = held[number].without(rows)
        return replace(self, held=held, tail=tail)
