"""A file layer that records what is done to files, and all that a power cut could leave of it.

A cut keeps what was synced: the data of a file by its own fsync, a name by that of its folder. Of
the rest it may keep anything: data whole, not at all or torn, and any of the names, whatever came
first. A rename is one change of names, and may last while the data of the file do not.
"""

import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

FEW = 5  # changes of names of which all subsets are tried


def contents(memory):
    """A digest of all that a memory holds."""
    patterns, values = memory.get(memory.ids)
    found = hashlib.sha256(repr((memory.beta, memory._contents.next_id)).encode())
    for tensor in (memory.ids, patterns, values):
        if tensor is not None:
            found.update(tensor.contiguous().numpy().tobytes())
    return found.hexdigest()


@dataclass(frozen=True)
class Step:
    """One thing done to a file or folder; a path is relative to the root."""

    kind: str
    path: str
    target: str = ""
    at: int = 0
    data: bytes = b""
    site: str = ""


@dataclass(frozen=True)
class Mark:
    """A state of the memories is being made, or is acknowledged."""

    state: tuple
    done: bool


class Recorder:
    """Stands in for `os` in `hopfield.memory.store.disk`; real calls go through, but no fsync."""

    def __init__(self, root):
        self.root = root
        self.log: list[Step | Mark] = []
        self._open: dict[int, str] = {}

    def __getattr__(self, name):
        assert name.startswith("O_"), f"disk.py calls os.{name}, which is not recorded"
        return getattr(os, name)

    def _record(self, kind, path, *others, **fields):
        self.log.append(Step(kind, self._name(path), *map(self._name, others), **fields))

    def _name(self, path):
        return str(Path(path).relative_to(self.root))

    def open(self, path, flags, mode=0o777):
        assert not flags & (os.O_TRUNC | os.O_APPEND)
        file = os.open(path, flags, mode)
        self._open[file] = path
        if flags & os.O_CREAT:
            assert flags & os.O_EXCL
            self._record("create", path)
        return file

    def close(self, file):
        del self._open[file]
        os.close(file)

    def pwrite(self, file, data, at):
        written = os.pwrite(file, data, at)
        self._record("write", self._open[file], at=at, data=bytes(data[:written]))
        return written

    def ftruncate(self, file, size):
        os.ftruncate(file, size)
        self._record("cut", self._open[file], at=size)

    def fsync(self, file):
        self._record("sync", self._open[file], site=_site())

    def unlink(self, path):
        os.unlink(path)
        self._record("unlink", path)

    def mkdir(self, path):
        os.mkdir(path)
        self._record("mkdir", path)

    def rmdir(self, path):
        os.rmdir(path)
        self._record("unlink", path)

    def rename(self, path, target):
        os.rename(path, target)
        self._record("rename", path, target)

    replace = rename

    def during(self, change, state):
        """Make a change, with marks of the state that it makes."""
        at = len(self.log)
        change()
        self.log.insert(at, Mark(state(), done=False))
        self.log.append(Mark(state(), done=True))


