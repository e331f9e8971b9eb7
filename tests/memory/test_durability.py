"""What was stored stays: killed, on a full disk, on a damaged one, with others beside."""

import ast
import errno
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import victim
from power import contents

from hopfield.errors import ArgumentError, FileError, MemoryCorrupt, MemoryLockedError
from hopfield.memory import Memory
from hopfield.memory import contents as contents_module
from hopfield.memory.form import Form
from hopfield.memory.store import disk, manifest
from hopfield.memory.store import log as log_module
from hopfield.memory.store import store as store_module
from hopfield.memory.store.store import Store

KILLS = 220
MANIFEST = "manifest.json"


class Victims:
    """Processes to be killed, one after the other."""

    def __init__(self):
        command = [sys.executable, victim.__file__]
        self._pipes = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._running = False

    def start(self, function, *arguments, after=None):
        if self._running:  # a test failed before its end
            self.ended()
        self._running = True
        line = json.dumps([function.__name__, [*map(str_of, arguments)], after])
        self._pipes.stdin.write(line + "\n")
        self._pipes.stdin.flush()

    def ended(self):
        self._running = False
        return int(self._pipes.stdout.readline())

    def run(self, function, *arguments, after=None):
        self.start(function, *arguments, after=after)
        return self.ended()

    def close(self):
        self._pipes.communicate()


def str_of(argument):
    return str(argument) if isinstance(argument, Path) else argument


@pytest.fixture(scope="module")
def victims():
    found = Victims()
    yield found
    found.close()


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(Form, "tail_rows", property(lambda form: 4))
    monkeypatch.setattr(Form, "segment_rows", property(lambda form: 8))


def rows(count):
    return torch.randn(count, victim.WIDTH), torch.randn(count, 2)


def make(path, count=3):
    with Memory.create(path, victim.WIDTH) as memory:
        memory.add(*rows(count))
    return path


def opened(path):
    """A digest of what a memory on disk holds, after a look at every byte."""
    memory = Memory.open(path)
    memory.check()
    return contents(memory)


# Killed


def kill_again_and_again(victims, path, kills, seed):
    """Kill what changes a memory, see what is left, go on with it; which changes were cut off."""
    choice, found = random.Random(seed), Counter()
    state, lines = opened(path), path.with_name("lines")
    for number in range(kills):
        lines.unlink(missing_ok=True)
        after = choice.uniform(0, 0.03)
        status = victims.run(victim.changes, path, seed + number, lines, True, after=after)
        assert status == signal.SIGKILL
        started = [line for line in victim.journal(lines) if line[0] == "next"]
        done = len(victim.journal(lines)) - len(started)
        found["done"] += done
        acknowledged = [(str(path), state), *((where, digest) for _, where, digest, _ in started)]
        at, state = acknowledged[done]
        path, found_state = Path(at), opened(at)
        if done < len(started):
            _, where, digest, kind = started[-1]
            found[kind] += 1
            if where == at:
                assert found_state in (state, digest)
            else:
                assert found_state == state
                if Path(where).exists():
                    path, found_state = Path(where), opened(where)
                    assert found_state == digest
        else:
            assert found_state == state
        state = found_state
    for folder in path.parent.glob(".*.part"):
        shutil.rmtree(folder)
    return found


def test_killed_at_any_moment(victims, tmp_path):
    found = kill_again_and_again(victims, make(tmp_path / "m"), KILLS, seed=0)
    assert {"add", "remove", "compact", "beta", "save"} <= set(found)
    assert sum(found.values()) - found["done"] > KILLS / 2  # the others came between two changes


# A full disk


