"""A power cut at any moment leaves the last state that was acknowledged, or the one being made."""

import os
import re
import shutil
from functools import partial
from itertools import count, cycle
from pathlib import Path

import pytest
import torch
from power import Mark, Recorder, build, contents, killed, power_cuts

from hopfield.memory import Memory
from hopfield.memory.form import Form
from hopfield.memory.store import disk

NAMES = ("first", "second")


def seen(root):
    """The memories in a folder, by name; each is checked."""
    found = []
    for name in NAMES:
        if (root / name).exists():
            memory = Memory.open(root / name)
            memory.check()
            found.append((name, contents(memory)))
    return tuple(found)


class NoSync:
    """Stands in for `os` where nothing is to last."""

    fsync = staticmethod(lambda file: None)
    __getattr__ = staticmethod(partial(getattr, os))


def go_on(root):
    """What was left can be added to."""
    for name in NAMES:
        if (root / name).exists():
            with Memory.open(root / name) as memory:
                count = len(memory)
                memory.add(**patterns(1))
            memory = Memory.open(root / name)
            memory.check()
            assert len(memory) == count + 1


def patterns(count):
    return {"patterns": torch.randn(count, 3), "values": torch.randn(count, 2)}


def recording(monkeypatch, root):
    recorder = Recorder(root)
    monkeypatch.setattr(disk, "os", recorder)
    return recorder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """New paths below a folder of the module."""
    root = tmp_path_factory.mktemp("cuts").resolve()
    return (root / str(number) for number in count())


@pytest.fixture(scope="module")
def small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Form, "tail_rows", property(lambda form: 4))
        patch.setattr(Form, "segment_rows", property(lambda form: 8))
        yield


@pytest.fixture(scope="module")
def log(folders, small):
    """All that a memory does to files, in all ways in which it changes."""
    root = next(folders)
    root.mkdir()
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        recorder = recording(patch, root)

        def step(change):
            recorder.during(change, lambda: seen(root))

        step(lambda: Memory.create(root / "first", 3))
        memory = Memory.open(root / "first")
        step(lambda: memory.add(**patterns(2)))
        step(lambda: memory.add(**patterns(1), ids=[7]))
        step(lambda: memory.remove([1]))
        step(lambda: memory.add(**patterns(3)))  # the tail becomes a segment
        step(lambda: memory.remove([0, 8]))
        step(lambda: memory.add(**patterns(2)))
        step(lambda: memory.remove([11]))
        step(lambda: memory.add(**patterns(12)))  # two segments, and a file of what was removed
        step(lambda: setattr(memory, "beta", 0.5))
        step(lambda: memory.remove([7]))
        step(memory.compact)
        step(lambda: memory.add(**patterns(1)))
        for _ in range(2):
            index = memory._store.index_name()
            file = recorder.open(index, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            recorder.pwrite(file, b"written by another library", 0)
            recorder.close(file)
            step(partial(memory._store.set_index, index, {}))
        step(lambda: memory.save(root / "second"))
        step(lambda: memory.add(**patterns(1)))
        step(lambda: memory.remove(memory.ids))
        step(memory.compact)
        step(lambda: memory.add(**patterns(1)))
        memory.close()
        assert contents(memory) == dict(seen(root))["second"]
    return recorder.log


@pytest.fixture(scope="module")
def logs(log, folders, small):
    """Logs where the process was killed, and another one went on with a change of its own."""
    found = []
    torch.manual_seed(1)
    changes = cycle(
        [lambda m: m.add(**patterns(1)), Memory.compact, lambda m: setattr(m, "beta", 2)]
    )
    for end, step in enumerate(log, 1):
        if isinstance(step, Mark) or step.kind not in ("rename", "unlink"):
            continue  # what programs see did not change
        root = build(killed(log[:end]), next(folders))
        left = [name for name in NAMES if (root / name).exists()]
        for name in left[-1:]:
            with pytest.MonkeyPatch.context() as patch:
                recorder = recording(patch, root)
                with Memory.open(root / name) as memory:
                    change = partial(next(changes), memory)
                    recorder.during(change, partial(seen, root))
            found.append(([*log[:end], *recorder.log], end))
    return found


@pytest.fixture(scope="module")
def found(folders, small):
    """What opening finds, for each state of the disk once."""
    known = {}

    def find(files, then=lambda root: None):
        key = frozenset((p, d) for p, d in files.items() if not p.startswith("."))
        if key not in known:
            root = build(files, next(folders))
            try:
                known[key] = seen(root)
                then(root)
            except Exception as error:
                known[key] = error
            shutil.rmtree(root)
        return known[key]

    return find


def broken(found, log, **options):
    """The first thing that a power cut may leave and that is no state that it should be, if any."""
    for files, allowed in power_cuts(log, **options):
        if found(files) not in allowed:
            return sorted(files), found(files), allowed
    return None


def test_a_power_cut(log, found, monkeypatch):
    monkeypatch.setattr(disk, "os", NoSync())
    assert broken(partial(found, then=go_on), log) is None


def test_a_power_cut_after_another_process_was_killed(logs, found):
    for log, start in logs:
        assert broken(found, log, start=start) is None


@pytest.fixture(scope="module")
def sites(log, logs):
    """The calls that led to an fsync: each in every way in which it is come to."""
    steps = [step for run in (log, *(run for run, _ in logs)) for step in run]
    return [*dict.fromkeys(step.site for step in steps if getattr(step, "site", ""))]


def test_every_fsync_is_needed(log, logs, sites, found, subtests):
    for site in sites:
        with subtests.test(site):
            runs = [(log, 0), *logs]
            assert any(broken(found, run, start=start, without=site) for run, start in runs)


def test_every_fsync_was_left_out_once(sites):
    """A line that syncs and is in no site has no test."""
    tried = {
        (file, int(line)) for site in sites for file, line in re.findall(r"(\w+\.py):(\d+)", site)
    }
    written = {
        (file.name, number)
        for file in Path(disk.__file__).parent.glob("*.py")
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if re.search(r"sync(_file|_folder)?\(", line) and "def " not in line
    }
    assert written
    assert written <= tried


def test_one_layer_changes_files():
    """What goes past `disk` is not recorded."""
    changes = r"(mkdir|write_\w+|unlink|rmdir|rename|replace|touch|save_file|open)\("
    for name in ("store", "segment_file", "log", "manifest"):
        text = Path(disk.__file__).with_name(f"{name}.py").read_text()
        calls = re.findall(rf"(\w+)\.{changes}", text)
        assert {made for made in calls if made[0] != "disk"} <= {("path", "open")}, name
        assert text.count(".open(") == text.count('.open("rb")')