def _site():
    """The calls that led to an fsync, of files beside the memory's own."""
    frame, calls = sys._getframe(2), []
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if file.parent.name == "store" and file.stem in ("disk", "segment_file", "store"):
            calls.append(f"{file.name}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return ", from ".join(calls)


@dataclass(eq=False)
class File:
    """Its data at the last sync, and what was written since."""

    synced: bytes = b""
    written: list[tuple[int, bytes]] = field(default_factory=list)

    def sync(self):
        self.synced, self.written = self.now(), []

    def now(self, last=None):
        """The data, with something else in place of the last write; None cuts off what follows."""
        found = bytearray(self.synced)
        writes = self.written if last is None else [*self.written[:-1], last]
        for at, data in writes:
            if data is None:
                del found[at:]
                continue
            found.extend(bytes(max(0, at + len(data) - len(found))))
            found[at : at + len(data)] = data
        return bytes(found)

    def left(self):
        """What a cut may leave: all, nothing, and the last write torn in several ways."""
        if not self.written:
            return [self.synced]
        at, data = self.written[-1]
        if data is None:
            return [self.now(), *[self.synced] * 5]
        half = len(data) // 2
        zeros = bytes(len(data))
        torn = [data[:half], data[:half] + zeros[half:], zeros[:half] + data[half:], zeros]
        return [self.now(), self.synced, *(self.now((at, last)) for last in torn)]


@dataclass(eq=False)
class Folder:
    """Its names at the last sync, and what became of them since."""

    synced: dict = field(default_factory=dict)
    changes: list[dict] = field(default_factory=list)

    def sync(self):
        self.synced, self.changes = self.now(), []

    def now(self, lasting=None):
        found = dict(self.synced)
        for change in self.changes:
            if lasting is None or id(change) in lasting:
                found.update(change)
        return {name: node for name, node in found.items() if node is not None}


class Disk:
    """A root folder with all below it: what programs see, and what a cut would leave."""

    def __init__(self):
        self.root = Folder()

    def _at(self, path):
        node = self.root
        for part in Path(path).parts:
            node = node.now()[part]
        return node

    def take(self, step):
        """A step happens."""
        path = Path(step.path)
        folder = self._at(path.parent)
        match step.kind:
            case "create":
                folder.changes.append({path.name: File()})
            case "mkdir":
                folder.changes.append({path.name: Folder()})
            case "unlink":
                folder.changes.append({path.name: None})
            case "rename":
                target = Path(step.target)
                assert target.parent == path.parent
                folder.changes.append({target.name: self._at(path), path.name: None})
            case "write":
                self._at(path).written.append((step.at, step.data))
            case "cut":
                self._at(path).written.append((step.at, None))
            case "sync":
                self._at(path).sync()

    def now(self):
        """What programs see, and what is left where a program is killed."""
        return {path: node.now() for path, node in _files(self.root)}

    def cuts(self) -> Iterator[dict[str, bytes]]:
        """All that a power cut now could leave: files by path."""
        changes = [*_changes(self.root)]
        for names in _subsets([id(change) for change in changes]):
            files = dict(_files(self.root, names))
            kept = {path: file.now() for path, file in files.items()}
            yield kept
            loose = {path: file.left() for path, file in files.items() if file.written}
            for which in range(1, 6):
                yield kept | {path: left[which] for path, left in loose.items()}
                for path, left in loose.items() if len(loose) > 1 else ():
                    yield kept | {path: left[which]}


def _files(folder, lasting=None, within=""):
    for name, node in folder.now(lasting).items():
        if isinstance(node, Folder):
            yield from _files(node, lasting, f"{within}{name}/")
        else:
            yield within + name, node


def _changes(folder):
    yield from folder.changes
    for node in {node for change in [folder.synced, *folder.changes] for node in change.values()}:
        if isinstance(node, Folder):
            yield from _changes(node)


def _subsets(all_of):
    count = len(all_of)
    if count <= FEW:
        for size in range(count, -1, -1):
            yield from map(set, combinations(all_of, size))
        return
    yield from (set(all_of[:end]) for end in range(count + 1))
    yield from ({one} for one in all_of)
    yield from (set(all_of) - {one} for one in all_of)


def power_cuts(log, *, start=0, without=None):
    """What a power cut after each step could leave, with the states that it may be.

    Args:
        log: what was recorded.
        start: the first step to be cut after.
        without: the site of an fsync that does nothing.
    """
    disk, allowed = Disk(), {()}
    for number, step in enumerate(log):
        if isinstance(step, Mark):
            allowed = {step.state} if step.done else allowed | {step.state}
        elif without is None or step.site != without:
            disk.take(step)
        if number >= start:
            for files in disk.cuts():
                yield files, frozenset(allowed)


def killed(log):
    """What is there when the process is killed after these steps."""
    disk = Disk()
    for step in log:
        if isinstance(step, Step):
            disk.take(step)
    return disk.now()


def build(files, folder):
    """Put files into a new folder."""
    folder.mkdir()
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder
