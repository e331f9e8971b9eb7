"""`Segment`: patterns that were added, with all that belongs to them; it never changes."""

from dataclasses import dataclass, fields, replace
from typing import Literal

import torch
from torch import Tensor

from hopfield.memory.certified.int8 import quantised
from hopfield.memory.form import Form
from hopfield.similarity import minus_half_squares

ValueKind = Literal["labels"] | tuple[int, ...] | None


@dataclass(frozen=True)
class Segment:
    """Patterns with what belongs to them, row by row.

    Attributes:
        patterns: `(n, d)`, as they are stored.
        ids: `(n,)`, int64.
        half_norms: `(n,)`, −½‖x‖², float32.
        values: `(n, v)`, float32, what is read out; or `(n,)`, int64, labels; or None.
        codes: `(n, d)`, int8; None where nothing scans them.
        scales: `(n,)`, of the codes.
        errors: `(n,)`, how far the codes are from the patterns, at most.
        order: `(n,)`, the rows by rising id; None where they rise already.
    """

    patterns: Tensor
    ids: Tensor
    half_norms: Tensor
    values: Tensor | None = None
    codes: Tensor | None = None
    scales: Tensor | None = None
    errors: Tensor | None = None
    order: Tensor | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def value_kind(self) -> ValueKind:
        """What kind of values there are: labels, the shape of one, or None."""
        return kind_of(self.values)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors that there are, by name."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: tensor for name, tensor in found.items() if tensor is not None}

    def rows(self, which: slice | Tensor) -> "Segment":
        """Some of the rows; a slice copies nothing. The order is left out."""
        some = {name: t[which] for name, t in self.tensors().items() if name != "order"}
        return Segment(**some)

    def find(self, ids: Tensor) -> Tensor:
        """The row of each id, −1 where there is none."""
        if len(self) == 0:
            return torch.full_like(ids, -1)
        place = torch.searchsorted(self.ids, ids, sorter=self.order).clamp(max=len(self) - 1)
        row = place if self.order is None else self.order[place]
        return torch.where(self.ids[row] == ids, row, -1)


def kind_of(values: Tensor | None) -> ValueKind:
    """What kind of values these are."""
    if values is None:
        return None
    return tuple(values.shape[1:]) if values.is_floating_point() else "labels"


def plain(patterns: Tensor, ids: Tensor, values: Tensor | None) -> Segment:
    """Patterns as they are added, before they are made to be searched."""
    return Segment(patterns, ids, minus_half_squares(patterns), values)


def ordered(segment: Segment) -> Segment:
    """The segment with the order of its ids, so that they are found."""
    rising = bool((segment.ids[1:] > segment.ids[:-1]).all())
    return replace(segment, order=None if rising else segment.ids.argsort(stable=True))


def coded(segment: Segment, form: Form) -> Segment:
    """The segment with its codes, where the form asks for them."""
    if form.scan != "int8" or segment.codes is not None:
        return segment
    codes, scales, errors = quantised(segment.patterns)
    return replace(segment, codes=codes, scales=scales, errors=errors)


def joined(segments: list[Segment]) -> Segment:
    """The rows of several segments, one after the other."""
    names = [name for name in segments[0].tensors() if name != "order"]
    return Segment(**{n: torch.cat([getattr(one, n) for one in segments]) for n in names})