class Faults:
    """Stands in for `os` in `disk`: a call fails, by itself or with all writes that follow.

    Nothing is synced, which takes long and is tested by power cuts.
    """

    CALLS = ("open", "pwrite", "fsync", "replace", "rename", "mkdir", "unlink")

    def __init__(self, at, kind, for_ever):
        self._left, self._kind, self._for_ever = at, kind, for_ever
        self.failed = ""

    def __getattr__(self, name):
        real = getattr(os, name) if name != "fsync" else lambda file: None
        if name not in self.CALLS:
            return real

        def call(*arguments):
            if self.failed:
                fails = self._for_ever and name in ("pwrite", "mkdir")
            else:
                self._left -= 1
                fails = self._left < 0
            if not fails:
                return real(*arguments)
            self.failed = self.failed or name
            if name == "pwrite" and self._kind == errno.ENOSPC and len(arguments[1]) > 1:
                os.pwrite(arguments[0], arguments[1][: len(arguments[1]) // 2], arguments[2])
            names = [] if isinstance(arguments[0], int) else [str(arguments[0])]
            raise OSError(self._kind, os.strerror(self._kind), *names)

        return call


CHANGES = {
    "add": lambda memory: memory.add(*rows(1)),
    "seal": lambda memory: memory.add(*rows(11)),
    "remove": lambda memory: memory.remove(memory.ids[[0, -1]]),
    "compact": Memory.compact,
    "beta": lambda memory: setattr(memory, "beta", 3.0),
    "save": lambda memory: memory.save(memory.path.with_name("other")),
}


@pytest.mark.parametrize(
    ("kind", "for_ever"), [(errno.ENOSPC, False), (errno.ENOSPC, True), (errno.EIO, False)]
)
@pytest.mark.parametrize("name", CHANGES)
def test_a_disk_that_fails(name, kind, for_ever, tmp_path, small, monkeypatch):
    start = make(tmp_path / "start")
    with Memory.open(start) as memory:
        memory.add(*rows(9))
        memory.remove([2, 5])
        memory.add(*rows(5))
        memory.remove([13])
        memory.add(*rows(2))
    before, states = opened(start), set()
    for at in range(1000):
        root = tmp_path / str(at)
        root.mkdir()
        path = root / "m"
        shutil.copytree(start, path)
        memory = Memory.open(path)
        faults = Faults(at, kind, for_ever)
        torch.manual_seed(1)
        with monkeypatch.context() as patch:
            patch.setattr(disk, "os", faults)
            error = victim.failure(CHANGES[name], memory)
        if error is not None:
            assert str(root) in error.filename
        states.add(opened(path))
        assert contents(memory) in states
        if not faults.failed:
            break
        memory.add(*rows(1))  # it goes on
        assert opened(memory.path) == contents(memory)
        assert {"lock", *files_of(memory.path)} == {file.name for file in memory.path.iterdir()}
        memory.close()
        assert not [*root.glob(".*")]
    assert before in states
    assert len(states) <= 2
    assert at > 5


def test_files_that_may_not_grow(victims, tmp_path):
    path, lines = make(tmp_path / "m"), tmp_path / "lines"
    assert victims.run(victim.full, path, lines) == 0
    assert {name for (name,) in victim.journal(lines)} >= {"log", "segment", "manifest.json"}
    opened(path)


# Damage


@pytest.fixture(params=["exact", "int8"])
def damaged(request, tmp_path, small):
    """A memory with files of every kind, some of ids that do not rise."""
    path = tmp_path / "m"
    with Memory.create(path, 4, scan=request.param) as memory:
        memory.add(torch.randn(6, 4), torch.arange(6), ids=[5, 9, 2, 7, 3, 1])
        memory.add(torch.randn(6, 4), torch.arange(6))
        memory.remove([9, 11])
        memory.add(torch.randn(6, 4), torch.arange(6))
        memory.add(torch.randn(2, 4), torch.arange(2))
        memory.remove([3, 15, 22])
    known = manifest.read(path)
    assert known.log is not None
    assert known.removed is not None
    assert len(known.segments) == 3
    return path


def put(path, data):
    """New data under a name, beside those that may be mapped."""
    part = path.with_name("new")
    part.write_bytes(data)
    part.replace(path)


def complaint(path):
    """What is said of a memory that may be damaged."""
    try:
        Memory.open(path).check()
    except FileError as error:
        return str(error)
    return ""


def files_of(path):
    return [MANIFEST, *(entry.file for entry in manifest.read(path).entries)]


def test_a_flipped_bit(damaged):
    choice = random.Random(0)
    for name in files_of(damaged):
        file = damaged / name
        data = file.read_bytes()
        places = {*range(16), *range(len(data) - 4, len(data)), *range(0, len(data), 13)}
        for place in sorted(places):
            flipped = bytearray(data)
            flipped[place] ^= 1 << choice.randrange(8)
            put(file, flipped)
            assert str(file) in complaint(damaged), (name, place)
        put(file, data)
        assert complaint(damaged) == ""


def test_a_file_that_is_cut_short_or_longer(damaged):
    for name in files_of(damaged):
        file = damaged / name
        data = file.read_bytes()
        for size in (0, 1, 7, 8, 9, len(data) // 2, len(data) - 1 - (name == MANIFEST)):
            put(file, data[:size])
            assert str(file) in complaint(damaged), (name, size)
        put(file, data + b"\1")
        assert (str(file) in complaint(damaged)) == ("log" not in name)  # may have begun a record
        put(file, data)
    assert complaint(damaged) == ""


def test_a_missing_file(damaged):
    for name in files_of(damaged):
        file = damaged / name
        data = file.read_bytes()
        reader = Memory.open(damaged)
        file.unlink()
        expected = FileError if name == MANIFEST else MemoryCorrupt
        with pytest.raises(expected, match=name):
            Memory.open(damaged)
        with pytest.raises(expected, match=name):
            reader.check()
        file.mkdir()
        with pytest.raises((OSError, MemoryCorrupt), match=name):
            Memory.open(damaged)
        file.rmdir()
        put(file, data)
    assert complaint(damaged) == ""


def test_damage_after_opening_is_found_by_a_check(damaged):
    memory = Memory.open(damaged)
    names = files_of(damaged)
    for name in names:
        data = (damaged / name).read_bytes()
        put(damaged / name, data[:-2] + b"??")
        with pytest.raises(MemoryCorrupt, match=name):
            memory.check()
        put(damaged / name, data)
    for name in names[1:]:
        put(damaged / name, b"")
    with pytest.raises(MemoryCorrupt) as error:
        memory.check()
    assert all(name in str(error.value) for name in names[1:])


def test_nothing_is_built_on_damage(damaged):
    """A writer that finds damage when it moves to the newest state does not go on from its own."""
    writer = Memory.open(damaged)
    with Memory.open(damaged) as other:
        other.add(torch.randn(6, 4), torch.arange(6))
    name = manifest.read(damaged).segments[-1].file
    data = (damaged / name).read_bytes()
    (damaged / name).unlink()
    for _ in range(2):
        with pytest.raises(MemoryCorrupt, match=name):
            writer.add(torch.randn(1, 4), torch.arange(1))
        with pytest.raises(MemoryCorrupt, match=name):
            writer.refresh()
    put(damaged / name, data)
    writer.add(torch.randn(1, 4), torch.arange(1))
    writer.close()
    assert opened(damaged) == contents(writer)


def forge(path, change, written=1):
    """Change a manifest, and its checksum with it."""
    body = json.loads((path / MANIFEST).read_text())
    change(body["memory"])
    body |= {"format": written, "sha256": manifest._digest(body["memory"])}
    (path / MANIFEST).write_text(json.dumps(body))


def test_a_newer_format(tmp_path):
    path = make(tmp_path / "m")
    forge(path, lambda kept: kept.update(more="of it"), written=2)
    with pytest.raises(FileError, match=r"manifest.json is of format 2, .* newer version"):
        Memory.open(path)


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "..", "", "lock", "a/b", "segment-1-a.b/c"]
)
@pytest.mark.parametrize("where", ["segments", "log", "removed", "index"])
def test_names_stay_in_the_folder(where, name, tmp_path):
    path = make(tmp_path / "m")
    put(tmp_path / "x", b"")
    entry = {"file": name, "size": 0, "sha256": hashlib.sha256().hexdigest(), "rows": 0}
    forge(path, lambda kept: kept.update({where: [entry] if where == "segments" else entry}))
    with pytest.raises(MemoryCorrupt, match=r"manifest.json is damaged .* is no name of a file"):
        Memory.open(path)


MAD = [
    {"generation": float("inf")},
    {"next_id": None},
    {"beta": -1},
    {"beta": "auto"},
    {"segments": [None, 3]},
    {"log": []},
    {"form": {"dim": 3}},
    {"value_kind": 3},
    {"log": {"file": "log-1-a.bin", "size": 10**18, "sha256": "", "rows": 0}},
    {"segments": [{"file": "log-1-a.bin", "size": 5, "sha256": "", "rows": -1}]},
]


@pytest.mark.parametrize("change", MAD)
def test_a_manifest_that_makes_no_sense(change, tmp_path):
    path = make(tmp_path / "m")
    (path / "log-1-a.bin").write_bytes(b"12345")
    forge(path, lambda kept: kept.update(change))
    with pytest.raises(MemoryCorrupt, match=str(path)):
        Memory.open(path)


def test_a_link_is_not_written_through(tmp_path):
    path = make(tmp_path / "m")
    (tmp_path / "mine").write_bytes(b"dear")
    (path / "log-1-a.bin").symlink_to(tmp_path / "mine")
    entry = {"file": "log-1-a.bin", "size": 0, "sha256": hashlib.sha256().hexdigest(), "rows": 0}
    forge(path, lambda kept: kept.update(log=entry))
    memory = Memory.open(path)
    with pytest.raises(OSError, match=r"log-1-a.bin"):
        memory.add(*rows(1))
    assert (tmp_path / "mine").read_bytes() == b"dear"


def test_a_folder_behind_a_link(tmp_path):
    make(tmp_path / "m")
    (tmp_path / "link").symlink_to("m")
    with Memory.open(tmp_path / "link") as memory:
        memory.add(*rows(2))
    assert len(Memory.open(tmp_path / "m")) == 5
    (tmp_path / "nowhere").symlink_to("no")
    with pytest.raises(FileError, match="is there already"):
        memory.save(tmp_path / "nowhere")


def test_nothing_is_unpickled():
    forbidden = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    files = [*Path(disk.__file__).parent.glob("**/*.py")]
    assert files
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name.split(".")[0] for alias in node.names}
                names.add((getattr(node, "module", "") or "").split(".")[0])
                assert not names & forbidden, file
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                called = f"{node.value.id}.{node.attr}"
                assert called not in ("torch.load", "torch.save", "np.load", "numpy.load"), file


