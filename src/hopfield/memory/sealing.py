"""Segments made of others: of what small adds gathered, and of small segments."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from hopfield.memory.contents import Contents, Held
from hopfield.memory.form import Form
from hopfield.memory.segment import Segment, coded, joined, kind_of, ordered
from hopfield.memory.store.store import Store
from hopfield.reduction.inputs import tiles


def sealed(contents: Contents, more: Segment | None, store: Store | None) -> list[Held]:
    """The segments, with new ones of the tail and of more rows."""
    form, tail = contents.form, contents.tail.held()
    rows = [part for part in (None if tail is None else tail.kept(), more) if part is not None]
    made = [*contents.held]
    if rows:
        whole = rows[0] if len(rows) == 1 else joined(rows)
        for which in tiles(len(whole), form.segment_rows):
            made += _made([Held(whole.rows(which))], form, store)
    return made


def compacted(
    contents: Contents, store: Store | None, advanced: Callable[[int], object]
) -> list[Held]:
    """The same patterns in as few segments as there can be; one that is large and whole stays.

    Args:
        contents: what there is.
        store: where files are written; None in memory.
        advanced: hears how many patterns were seen to.
    """
    made: list[Held] = []
    for group in _groups([*contents.blocks()], contents.form.segment_rows):
        whole = len(group) == 1 and group[0].removed is None
        stays = whole and any(group[0] is held for held in contents.held)
        made += group if stays else _made(group, contents.form, store)
        advanced(sum(map(len, group)))
    return made


def _made(parts: list[Held], form: Form, store: Store | None) -> list[Held]:
    """The rows of parts that are there as one segment: a file that is mapped, if on disk."""
    if sum(map(len, parts)) == 0:
        return []
    whole = [replace(held, segment=coded(held.segment, form)) for held in parts]
    if store is None:
        return [Held(ordered(joined([held.kept() for held in whole])))]
    return [store.mapped(store.write(whole), kind_of(whole[0].segment.values))]


def _groups(blocks: list[Held], most: int) -> Iterator[list[Held]]:
    """Blocks that together have no more than so many rows, in order."""
    group: list[Held] = []
    for held in blocks:
        if group and sum(map(len, group)) + len(held) > most:
            yield group
            group = []
        group.append(held)
    if group:
        yield group
