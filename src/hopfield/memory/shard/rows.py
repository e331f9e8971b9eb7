"""The rows of each process, and what the processes must know of those of the others."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from hopfield.errors import ArgumentError, ShapeError
from hopfield.memory.contents import Held
from hopfield.memory.form import Form
from hopfield.memory.segment import Segment, ValueKind, ordered
from hopfield.memory.shard.collective import Group

SAMPLED_IDS = 1024
READ = ("patterns", "ids", "half_norms", "values")
OPEN, NO_VALUES, LABELS, VECTORS = -1, 0, 1, 2  # vectors of width v: VECTORS + v


def share(blocks: Iterable[Held], group: Group) -> list[Held]:
    """The rows of this process: as many as the others have, removed ones included; no copies."""
    blocks = [*blocks]
    total = sum(len(held.segment) for held in blocks)
    low, high = (total * rank // group.world for rank in (group.rank, group.rank + 1))
    found, first = [], 0
    for held in blocks:
        start, stop = max(low - first, 0), min(high - first, len(held.segment))
        if start < stop:
            which = slice(start, stop)
            removed = None if held.removed is None else held.removed[which]
            found.append(Held(held.segment.rows(which), None, removed))
        first += len(held.segment)
    return found


def agreed(held: Sequence[Held], group: Group) -> tuple[int, ValueKind]:
    """How many patterns all processes have, and of what kind their values are.

    Raises:
        ShapeError: of different kinds.
        ArgumentError: there is no pattern.
    """
    own = OPEN if not held else _number(held[0].segment.value_kind)
    size = sum(map(len, held))
    every = group.slots(torch.tensor([size, own], device=group.device))
    sizes, numbers = (column.tolist() for column in every.unbind(1))
    known = {number for number in numbers if number != OPEN}
    if len(known) > 1:
        spelled = ", ".join(map(_spelled, numbers))
        raise ShapeError(f"the values of the processes differ: {spelled}; all must be of one kind")
    if sum(sizes) == 0:
        raise ArgumentError("no process holds a pattern; at least one is expected")
    (number,) = known
    if number == NO_VALUES:
        return sum(sizes), None
    return sum(sizes), "labels" if number == LABELS else (number - VECTORS,)


def _number(kind: ValueKind) -> int:
    if kind is None:
        return NO_VALUES
    return LABELS if kind == "labels" else VECTORS + int(kind[0])


def _spelled(number: int) -> str:
    known = {OPEN: "no patterns", NO_VALUES: "none", LABELS: "labels"}
    return known.get(number, f"vectors of width {number - VECTORS}")


def check_unique(held: Sequence[Held], group: Group) -> None:
    """Look samples of the ids of each process up in those of the others.

    Raises:
        ArgumentError: some are there, too.
    """
    ids = torch.cat([torch.empty(0, dtype=torch.int64), *(one.ids.cpu() for one in held)])
    places = torch.linspace(0, max(len(ids) - 1, 0), min(SAMPLED_IDS, len(ids))).long()
    samples, sizes = _gathered(ids[places].to(group.device), group)
    own = [Held(ordered(one.segment), None, one.removed) for one in held]
    twice = torch.zeros((), dtype=torch.int64, device=group.device)
    for rank, size in enumerate(sizes):
        if rank != group.rank:
            for one in own:
                twice += (one.find(samples[rank, :size].to(one.segment.ids)) >= 0).sum()
    if int(group.sum(twice)) > 0:
        raise ArgumentError(
            "some ids lie on several processes; give ids that are unique over all of them"
        )


def classes(held: Sequence[Held], group: Group) -> Tensor:
    """The labels of all processes, rising."""
    labels = [one.segment.values for one in held]
    known = [one.unique().to(group.device) for one in labels if one is not None]
    none = torch.empty(0, dtype=torch.int64, device=group.device)
    every, sizes = _gathered(torch.cat([none, *known]).unique(), group)
    return torch.cat([row[:size] for row, size in zip(every, sizes, strict=True)]).unique()


def _gathered(own: Tensor, group: Group) -> tuple[Tensor, list[int]]:
    """What all processes have, `(world, most)`, and how many each has."""
    sizes = group.slots(torch.tensor(len(own), device=group.device)).tolist()
    return group.slots(pad(own, (0, max(sizes) - len(own)))), sizes


def some(
    held: list[Held], form: Form, kind: ValueKind, labels: Tensor | None, device: torch.device
) -> list[Held]:
    """At least one row, on a device: where there is none, one that is removed.

    So a process without rows takes the same way as the others, forward and backward.
    """
    if any(len(one.segment) for one in held):
        return [_on(one, device) for one in held]
    if not held:
        held = [Held(_empty(form, kind))]
    rows = {
        name: pad(tensor, (*[0, 0] * (tensor.dim() - 1), 0, 1))
        for name, tensor in held[0].segment.tensors().items()
    }
    if labels is not None:
        rows["values"] = labels[:1]
    return [_on(Held(Segment(**rows), None, torch.ones(1, dtype=torch.bool)), device)]


def _empty(form: Form, kind: ValueKind) -> Segment:
    patterns = torch.empty(0, form.dim, dtype=form.dtype)
    ids = torch.empty(0, dtype=torch.int64)
    values = None
    if kind is not None:
        values = ids if kind == "labels" else torch.empty(0, *kind)
    return Segment(patterns, ids, torch.empty(0), values)


def _on(held: Held, device: torch.device) -> Held:
    """The rows on a device, without what a scan does not read."""
    rows = {n: t.to(device) for n, t in held.segment.tensors().items() if n in READ}
    removed = None if held.removed is None else held.removed.to(device)
    return Held(Segment(**rows), None, removed)