# Others


def test_one_writer(tmp_path):
    path = make(tmp_path / "m")
    first, second = Memory.open(path), Memory.open(path)
    first.add(*rows(1))
    for name in CHANGES.keys() - {"save"}:
        with pytest.raises(MemoryLockedError, match=str(path)):
            CHANGES[name](second)
    assert len(second) == 3
    assert second.refresh()
    assert len(second) == 4
    first.close()
    second.add(*rows(1))
    with pytest.raises(MemoryLockedError):
        first.add(*rows(1))
    del second
    first.add(*rows(1))
    assert len(first) == 6
    first.close()


def until(lines):
    """Wait for the first line of a journal."""
    for _ in range(2000):
        if victim.journal(lines):
            return
        time.sleep(0.005)
    pytest.fail("nothing was written")


def test_one_writer_among_processes(victims, tmp_path):
    path = make(tmp_path / "m")
    memory = Memory.open(path)
    victims.start(victim.hold, path, tmp_path / "lines", after=1)
    until(tmp_path / "lines")
    with pytest.raises(MemoryLockedError, match="another process"):
        memory.add(*rows(1))
    assert len(Memory.open(path)) == 4  # reading goes on
    assert victims.ended() == signal.SIGKILL
    memory.add(*rows(1))
    assert victims.run(victim.change_once, path) != 0  # this one holds it
    memory.close()
    assert victims.run(victim.change_once, path) == 0
    memory.add(*rows(1))
    assert len(memory) == 7
    memory.close()


