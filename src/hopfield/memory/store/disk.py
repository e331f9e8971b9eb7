"""Files that outlast a power cut: every function returns once what it did is on the disk.

A file lasts when it was synced, its name when its folder was. Nothing else is relied upon: neither
that what was written first lasts first, nor that a write is whole.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

Bytes = bytes | memoryview
AT_ONCE = 2**22
NO_LINK = getattr(os, "O_NOFOLLOW", 0)  # a folder from elsewhere may link to any file of ours


def write_new(path: Path, chunks: Iterable[Bytes]) -> tuple[int, str]:
    """A file that was not there before; its size and SHA-256. The name is not synced yet."""
    size, digest = 0, hashlib.sha256()
    with _naming(path):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            for chunk in chunks:
                _write(file, chunk, size)
                digest.update(chunk)
                size += len(chunk)
            os.fsync(file)
        except BaseException:
            with suppress(OSError):
                os.unlink(path)
            raise
        finally:
            os.close(file)
    return size, digest.hexdigest()


def write_at(path: Path, data: Bytes, at: int) -> None:
    """Bytes at the end of a file that is there, which ends at that place again where this fails."""
    with _naming(path):
        file = os.open(path, os.O_WRONLY | NO_LINK)
        try:
            _write(file, data, at)
            os.fsync(file)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(file, at)
            raise
        finally:
            os.close(file)


def cut(path: Path, size: int) -> None:
    """A file has no more than so many bytes; whether that lasts does not matter."""
    with _naming(path):
        file = os.open(path, os.O_WRONLY | NO_LINK)
        try:
            os.ftruncate(file, size)
        finally:
            os.close(file)


def replace(path: Path, data: bytes) -> None:
    """A file whole, in place of the one before; after a power cut it is one or the other."""
    part = path.with_name(f"{path.name}-{uuid4().hex[:8]}.part")
    with _naming(path):
        write_new(part, [data])
        os.replace(part, path)
        sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """A file that another library wrote lasts; its name is not synced yet."""
    with _naming(path):
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def make_folder(path: Path) -> None:
    """A folder that was not there before; its name is not synced yet."""
    os.mkdir(path)


def remove_folder(path: Path) -> None:
    """A folder of files, if it is there."""
    if path.is_dir():
        for file in path.iterdir():
            os.unlink(file)
        os.rmdir(path)


def move_folder(folder: Path, target: Path) -> None:
    """A folder to where nothing is, by its name alone."""
    with _naming(target):
        os.rename(folder, target)
        sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """The names of the files in a folder last."""
    sync_file(folder)


def remove(path: Path) -> None:
    """A file that nothing refers to any more; whether its name lasts does not matter."""
    with suppress(FileNotFoundError):
        os.unlink(path)


def digest(path: Path, advanced: Callable[[int], object] = lambda size: None) -> str:
    """The SHA-256 of a file; `advanced` hears how many bytes were read."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(AT_ONCE):
            found.update(chunk)
            advanced(len(chunk))
    return found.hexdigest()


def _write(file: int, data: Bytes, at: int) -> None:
    view = memoryview(data).cast("B") if len(data) else memoryview(b"")
    for start in range(0, len(view), AT_ONCE):
        chunk = view[start : start + AT_ONCE]
        while len(chunk):
            written = os.pwrite(file, chunk, at)
            chunk, at = chunk[written:], at + written


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """What the system refuses names the file: a full disk does not by itself."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
