"""`Store`: the folder of a memory: immutable files, a log, and a manifest that is replaced whole.

A change is made when the manifest that tells of it is in its place. All that a manifest names was
synced before, so a reader, or a process after a power cut, finds one state whole: the last that was
acknowledged, or the one that was being made.
"""

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self
from uuid import uuid4

import safetensors.torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from torch import Tensor

from hopfield._text import one_line
from hopfield.errors import FileError, MemoryCorrupt, MemoryLockedError
from hopfield.memory.contents import Contents, Held
from hopfield.memory.segment import ValueKind
from hopfield.memory.store import disk, log, manifest, segment_file
from hopfield.memory.store.manifest import NAME, Entry, Manifest

LOG_BYTES = 2**26  # from here on a log is made into a segment, whatever it holds
LOCK = "lock"
FORGOTTEN = -1


class Store:
    """The folder of a memory.

    Args:
        path: of a folder that has a manifest.

    Raises:
        FileError: there is no memory.
        MemoryCorrupt: its manifest is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.abspath(path))
        self.manifest = manifest.read(self.path)
        self._lock: FileLock | None = None
        self._owner = 0
        self._logged: Any = hashlib.sha256()

    @classmethod
    def create(cls, path: Path, first: Manifest, held: Sequence[Held]) -> Self:
        """A folder with these segments, which is there whole or not at all.

        Raises:
            FileError: something is there already, or its own folder is not.
        """
        path = Path(os.path.abspath(path))
        check_free(path)
        part = path.with_name(f".{path.name}.{uuid4().hex}.part")
        disk.make_folder(part)
        try:
            made = [cls._written(part, 0, [one]) for one in held]
            disk.replace(part / manifest.FILE, replace(first, segments=tuple(made)).encoded())
            disk.move_folder(part, path)
        except BaseException:
            disk.remove_folder(part)
            raise
        return cls(path)

    def load(self) -> Contents:
        """What the manifest names.

        Another process may replace the files while they are being opened: then the newer ones are.

        Raises:
            MemoryCorrupt: a file is missing or damaged.
        """
        while True:
            try:
                return self._loaded()
            except FileNotFoundError as error:
                if not self.newer():
                    self.forget()
                    raise MemoryCorrupt(
                        f"{error.filename or self.path} is missing; restore it from a copy of the "
                        f"memory"
                    ) from error
            except BaseException:
                self.forget()
                raise

    def _loaded(self) -> Contents:
        known = self.manifest
        held = [self.mapped(one, known.value_kind) for one in known.segments]
        contents = Contents(known.form, held, 0, known.value_kind)
        if known.removed is not None:
            gone = self._tensors(known.removed)
            for one in held:
                if one.entry is not None and one.entry.file in gone:
                    one.remove(gone[one.entry.file])
        self._logged = hashlib.sha256()
        if known.log is not None:
            records = self._counted(known.log)
            self._logged.update(records)
            try:
                log.replay(records, contents)
            except (LookupError, RuntimeError, ValueError) as error:
                found = self.damaged() or [f"{self.path / known.log.file}: {error}"]
                raise MemoryCorrupt("; ".join(found)) from error
        contents.next_id = known.next_id
        return contents

    def mapped(self, entry: Entry, kind: ValueKind | Literal["open"]) -> Held:
        """The segment in a file."""
        kind = None if kind == "open" else kind
        path, form = self.path / entry.file, self.manifest.form
        return Held(segment_file.mapped(path, form, entry.rows, entry.size, kind), entry)

    def _counted(self, entry: Entry) -> bytes:
        """The bytes of a file that count, checked."""
        path = self.path / entry.file
        with path.open("rb") as file:
            found = file.read(min(entry.size, os.fstat(file.fileno()).st_size))
        if len(found) != entry.size or hashlib.sha256(found).hexdigest() != entry.sha256:
            raise MemoryCorrupt(
                f"{path} is damaged: its checksum is not that of the manifest; restore it from a "
                f"copy of the memory"
            )
        return found

    def _tensors(self, entry: Entry) -> dict[str, Tensor]:
        try:
            return safetensors.torch.load(self._counted(entry))
        except SafetensorError as error:
            raise MemoryCorrupt(f"{self.path / entry.file}: {one_line(error)}") from error

    def newer(self) -> bool:
        """Whether another process has changed the memory since; its manifest is then ours."""
        found = manifest.read(self.path)
        if found.generation == self.manifest.generation:
            return False
        self.manifest = found
        return True

    def begin(self) -> bool:
        """Become the one who writes, until `release`; whether others have written meanwhile.

        Raises:
            MemoryLockedError: another writes.
        """
        first = self._lock is None
        if first:
            self._acquire()
        elif self._owner != os.getpid():
            raise MemoryLockedError(
                f"{self.path} is written to by the process that this one was forked from; open it "
                f"anew here, after that one has closed it"
            )
        failed = self.manifest.generation == FORGOTTEN
        changed = self.newer()
        if first or failed:
            # What made this state may have ended before its name was synced, or that of a new
            # folder: what is built on it must not last without it, nor files before it go.
            disk.sync_folder(self.path)
            with suppress(PermissionError):
                disk.sync_folder(self.path.resolve().parent)
            self.sweep()
        return changed

    def _acquire(self) -> None:
        lock = FileLock(self.path / LOCK, timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout as error:
            raise MemoryLockedError(
                f"{self.path} is being written to by another process, or by another Memory of this "
                f"one; close() that one first, or try again later"
            ) from error
        self._lock, self._owner = lock, os.getpid()

    def release(self) -> None:
        """Let others write."""
        if self._lock is not None and self._owner == os.getpid():
            self._lock.release()
        self._lock = None

    def forget(self) -> None:
        """What is on disk is not known any more: the next change begins with reading it."""
        self.manifest = replace(self.manifest, generation=FORGOTTEN)

    def append(self, record: bytes, **changes: Any) -> None:
        """Keep a small change in the log."""
        known = self.manifest.log
        if known is None:
            self._logged = hashlib.sha256(record)
            name = self._name("log", "bin")
            disk.write_new(self.path / name, [record])
            disk.sync_folder(self.path)
            entry = Entry(name, len(record), self._logged.hexdigest())
            self._commit(log=entry, **changes)
            return
        logged = self._logged.copy()
        logged.update(record)
        disk.write_at(self.path / known.file, record, known.size)
        entry = Entry(known.file, known.size + len(record), logged.hexdigest())
        self._commit(log=entry, **changes)
        self._logged = logged

    @property
    def log_is_long(self) -> bool:
        """Whether the log should become a segment."""
        return self.manifest.log is not None and self.manifest.log.size > LOG_BYTES

    def write(self, parts: Sequence[Held]) -> Entry:
        """A new file of rows that are there; nothing refers to it before the next `seal`."""
        return self._written(self.path, self.manifest.generation + 1, parts)

    @staticmethod
    def _written(folder: Path, generation: int, parts: Sequence[Held]) -> Entry:
        name = f"segment-{generation}-{uuid4().hex[:8]}.safetensors"
        size, digest, rows = segment_file.write(folder / name, parts)
        return Entry(name, size, digest, rows)

    def seal(self, held: Sequence[Held], **changes: Any) -> None:
        """The segments are these, all of them mapped from files, and the log begins anew.

        Args:
            held: the segments, in order.
            **changes: of the manifest besides.
        """
        entries = tuple(one.entry for one in held if one.entry is not None)
        gone = {
            one.entry.file: one.removed.nonzero().squeeze(-1)
            for one in held
            if one.entry is not None and one.removed is not None
        }
        entry = None
        if gone:
            name = self._name("removed", "safetensors")
            size, digest = disk.write_new(self.path / name, [safetensors.torch.save(gone)])
            entry = Entry(name, size, digest)
        disk.sync_folder(self.path)
        self._commit(segments=entries, log=None, removed=entry, **changes)
        self._logged = hashlib.sha256()
        self.sweep()

    def change(self, **changes: Any) -> None:
        """Change the manifest alone."""
        self._commit(**changes)

    def set_index(self, data: Path | None, settings: dict[str, Any]) -> None:
        """Keep the file of an index, which lies in the folder under a name of `index_name`."""
        entry = None
        if data is not None:
            disk.sync_file(data)
            disk.sync_folder(self.path)
            entry = Entry(data.name, data.stat().st_size, disk.digest(data))
        self._commit(index=entry, index_settings=settings)
        self.sweep()

    def index_name(self) -> Path:
        """Where the file of an index is to be written."""
        return self.path / self._name("index", "safetensors")

    def _commit(self, **changes: Any) -> None:
        made = replace(self.manifest, generation=self.manifest.generation + 1, **changes)
        disk.replace(self.path / manifest.FILE, made.encoded())
        self.manifest = made

    def _name(self, kind: str, ending: str) -> str:
        return f"{kind}-{self.manifest.generation + 1}-{uuid4().hex[:8]}.{ending}"

    def sweep(self) -> None:
        """Remove files that no manifest names: those that were replaced, or never acknowledged."""
        named = {entry.file for entry in self.manifest.entries}
        for file in self.path.iterdir():
            if NAME.fullmatch(file.name) and file.name not in named:
                disk.remove(file)

    def damaged(self, advanced: Any = lambda size: None) -> list[str]:
        """What is wrong with the files that there are now, in words; all bytes are read."""
        found = []
        known = manifest.read(self.path)
        for entry in known.entries:
            path = self.path / entry.file
            try:
                size = path.stat().st_size
                if entry is known.log:
                    self._counted(entry)
                    advanced(entry.size)
                elif size != entry.size:
                    found.append(f"{path} has {size} bytes, not {entry.size}")
                elif disk.digest(path, advanced) != entry.sha256:
                    found.append(f"{path} is damaged: its checksum is not that of the manifest")
            except FileNotFoundError:
                found.append(f"{path} is missing")
            except FileError as error:
                found.append(str(error))
        if found and manifest.read(self.path).generation != known.generation:
            return self.damaged(advanced)  # another process replaced files while they were read
        return found


def check_free(path: Path) -> None:
    """A memory can be made there; to be asked before long work.

    Raises:
        FileError: something is there already, or its own folder is not.
    """
    path = Path(os.path.abspath(path))
    if path.exists() or path.is_symlink():
        raise FileError(
            f"{path} is there already; open it with hopfield.Memory.open, or choose another path"
        )
    if not path.parent.is_dir():
        raise FileError(f"{path} cannot be made: there is no folder {path.parent}")