def test_a_forked_process(victims, tmp_path):
    assert victims.run(victim.fork, make(tmp_path / "m")) == 0


def test_readers_see_one_state_each(victims, tmp_path):
    path, lines = make(tmp_path / "m"), tmp_path / "lines"
    seen = [opened(path)]
    states = list(seen)
    victims.start(victim.changes, path, 0, lines, False, after=3)
    until(lines)
    stays, reader = Memory.open(path), Memory.open(path)
    old = contents(stays)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        seen.append(contents(Memory.open(path)))
        reader.refresh()
        seen.append(contents(reader))
        reader.check()
    assert contents(stays) == old
    assert victims.ended() == signal.SIGKILL
    states += [line[2] for line in victim.journal(lines) if line[0] == "next"]
    at = 0
    for digest in seen:
        at = states.index(digest, at)  # of those that were made, and never an older one
    assert at > 10
    stays.check()
    assert stays.refresh()
    assert contents(stays) == opened(path)


def test_a_folder_to_read_only(victims):
    with tempfile.TemporaryDirectory() as root:
        path = make(Path(root) / "m")
        Path(root).chmod(0o755)
        (path / "lock").chmod(0o444)
        path.chmod(0o555)
        assert victims.run(victim.read_only, path) == 0
        path.chmod(0o755)


def test_a_folder_under_one_that_is_not_shown(victims):
    with tempfile.TemporaryDirectory() as root:
        path = make(Path(root) / "m")
        if os.getuid() == 0:
            for file in (path, *path.iterdir()):
                os.chown(file, victim.NOBODY, -1)
        Path(root).chmod(0o311)
        assert victims.run(victim.under_a_folder_that_is_not_shown, path) == 0
        Path(root).chmod(0o755)
        assert len(Memory.open(path)) == 4


# Cut off, and replaced


