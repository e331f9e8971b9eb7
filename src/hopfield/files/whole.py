"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from hopfield.errors import ArgumentError, FileError


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A path to write to: it becomes `path` if nothing fails, and else is removed.

    A link stays, and leads to what is written. A device or a pipe, as `/dev/stdout` may be, is
    written to as it is.
    """
    if _is_stream(path):
        yield path
        return
    path = path.resolve()
    part = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """A folder is there, made if it is missing.

    Raises:
        ArgumentError: a file is there.
    """
    if path.exists() and not path.is_dir():
        raise ArgumentError(f"{path} is a file; a folder, new or there already, is expected")
    path.mkdir(parents=True, exist_ok=True)


def check_writable(path: Path) -> None:
    """A file can be written there; to be asked before long work.

    Raises:
        FileError: it is a folder, or its own folder is missing or not to be written to.
    """
    folder = path.resolve().parent
    if path.is_dir():
        raise FileError(f"{path} is a folder; give the path of a file to write to")
    if not folder.is_dir():
        raise FileError(f"{path} cannot be written: there is no folder {folder}; make it first")
    if not (_is_stream(path) or os.access(folder, os.W_OK)):
        raise FileError(f"{path} cannot be written: its folder allows no writing; choose another")


def _is_stream(path: Path) -> bool:
    return path.is_char_device() or path.is_fifo()
