"""`add_files`: patterns from files, which may be larger than memory, into a memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike

import torch
from tqdm import tqdm

from hopfield.errors import ArgumentError
from hopfield.memory.files.vectors import Batch, Vectors, located, read_vectors
from hopfield.memory.given import check_unique
from hopfield.memory.memory import Memory

NUMBERS_AT_ONCE = 2**25


@dataclass(frozen=True)
class Added:
    """What was added.

    Attributes:
        added: how many patterns.
        first_id: the smallest of their ids; None without any.
        last_id: the largest.
        patterns: how many there are now.
    """

    added: int
    first_id: int | None
    last_id: int | None
    patterns: int

    def __str__(self) -> str:
        ids = "" if self.first_id is None else f", ids from {self.first_id} to {self.last_id}"
        return f"added {self.added} patterns{ids}; {self.patterns} in all"


def open_files(
    paths: Sequence[str | PathLike[str]],
    *,
    column: str | None = None,
    values: str | PathLike[str] | None = None,
    ids: str | PathLike[str] | None = None,
) -> list[Vectors]:
    """Several files of patterns; the arguments are those of `read_vectors`, for each.

    Raises:
        ArgumentError: values or ids are one file of their own, and there are several of patterns;
            or the values of files are of several kinds.
        FileError, OSError, MissingExtraError: as for `read_vectors`.
    """
    files = [read_vectors(path, column=column, values=values, ids=ids) for path in paths]
    if len(files) > 1 and any(one.beside for one in files):
        raise ArgumentError(
            "values and ids in a file of their own belong to one file of patterns; add the files "
            "one by one"
        )
    kinds = {one.value_kind: one.path for one in files}
    if len(kinds) > 1:
        spelled = ", ".join(f"{path}: {kind}" for kind, path in kinds.items())
        raise ArgumentError(f"values are of several kinds ({spelled}); all must be of one")
    return files


def add_files(memory: Memory, files: Sequence[Vectors], *, progress: bool = False) -> Added:
    """Store the patterns of files, batch by batch; all are checked before the first is stored.

    Args:
        memory: what they are added to.
        files: of `open_files`.
        progress: show it on stderr.

    Raises:
        HopfieldError: as for `Memory.add`; a note of the error says where, and how many patterns
            were stored before.
        OSError: a file cannot be read, or the disk is full.
    """
    check_files(memory, files, progress=progress)
    return store_files(memory, files, progress=progress)


def check_files(memory: Memory, files: Sequence[Vectors], *, progress: bool = False) -> None:
    """Read all of them, and raise what adding them would; nothing is stored."""
    seen = [torch.empty(0, dtype=torch.int64)]
    for vectors, batch in _batches(memory, files, "checking", progress):
        with located(batch, vectors):
            memory.check_add(batch.patterns, batch.values, batch.ids)
        if batch.ids is not None:
            seen.append(batch.ids.long())
    check_unique(torch.cat(seen))


def store_files(memory: Memory, files: Sequence[Vectors], *, progress: bool = False) -> Added:
    """`add_files` of files that are checked already."""
    before, lowest, highest = len(memory), [], []
    try:
        for vectors, batch in _batches(memory, files, "adding", progress):
            with located(batch, vectors):
                ids = memory.add(batch.patterns, batch.values, batch.ids)
            if len(ids):
                lowest.append(int(ids.min()))
                highest.append(int(ids.max()))
    except BaseException as error:
        memory.refresh()  # whether the batch in hand came to the disk
        error.add_note(f"{len(memory) - before} patterns were stored before")
        raise
    return Added(
        len(memory) - before, min(lowest, default=None), max(highest, default=None), len(memory)
    )


def _batches(
    memory: Memory, files: Sequence[Vectors], what: str, progress: bool
) -> Iterator[tuple[Vectors, Batch]]:
    rows = max(1, NUMBERS_AT_ONCE // memory.form.dim)
    total = sum(map(len, files))
    with tqdm(total=total, desc=what, unit=" patterns", disable=not progress) as shown:
        for vectors in files:
            for batch in vectors.batches(rows):
                yield vectors, batch
                shown.update(len(batch))