def same(path):
    """A memory that adds, and that another has moved on from meanwhile."""
    writer = Memory.create(path, victim.WIDTH)
    writer.add(*rows(3))
    reader = Memory.open(path)
    writer.add(*rows(3))
    writer.close()
    return reader


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize(
    "where", ["sweep", "_load", "_loaded", "_acquire", "_segments", "newest", "_commit"]
)
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("change", ["add", "refresh"])
def test_cut_off_anywhere_in_the_store(where, late, change, error, tmp_path, monkeypatch):
    memory = same(tmp_path / "m")
    real = getattr(Store, where)

    def cut(*arguments, **changes):
        if late:
            real(*arguments, **changes)
        raise error

    def make(memory):
        if change == "add":
            memory.add(*rows(1))
        else:
            memory.refresh()

    with monkeypatch.context() as patch, suppress(error):
        patch.setattr(Store, where, cut)
        make(memory)
    memory.retrieve(torch.randn(1, victim.WIDTH))
    given = memory.add(*rows(2))
    assert given.tolist() in ([6, 7], [7, 8])
    memory.close()
    assert opened(memory.path) == contents(memory)


def test_cut_off_between_the_disk_and_the_contents(tmp_path, monkeypatch):
    """What is read after that is what is on disk."""
    memory = Memory.open(make(tmp_path / "m"))
    with monkeypatch.context() as patch:
        patch.setattr(Memory, "_hold", interrupt)
        with pytest.raises(KeyboardInterrupt):
            memory.add(*rows(1))
    memory.retrieve(torch.randn(1, victim.WIDTH))
    assert len(memory) == 4
    memory.add(*rows(1))
    assert opened(memory.path) == contents(memory)
    memory.close()


def interrupt(*arguments):
    raise KeyboardInterrupt


@pytest.mark.parametrize(("module", "name"), [(torch, "cat"), (contents_module, "Tail")])
def test_cut_off_in_memory(module, name, monkeypatch):
    memory = Memory(victim.WIDTH)
    memory.add(*rows(3))
    memory.remove([1])
    before = contents(memory)
    with monkeypatch.context() as patch:
        patch.setattr(module, name, interrupt)
        with pytest.raises(KeyboardInterrupt):
            memory.add(*rows(1))
    assert contents(memory) == before
    with pytest.raises(ArgumentError, match="does not hold"):
        memory.get([3])
    assert memory.add(*rows(2), ids=[9, 3]).tolist() == [9, 3]
    assert memory.ids.tolist() == [0, 2, 9, 3]
    assert (memory.get([3])[0] == memory.get([9, 3])[0][1]).all()


@pytest.mark.parametrize("writes", [False, True])
def test_another_memory_at_the_path(writes, tmp_path):
    path = make(tmp_path / "m")
    memory = Memory.open(path)
    if writes:
        memory.add(*rows(1))
    path.rename(tmp_path / "old")
    make(path)
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    for change in (*CHANGES.values(), Memory.refresh, lambda m: m.save(path)):
        if change is not CHANGES["save"]:
            with pytest.raises(FileError, match="is another memory now; open it anew"):
                change(memory)
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    memory.save(tmp_path / "new")
    assert opened(tmp_path / "new") == contents(memory)


def test_a_copy_that_was_put_back(tmp_path):
    """An older state, and as many changes as there were since, are not taken for the same."""
    path = make(tmp_path / "m")
    shutil.copytree(path, tmp_path / "copy")
    memory = Memory.open(path)
    memory.add(*rows(2))
    path.rename(tmp_path / "old")
    (tmp_path / "copy").rename(path)
    with Memory.open(path) as other:
        other.add(*rows(1))
        with pytest.raises(MemoryLockedError):
            memory.add(*rows(1))
    assert memory.add(*rows(1)).tolist() == [4]
    assert opened(path) == contents(memory)
    memory.close()


def test_a_folder_that_is_gone(tmp_path):
    path = make(tmp_path / "m")
    memory = Memory.open(path)
    shutil.rmtree(path)
    for change in (CHANGES["add"], Memory.refresh):
        with pytest.raises(FileError, match="is no memory"):
            change(memory)
    assert not path.exists()
    memory.save(path)
    assert opened(path) == contents(memory)
    memory.save(path)
    assert len(memory) == 3


# Logs


def log_of(path):
    return path / manifest.read(path).log.file


