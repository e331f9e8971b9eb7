"""`create`: a memory on disk, of the patterns of files if there are any."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Unpack

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.memory.files.adding import check_files, open_files, store_files
from hopfield.memory.form import FormSettings
from hopfield.memory.info import MemoryInfo
from hopfield.memory.memory import Memory
from hopfield.memory.store.store import check_free


def create(
    path: str | os.PathLike[str],
    dim: int | None = None,
    files: Sequence[str | os.PathLike[str]] | None = None,
    beta: float | Literal["auto"] | None = None,
    *,
    column: str | None = None,
    values: str | os.PathLike[str] | None = None,
    ids: str | os.PathLike[str] | None = None,
    progress: bool = False,
    **settings: Unpack[FormSettings],
) -> MemoryInfo:
    """Make a memory; all files are checked before it is there.

    Args:
        path: where it is to be.
        dim: d; by default that of the files.
        files: of patterns to store in it, as for `read_vectors`.
        beta: as for `Memory`.
        column: as for `read_vectors`.
        values: as for `read_vectors`.
        ids: as for `read_vectors`.
        progress: show it on stderr.
        **settings: as for `Memory`.

    Returns:
        What was made.

    Raises:
        HopfieldError: as for `Memory.create`, `open_files` and `add_files`.
        OSError: a file cannot be read, or the disk is full.
    """
    if not files:
        for name, given in {"column": column, "values": values, "ids": ids}.items():
            _check.unused(given, name, "there are no files of patterns that it could be of")
    opened = open_files(files or [], column=column, values=values, ids=ids)
    widths = {one.dim for one in opened} | ({dim} if dim is not None else set())
    if len(widths) != 1:
        came = ", ".join(f"{one.path}: {one.dim}" for one in opened) or "none"
        raise ArgumentError(f"one width is expected of dim and files together; files have {came}")
    width = widths.pop()
    check_free(Path(path))
    check_files(Memory(width, beta, **settings), opened, progress=progress)
    with Memory.create(path, width, beta, **settings) as memory:
        store_files(memory, opened, progress=progress)
        return memory.info()
