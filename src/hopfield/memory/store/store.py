"""`Store`: the folder of a memory: immutable files, a log, and a manifest that is replaced whole.

A change is made when the manifest that tells of it is in its place. All that a manifest names was
synced before, so a reader, or a process after a power cut, finds one state whole: the last that was
acknowledged, or the one that was being made.
"""

import errno
import hashlib
import os
import struct
from collections.abc import Callable, Sequence
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
from hopfield.errors import FileError, HopfieldError, MemoryCorrupt, MemoryLockedError
from hopfield.memory.contents import Contents, Held
from hopfield.memory.segment import ValueKind
from hopfield.memory.store import disk, log, manifest, segment_file
from hopfield.memory.store.manifest import NAME, PART, Entry, Manifest

LOG_BYTES = 2**26  # from here on a log is made into a segment, whatever it holds
LOCK = "lock"
FORGOTTEN = ""
MALFORMED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    SafetensorError,
    TypeError,
    ValueError,
    struct.error,
)


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
        self._owner, self._locked = 0, (0, 0)
        self._begun = False
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
        return self._load(self.manifest, None)

    def newest(self, before: Contents) -> Contents | None:
        """What others made of the contents since; None if nothing."""
        found = self._found()
        return None if found.mark == self.manifest.mark else self._load(found, before)

    def _load(self, known: Manifest, before: Contents | None) -> Contents:
        while True:
            try:
                contents, logged = self._loaded(known, before)
            except FileNotFoundError as error:
                found = self._found()
                if found.mark == known.mark:
                    raise MemoryCorrupt(
                        f"{error.filename or self.path} is missing; restore it from a copy of the "
                        f"memory"
                    ) from error
                known = found
            else:
                self.manifest, self._logged = known, logged
                return contents

    def _loaded(self, known: Manifest, before: Contents | None) -> tuple[Contents, Any]:
        """What a manifest names, and the running digest of its log."""
        if before is not None and self._only_grew(known):
            contents, logged = before, self._logged.copy()
            at = 0 if self.manifest.log is None else self.manifest.log.size
        else:
            contents, logged, at = self._segments(known), hashlib.sha256(), 0
        if known.log is not None:
            records = self._counted(known.log, logged, at)
            try:
                contents = log.replay(records, contents)
            except MALFORMED as error:
                found = self._damaged(lambda size: None) or [
                    f"{self.path / known.log.file}: {one_line(error)}"
                ]
                raise MemoryCorrupt("; ".join(found)) from error
        for held in contents.blocks():
            if (last := _last_id(held)) >= known.next_id < manifest.LAST_ID:
                entry = held.entry or known.log
                assert entry is not None
                raise MemoryCorrupt(
                    f"{self.path / entry.file} has the id {last}, and {self.path / manifest.FILE} "
                    f"says that all are below {known.next_id}; restore them from a copy"
                )
        return replace(contents, next_id=known.next_id, value_kind=known.value_kind), logged

    def _only_grew(self, known: Manifest) -> bool:
        """Whether all that came since is at the end of the log."""
        mine = self.manifest
        if mine.mark == FORGOTTEN or (mine.segments, mine.removed) != (
            known.segments,
            known.removed,
        ):
            return False
        if mine.log is None:
            return True
        log = known.log
        return log is not None and log.file == mine.log.file and log.size >= mine.log.size

    def _segments(self, known: Manifest) -> Contents:
        held = [self.mapped(one, known.value_kind) for one in known.segments]
        if known.removed is not None:
            gone = self._tensors(known.removed)
            for number, entry in enumerate(known.segments):
                if entry.file in gone:
                    held[number] = held[number].without(gone[entry.file])
        return Contents(known.form, held, known.next_id, known.value_kind)

    def mapped(self, entry: Entry, kind: ValueKind | Literal["open"]) -> Held:
        """The segment in a file."""
        kind = None if kind == "open" else kind
        path, form = self.path / entry.file, self.manifest.form
        return Held(segment_file.mapped(path, form, entry.rows, entry.size, kind), entry)

    def _counted(self, entry: Entry, before: Any = None, at: int = 0) -> bytes:
        """The bytes of a file that count, checked, from a place on; `before` digests them."""
        path = self.path / entry.file
        found, digest = b"", hashlib.sha256() if before is None else before
        if not path.is_dir():
            with path.open("rb") as file:
                file.seek(at)
                end = min(entry.size, os.fstat(file.fileno()).st_size)
                found = file.read(max(0, end - at))
        digest.update(found)
        if at + len(found) != entry.size or digest.hexdigest() != entry.sha256:
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

    def _found(self) -> Manifest:
        """The manifest that is there now.

        Raises:
            FileError: it is that of another memory, or there is none.
        """
        found = manifest.read(self.path)
        if found.uuid != self.manifest.uuid:
            raise FileError(
                f"{self.path} is another memory now; open it anew with hopfield.Memory.open"
            )
        return found

    def is_at(self, path: Path) -> bool:
        """Whether a path is that of this memory, and it is still there.

        Raises:
            FileError: another memory is there, or none, but something else.
        """
        if path.resolve() != self.path.resolve() or not path.exists():
            return False
        self._found()
        return True

    @property
    def forgotten(self) -> bool:
        """Whether it is not known what is on disk."""
        return self.manifest.mark == FORGOTTEN

    def lock(self) -> None:
        """Become the one who writes, until `release`.

        Raises:
            FileError: there is no memory any more, or another one.
            MemoryLockedError: another writes.
            PermissionError: it may be read only.
        """
        self._found()  # before the lock, which would make a folder
        if self._lock is not None and self._owner != os.getpid():
            raise MemoryLockedError(
                f"{self.path} is written to by the process that this one was forked from; open it "
                f"anew here, after that one has closed it"
            )
        if self._lock is not None and self._locked != _identity(self.path / LOCK):
            self.release()  # another folder lies there, such as a copy that was put back
        if self._lock is None:
            self._acquire()

    def begin(self, before: Contents) -> Contents | None:
        """Begin a change from the newest state; the lock is ours.

        Returns:
            What others made of the contents meanwhile; None if nothing.
        """
        failed = self.forgotten
        changed = self.newest(before)
        if failed or not self._begun:
            # What made this state may have ended before its name was synced, or that of a new
            # folder: what is built on it must not last without it, nor files before it go.
            disk.sync_folder(self.path)
            with suppress(PermissionError):
                disk.sync_folder(self.path.resolve().parent)
            self.sweep()
            self._begun = True
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
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            raise PermissionError(
                error.errno,
                f"the memory can be read, but not written to here ({error.strerror})",
                str(self.path),
            ) from error
        self._lock, self._owner, self._begun = lock, os.getpid(), False
        self._locked = _identity(self.path / LOCK)

    def change_if_free(self, **changes: Any) -> None:
        """Change the manifest, if nobody else writes, and nobody has since it was read."""
        ours = self._lock is not None
        with suppress(HopfieldError, OSError):
            self.lock()
            try:
                if self._found().mark == self.manifest.mark:
                    self._commit(**changes)
            finally:
                if not ours:
                    self.release()

    def release(self) -> None:
        """Let others write."""
        if self._lock is not None and self._owner == os.getpid():
            self._lock.release()
        self._lock = None

    def forget(self) -> None:
        """What is on disk is not known any more: the next change begins with reading it."""
        self.manifest = replace(self.manifest, mark=FORGOTTEN)

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

    def set_index(self, data: Path, settings: dict[str, Any]) -> None:
        """Keep the file of an index, which lies in the folder under a name of `index_name`."""
        disk.sync_file(data)
        disk.sync_folder(self.path)
        entry = Entry(data.name, data.stat().st_size, disk.digest(data))
        self._commit(index=entry, index_settings=settings)
        self.sweep()

    def index_name(self) -> Path:
        """Where the file of an index is to be written."""
        return self.path / self._name("index", "safetensors")

    def _commit(self, **changes: Any) -> None:
        made = replace(
            self.manifest, mark=uuid4().hex, generation=self.manifest.generation + 1, **changes
        )
        disk.replace(self.path / manifest.FILE, made.encoded())
        self.manifest = made

    def _name(self, kind: str, ending: str) -> str:
        return f"{kind}-{self.manifest.generation + 1}-{uuid4().hex[:8]}.{ending}"

    def sweep(self) -> None:
        """Remove what no manifest names: what was replaced, or never acknowledged."""
        named = {entry.file for entry in self.manifest.entries}
        for file in self.path.iterdir():
            ours = NAME.fullmatch(file.name) or PART.fullmatch(file.name)
            if ours and file.name not in named and not file.is_dir():
                disk.remove(file)
        known = self.manifest.log
        if known is not None and (self.path / known.file).lstat().st_size > known.size:
            disk.cut(self.path / known.file, known.size)

    def check(self, advanced: Callable[[int], object]) -> None:
        """Read every byte of the files that there are now.

        Args:
            advanced: hears how many bytes were read.

        Raises:
            MemoryCorrupt: a file is missing or damaged; the message names all of them.
        """
        if damage := self._damaged(advanced):
            raise MemoryCorrupt(
                f"{'; '.join(damage)}; restore them from a copy of the memory, but for an index, "
                f"which build_index() makes anew"
            )

    def _damaged(self, advanced: Callable[[int], object]) -> list[str]:
        found = []
        known = manifest.read(self.path)
        for entry in known.entries:
            path = self.path / entry.file
            try:
                size = path.stat().st_size
                if path.is_dir():
                    found.append(f"{path} is a folder")
                elif entry is known.log:
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
        if found and manifest.read(self.path).mark != known.mark:
            return self._damaged(advanced)  # another process replaced files while they were read
        return found


def _identity(path: Path) -> tuple[int, int]:
    """What tells a file from another of the same name."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return found.st_dev, found.st_ino


def _last_id(held: Held) -> int:
    """The largest id of a segment; of a file, only the pages that have it are read."""
    ids, order = held.segment.ids, held.segment.order
    if len(ids) == 0:
        return -1
    if held.entry is None:
        return int(ids.max())
    return int(ids[-1] if order is None else ids[order[-1].clamp(0, len(ids) - 1)])


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
