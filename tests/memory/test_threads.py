"""Several threads use one memory."""

import copy
import pickle
import threading
import time

import pytest
import torch

from hopfield.errors import ArgumentError
from hopfield.memory import Memory
from hopfield.memory.form import Form

WIDTH = 4


@pytest.fixture(params=["in memory", "on disk", "int8"])
def memory(request, tmp_path, monkeypatch):
    monkeypatch.setattr(Form, "tail_rows", property(lambda form: 16))
    monkeypatch.setattr(Form, "segment_rows", property(lambda form: 64))
    made = Memory(WIDTH, beta=1.0, scan="int8" if request.param == "int8" else "exact")
    made.add(torch.ones(1, WIDTH), torch.ones(1, 2))
    if request.param != "in memory":
        made.save(tmp_path / "m")
    yield made
    made.close()


def together(*tasks):
    """Run tasks at once; what they raised."""
    raised = []

    def run(task):
        try:
            task()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_changes_and_retrievals_at_once(memory):
    """Patterns and values of one add are alike, so that a torn state would read out others."""
    kept, end = [], time.monotonic() + 1.5

    def change(seed):
        def run():
            while time.monotonic() < end:
                ids = memory.add(torch.ones(3, WIDTH), torch.ones(3, 2))
                memory.remove(ids[:2])
                kept.append(int(ids[2]))
                if len(kept) % 7 == seed:
                    memory.compact()

        return run

    def retrieve():
        while time.monotonic() < end:
            found = memory.retrieve(torch.randn(2, WIDTH), energy=True)
            torch.testing.assert_close(found.readout, torch.ones(2, 2))
            torch.testing.assert_close(found.state, torch.ones(2, WIDTH))
            assert (memory.associate(torch.ones(1, WIDTH), k=2).ids >= 0).all()
            ids = memory.ids
            assert len(ids.unique()) == len(ids)
            assert bool((memory.get([0])[0] == 1).all())
            memory.refresh()

    assert together(change(0), change(1), change(2), retrieve, retrieve) == []
    assert len(kept) > 10
    assert sorted(memory.ids.tolist()) == [0, *sorted(kept)]
    if memory.path is not None:
        memory.close()
        again = Memory.open(memory.path)
        again.check()
        assert again.ids.tolist() == memory.ids.tolist()


def test_what_was_read_does_not_change(memory):
    """A network that was built, and what is looked at block by block, is of one state."""
    memory.add(2 * torch.ones(20, WIDTH), torch.ones(20, 2))
    memory.add(2 * torch.ones(5, WIDTH), torch.ones(5, 2))
    network, contents = memory._built(), memory._contents
    state = torch.randn(3, WIDTH)
    before, held = network.update(state), [one.ids for one in contents.blocks()]
    memory.remove(memory.ids[::2])
    memory.add(torch.randn(4, WIDTH), torch.ones(4, 2))
    memory.compact()
    torch.testing.assert_close(network.update(state), before, rtol=0, atol=0)
    for one, ids in zip(contents.blocks(), held, strict=True):
        assert one.ids.tolist() == ids.tolist()
    assert len(contents) == 26


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_memory_is_not_copied(memory, copied):
    with pytest.raises(ArgumentError, match=r"neither copied nor pickled: save\(path\)"):
        copied(memory)
