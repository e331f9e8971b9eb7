"""`check` and `compact`: the care of a memory on disk, with its progress."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from tqdm import tqdm

from hopfield.memory.info import MemoryInfo
from hopfield.memory.memory import Memory
from hopfield.memory.store.store import Store


@dataclass(frozen=True)
class Checked:
    """A memory on disk that is whole.

    Attributes:
        path: where it is.
        files: how many were read.
        bytes: how many they have.
    """

    path: str
    files: int
    bytes: int

    def __str__(self) -> str:
        return f"{self.path}: {self.files} files, {self.bytes} bytes, all as they were written"


@dataclass(frozen=True)
class Compacted:
    """A memory before and after.

    Attributes:
        before: what it was.
        after: what it is.
    """

    before: MemoryInfo
    after: MemoryInfo

    def __str__(self) -> str:
        return "\n".join(
            f"{name}: {getattr(self.before, name)} before, {getattr(self.after, name)} after"
            for name in ("bytes", "segments", "removed")
        )


def check(path: str | PathLike[str], *, progress: bool = False) -> Checked:
    """Read every byte of a memory, which need not be whole enough to be opened.

    Raises:
        MemoryCorrupt: a file is missing or damaged; the message names all of them.
        FileError: there is no memory.
    """
    store = Store(Path(path))
    entries = store.manifest.entries
    total = sum(entry.size for entry in entries)
    with tqdm(
        total=total, desc="checking", unit="B", unit_scale=True, disable=not progress
    ) as shown:
        store.check(shown.update)
    return Checked(str(path), len(entries), total)


def compact(memory: Memory, *, progress: bool = False) -> Compacted:
    """`Memory.compact`, with what the memory is before and after.

    Raises:
        MemoryLockedError: another process is writing.
    """
    before = memory.info()
    with tqdm(
        total=len(memory), desc="compacting", unit=" patterns", disable=not progress
    ) as shown:
        memory.compact(shown.update)
    return Compacted(before, memory.info())
