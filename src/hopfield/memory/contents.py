"""`Contents`: what a memory holds at one time: segments, and a tail of small adds."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from hopfield.memory.form import Form
from hopfield.memory.segment import Segment, ValueKind
from hopfield.memory.store.manifest import Entry


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

    def remove(self, rows: Tensor) -> None:
        """Rows are there no more."""
        if self.removed is None:
            self.removed = torch.zeros(len(self.segment), dtype=torch.bool)
        self.removed[rows] = True

    def find(self, ids: Tensor) -> Tensor:
        """The row of each id, −1 where there is none."""
        row = self.segment.find(ids)
        return row if self.removed is None else row.masked_fill(self.removed[row] & (row >= 0), -1)

    def kept(self) -> Segment:
        """The rows that are there; a copy only where some are not."""
        return self.segment if self.removed is None else self.segment.rows(~self.removed)


class Tail:
    """Small adds, gathered in buffers that double, so that a row costs the same however many."""

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}
        self._row_of: dict[int, int] = {}
        self.size = 0

    def extend(self, rows: Segment) -> None:
        """Add rows, whose ids are new."""
        first, self.size = self.size, self.size + len(rows)
        for name, tensor in rows.tensors().items():
            buffer = self._buffers.get(name, tensor[:0])
            if len(buffer) < self.size:
                more = buffer.new_empty(max(64, 2 * self.size), *tensor.shape[1:])
                more[:first] = buffer[:first]
                buffer = self._buffers[name] = more
            buffer[first : self.size] = tensor
        gone = self._buffers.get("removed", torch.zeros(0, dtype=torch.bool))
        if len(gone) < self.size:
            self._buffers["removed"] = torch.zeros(2 * self.size, dtype=torch.bool)
            self._buffers["removed"][:first] = gone[:first]
        self._row_of.update(zip(rows.ids.tolist(), range(first, self.size), strict=True))

    def remove(self, rows: Tensor) -> None:
        """Rows are there no more."""
        self._buffers["removed"][rows] = True
        for id_ in self._buffers["ids"][rows].tolist():
            del self._row_of[id_]

    def find(self, ids: Tensor) -> Tensor:
        """The row of each id, −1 where there is none."""
        return torch.tensor([self._row_of.get(id_, -1) for id_ in ids.tolist()], dtype=torch.int64)

    def held(self) -> Held | None:
        """The rows as a segment, without a copy; None where there are none."""
        if self.size == 0:
            return None
        shown = {name: tensor[: self.size] for name, tensor in self._buffers.items()}
        removed = shown.pop("removed")
        return Held(Segment(**shown), None, removed if bool(removed.any()) else None)


@dataclass(frozen=True)
class Place:
    """Where ids are: the number of a segment, −1 for the tail, and a row of it, −1 for nowhere."""

    segment: Tensor
    row: Tensor


class Contents:
    """What a memory holds at one time.

    Args:
        form: of the patterns.
        held: the segments.
        next_id: the id that the next pattern gets by itself.
        value_kind: of the values; "open" until the first patterns come.
    """

    def __init__(
        self,
        form: Form,
        held: list[Held],
        next_id: int = 0,
        value_kind: ValueKind | Literal["open"] = "open",
    ) -> None:
        self.form = form
        self.held = held
        self.tail = Tail()
        self.next_id = next_id
        self.value_kind = value_kind

    def __len__(self) -> int:
        return sum(map(len, self.blocks()))

    def blocks(self) -> Iterator[Held]:
        """The segments, and last the tail if it has rows."""
        yield from self.held
        tail = self.tail.held()
        if tail is not None:
            yield tail

    def find(self, ids: Tensor) -> Place:
        """Where ids are."""
        row = self.tail.find(ids)
        segment = torch.full_like(ids, -1)
        for number, held in enumerate(self.held):
            found = held.find(ids)
            segment[found >= 0], row[found >= 0] = number, found[found >= 0]
        return Place(segment, row)

    def add(self, rows: Segment) -> None:
        """A small add, to the tail."""
        self.tail.extend(rows)

    def remove(self, place: Place) -> None:
        """Patterns that are there no more."""
        for number in place.segment.unique().tolist():
            part = self.tail if number < 0 else self.held[number]
            part.remove(place.row[place.segment == number])

    def seal(self, held: list[Held]) -> None:
        """The segments are these, which hold what the tail held, too."""
        self.held, self.tail = held, Tail()