@pytest.mark.parametrize("later", [False, True])
def test_what_a_full_disk_left_in_the_log_goes(later, tmp_path, monkeypatch):
    path = make(tmp_path / "m")
    size = log_of(path).stat().st_size
    memory = Memory.open(path)
    with monkeypatch.context() as patch:
        if later:  # it was killed
            with log_of(path).open("ab") as file:
                file.write(b"left")
        else:
            real = os.pwrite
            patch.setattr(disk, "_write", lambda file, data, at: real(file, b"left", at) and fail())
            with pytest.raises(OSError, match="No space"):
                memory.add(*rows(1))
            assert log_of(path).stat().st_size == size
    memory.check_add(*rows(1))
    assert log_of(path).stat().st_size == size
    memory.close()


def fail():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_long_log_of_removals(tmp_path, small, monkeypatch):
    path = tmp_path / "m"
    with Memory.create(path, victim.WIDTH) as memory:
        memory.add(*rows(8))
        monkeypatch.setattr(store_module, "LOG_BYTES", 1)
        with monkeypatch.context() as patch:
            patch.setattr(Store, "seal", lambda *held, **changes: fail())
            memory.remove([0])  # is in the log
        assert opened(path) == contents(memory)
        memory.remove([1])
        assert manifest.read(path).log is None
        assert memory.ids.tolist() == [2, 3, 4, 5, 6, 7]
    assert opened(path) == contents(memory)


def test_a_reader_replays_only_what_is_new(tmp_path, monkeypatch):
    path = make(tmp_path / "m", 20)
    reader, writer = Memory.open(path), Memory.open(path)
    network = reader._built()
    state = torch.randn(2, victim.WIDTH)
    before, read = network.update(state), []
    real = log_module.replay
    monkeypatch.setattr(
        log_module, "replay", lambda log, contents: read.append(len(log)) or real(log, contents)
    )
    sizes = [log_of(path).stat().st_size]
    for change in (
        lambda: writer.add(*rows(2)),
        lambda: writer.remove([0, 21]),
        lambda: setattr(writer, "beta", 2.0),
        lambda: writer.add(*rows(1), ids=[0]),
    ):
        change()
        sizes.append(log_of(path).stat().st_size)
        assert reader.refresh()
        assert contents(reader) == contents(writer)
    assert read == [end - start for start, end in pairwise(sizes)]
    torch.testing.assert_close(network.update(state), before, rtol=0, atol=0)
    writer.close()
    with log_of(path).open("r+b") as file:  # what is new is compared with its checksum
        Memory.open(path).add(*rows(1))
        file.seek(sizes[-1] + 100)
        file.write(b"??")
    with pytest.raises(MemoryCorrupt, match="checksum"):
        reader.refresh()
    assert contents(reader) == contents(writer)


# Folders and manifests from elsewhere


def test_folders_that_are_named_like_files(tmp_path):
    path = make(tmp_path / "m")
    names = ("segment-9-abc.x", "manifest.json.part", "manifest.json-ab.part", "log-9-ab.x")
    for name in names:
        (path / name).mkdir()
    with Memory.open(path) as memory:
        memory.add(*rows(1))
        memory.compact()
    assert all((path / name).is_dir() for name in names)
    assert opened(path) == contents(memory)


def test_a_folder_in_place_of_a_file(damaged):
    memory = Memory.open(damaged)
    for name in files_of(damaged):
        data = (damaged / name).read_bytes()
        (damaged / name).unlink()
        (damaged / name).mkdir()
        with pytest.raises(MemoryCorrupt, match=name):
            memory.check()
        if not name.startswith("index"):
            with pytest.raises(MemoryCorrupt, match=name):
                Memory.open(damaged)
        (damaged / name).rmdir()
        put(damaged / name, data)


@pytest.mark.parametrize("next_id", [-1, 2**63, 0, 14])
def test_ids_that_would_be_given_twice(next_id, damaged):
    forge(damaged, lambda kept: kept.update(next_id=next_id))
    with pytest.raises(MemoryCorrupt, match=r"manifest\.json"):
        Memory.open(damaged)


def test_a_segment_that_is_named_twice(damaged):
    forge(damaged, lambda kept: kept["segments"].append(kept["segments"][0]))
    with pytest.raises(MemoryCorrupt, match="names a file twice"):
        Memory.open(damaged)


def test_the_last_ids(tmp_path):
    path = tmp_path / "m"
    with Memory.create(path, victim.WIDTH) as memory:
        memory.add(*rows(2), ids=[-5, 2**63 - 1])
    assert opened(path) == contents(memory)
