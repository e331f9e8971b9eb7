"""A memory over several processes does what that of one does, and says when one of them fails."""

import hashlib

import pytest
import sharded
import torch
from sharded import CHECKS, D, N, duplicated
from torch.multiprocessing import get_context, spawn

from hopfield.memory.form import Form
from hopfield.memory.memory import Memory

WORLDS = (3, 2)


def made(folder):
    """Memories on disk: several segments, a log, removed patterns."""
    for name, values in (("plain", None), ("labels", duplicated(torch.arange(N) % 5 - 9))):
        with Memory.create(folder / name, D, 0.7, similarity="euclidean") as memory:
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(Form, "tail_rows", 30)
                for rows in (slice(0, 40), slice(40, 81), slice(81, N)):
                    memory.add(duplicated()[rows], None if values is None else values[rows])
            assert len(memory._contents.held) == 2
            memory.remove(torch.tensor([3, 50, 51, 102]))


def digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    """What went wrong, by the number of processes."""
    folder = tmp_path_factory.mktemp("shards")
    made(folder)
    before = digest(folder / "plain")
    spawn(sharded.run, (WORLDS, str(folder)), nprocs=max(WORLDS))
    assert digest(folder / "plain") == before
    return {
        world: [torch.load(folder / f"wrong {world} {rank}") for rank in range(world)]
        for world in WORLDS
    }


def test_one_process(tmp_path):
    """Without others, nothing needs to be started."""
    made(tmp_path)
    for check in CHECKS:
        if check is not sharded.data_parallel:
            check(0, 1, tmp_path)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("check", [check.__name__ for check in CHECKS])
def test_processes(wrong, world, check):
    for rank, found in enumerate(wrong[world]):
        assert check not in found, f"process {rank}: {found[check]}"


@pytest.mark.parametrize("how", ["dies", "hangs"])
def test_failing_process(tmp_path, how):
    """All others are told within the time, and no file is touched."""
    made(tmp_path)
    before = digest(tmp_path / "plain")
    context = get_context("spawn")
    started = [
        context.Process(target=sharded.fail, args=(rank, 3, str(tmp_path), how))
        for rank in range(3)
    ]
    for process in started:
        process.start()
    for rank in (0, 2):
        started[rank].join(60)
    started[1].kill()
    started[1].join()
    for rank in (0, 2):
        says, seconds = torch.load(tmp_path / f"told {rank}")
        assert f"retrieve on process {rank} of 3: another process died, or did not" in says
        assert "within 3 s" in says
        assert seconds < 8
    assert digest(tmp_path / "plain") == before
