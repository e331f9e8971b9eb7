"""`Memory` is the core's retrieval over what it holds, however it came and wherever it lies."""

import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

import hopfield
from hopfield.errors import ArgumentError, DtypeError, FileError, ShapeError
from hopfield.memory import Memory, MemoryLockedError
from hopfield.similarity import normalised

SEPARATIONS = ["softmax", "softmax1", hopfield.TopK(5)]
SIMILARITIES = ["dot", "euclidean", "cosine"]
close = torch.testing.assert_close


@pytest.fixture(autouse=True)
def small_tail(monkeypatch):
    """Small adds become a segment after 1024 rows, and segments have 2048 at most."""
    monkeypatch.setattr("hopfield.memory.form.TAIL_NUMBERS", 0)
    monkeypatch.setattr("hopfield.memory.form.SEGMENT_NUMBERS", 16 * 2048)


@pytest.fixture
def patterns():
    return torch.randn(5000, 16, generator=torch.Generator().manual_seed(0))


def filled(patterns, tmp_path=None, **settings):
    """A memory with segments, a tail and removed patterns; which patterns are there."""
    memory = Memory(16, 1.5, **settings)
    if tmp_path is not None:
        memory.save(tmp_path / "memory")
    first = memory.add(patterns[:3000])
    second = memory.add(patterns[3000:3600], ids=torch.arange(90_000, 89_400, -1))
    memory.add(patterns[3600:])
    memory.remove(first[:10])
    memory.remove(second[5:20])
    kept = torch.ones(len(patterns), dtype=torch.bool)
    kept[:10] = kept[3005:3020] = False
    return memory, kept


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("separation", SEPARATIONS, ids=str)
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_retrieves_as_the_core_does(patterns, tmp_path, similarity, separation, on_disk):
    settings = {"similarity": similarity, "separation": separation}
    memory, kept = filled(patterns, tmp_path if on_disk else None, **settings)
    stored = patterns[kept]
    noisy = patterns[20:60] + 0.1 * torch.randn(40, 16)
    settings["beta"] = 1.5
    assert len(memory) == len(stored) == len(memory.ids)
    for steps in (1, 4):
        found = memory.retrieve(noisy, steps=steps, energy=True)
        expected = hopfield.retrieve(noisy, stored, steps=steps, energy=True, **settings)
        close(found.state, expected.state, atol=1e-4, rtol=1e-4)
        close(found.energy, expected.energy, atol=1e-4, rtol=1e-4)
        assert torch.equal(found.steps, expected.steps)
    close(memory.energy(noisy), hopfield.energy(noisy, stored, **settings), atol=1e-4, rtol=1e-4)
    phase, expected = memory.phase(noisy), hopfield.phase(noisy, stored, **settings)
    assert torch.equal(phase.k90, expected.k90)
    assert torch.equal(phase.label, expected.label)
    assert torch.equal(phase.visible, expected.visible)
    close(phase.entropy, expected.entropy, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("separation", SEPARATIONS, ids=str)
def test_associations_are_the_heaviest_weights(patterns, separation):
    memory, kept = filled(patterns, separation=separation)
    noisy = torch.randn(3, 7, 16)
    weights = hopfield.associate(noisy, patterns[kept], beta=1.5, separation=separation)
    for k in (1, 3, 8):
        found = memory.associate(noisy, k)
        expected = weights.topk(k)
        close(found.weights, expected.values, atol=1e-5, rtol=1e-4)
        close(found.left_out, weights.sum(-1) - expected.values.sum(-1), atol=1e-5, rtol=1e-4)
        own = expected.values > 1e-6  # the order of weights of 0 says nothing
        assert torch.equal(found.ids[own], memory.ids[expected.indices][own])
    everything = memory.associate(noisy, 10_000)
    assert everything.ids.shape == (3, 7, len(memory))
    assert set(everything.ids[0, 0].tolist()) == set(memory.ids.tolist())


def test_converges_state_by_state(patterns):
    memory, kept = filled(patterns)
    noisy = patterns[100:130] + 0.05 * torch.randn(30, 16)
    found = memory.retrieve(noisy, steps=50, tol=1e-4)
    expected = hopfield.retrieve(noisy, patterns[kept], steps=50, tol=1e-5, beta=1.5)
    assert found.converged.all()
    assert (found.change <= 1e-4).all()
    close(found.state, expected.state, atol=1e-3, rtol=1e-3)
    with pytest.warns(hopfield.ConvergenceWarning, match="did not converge in 1 updates"):
        assert not memory.retrieve(noisy, steps=1, tol=1e-6).converged.any()


def test_values_are_read_out_by_the_last_association(patterns):
    values = torch.randn(5000, 3)
    memory = Memory(16, 1.0)
    memory.add(patterns[:4000], values[:4000])
    memory.add(patterns[4000:], values[4000:].double().numpy())
    noisy = torch.randn(5, 16)
    before = hopfield.retrieve(noisy, patterns, steps=2, beta=1.0).state
    found = memory.retrieve(noisy, steps=3)
    close(found.readout, hopfield.update(before, patterns, values, beta=1.0), atol=1e-4, rtol=1e-4)
    close(found.state, hopfield.update(before, patterns, beta=1.0), atol=1e-4, rtol=1e-4)
    assert found.classes is None
    with pytest.raises(ArgumentError, match="no labels"):
        _ = found.labels


@pytest.mark.parametrize("separation", SEPARATIONS, ids=str)
def test_labels_are_read_out_as_class_weights(patterns, separation):
    labels = torch.randint(0, 4, (5000,)) * 100 - 7
    memory = Memory(16, 1.0, separation=separation)
    memory.add(patterns[:3000], labels[:3000])
    memory.add(patterns[3000:], labels[3000:])
    noisy = torch.randn(2, 5, 16)
    weights = hopfield.associate(noisy, patterns, beta=1.0, separation=separation)
    classes = torch.tensor([-7, 93, 193, 293])
    expected = torch.stack([weights[..., labels == one].sum(-1) for one in classes], -1)
    found = memory.retrieve(noisy)
    assert torch.equal(found.classes, classes)
    assert torch.equal(memory.classes, classes)
    close(found.readout, expected, atol=1e-5, rtol=1e-4)
    assert torch.equal(found.labels, classes[expected.argmax(-1)])


def test_bfloat16_is_the_core_on_rounded_patterns(patterns):
    memory, kept = filled(patterns, dtype="bfloat16")
    rounded = patterns[kept].bfloat16().float()
    noisy = torch.randn(9, 16)
    expected = hopfield.update(noisy, rounded, beta=1.5)
    close(memory.retrieve(noisy).state, expected, atol=1e-4, rtol=1e-4)
    assert torch.equal(memory.get(memory.ids[:5])[0], rounded[:5])


def test_gradients_flow_to_states(patterns):
    memory, kept = filled(patterns)
    noisy = torch.randn(4, 16, requires_grad=True)
    (own,) = torch.autograd.grad(memory.retrieve(noisy, steps=2).state.square().sum(), noisy)
    other = hopfield.retrieve(noisy, patterns[kept], steps=2, beta=1.5).state.square().sum()
    close(own, torch.autograd.grad(other, noisy)[0], atol=1e-3, rtol=1e-3)


def test_what_is_added_is_there_and_what_is_removed_is_not(patterns):
    memory = Memory(16)
    labels = torch.arange(5000)
    ids = memory.add(patterns, labels, ids=torch.randperm(5000))
    found, values = memory.get(ids[[7, 4000, 3]])
    assert torch.equal(found, patterns[[7, 4000, 3]])
    assert torch.equal(values, labels[[7, 4000, 3]])
    memory.remove(ids[4000:4002])
    with pytest.raises(ArgumentError, match=r"ids has 1 ids \(\d+\) that this memory does not"):
        memory.get(ids[4000:4001])
    memory.add(patterns[:1], labels[:1], ids=ids[4000:4001])  # an id that was removed is free
    assert torch.equal(memory.get(ids[4000:4001])[0], patterns[:1])
    assert len(memory) == 4999
    assert memory.add(patterns[:2], labels[:2]).tolist() == [5000, 5001]
    memory.remove(memory.ids)
    assert len(memory) == 0
    with pytest.raises(ArgumentError, match="holds no pattern"):
        memory.retrieve(patterns[:1])


def test_small_adds_cost_the_same_however_many_there_are(patterns):
    memory = Memory(16)
    for row in range(3000):
        memory.add(patterns[row : row + 1])
    assert [len(held) for held in memory._contents.blocks()] == [1025, 1025, 950]
    assert torch.equal(memory.ids, torch.arange(3000))


def test_compacting_changes_nothing_but_the_segments(patterns, tmp_path):
    memory, _ = filled(patterns, tmp_path)
    noisy = torch.randn(9, 16)
    before, ids = memory.retrieve(noisy).state, memory.ids
    memory.compact()
    assert torch.equal(memory.ids, ids)
    close(memory.retrieve(noisy).state, before)
    blocks = [*memory._contents.blocks()]
    assert all(held.removed is None for held in blocks)
    assert [len(held) for held in blocks] == [2048 - 10, 952, 585 + 1400]
    memory.close()
    again = Memory.open(tmp_path / "memory")
    assert torch.equal(again.ids, ids)
    close(again.retrieve(noisy).state, before)
    again.check()


def test_opened_it_is_what_was_saved(patterns, tmp_path):
    memory, _ = filled(patterns, dtype="bfloat16", similarity="cosine", separation=hopfield.TopK(9))
    noisy = torch.randn(9, 16)
    before = memory.retrieve(noisy).state
    memory.save(tmp_path / "a b ß.hopfield")
    opened = Memory.open(tmp_path / "a b ß.hopfield")
    assert torch.equal(opened.ids, memory.ids)
    close(opened.retrieve(noisy).state, before)
    assert opened.form == memory.form
    assert opened.beta == 1.5
    assert "5000" not in repr(opened)
    assert "4975 patterns of width 16, bfloat16" in repr(opened)


def test_a_reader_sees_one_state_until_it_refreshes(patterns, tmp_path):
    writer = Memory.create(tmp_path / "m", 16)
    writer.add(patterns[:100])
    reader = Memory.open(tmp_path / "m")
    writer.add(patterns[100:3000])
    writer.remove([0])
    writer.compact()
    assert len(reader) == 100
    assert torch.equal(reader.get([0])[0], patterns[:1])
    assert reader.refresh()
    assert len(reader) == 2999
    assert not reader.refresh()


def test_one_writes_at_a_time_and_goes_on_from_the_newest_state(patterns, tmp_path):
    first = Memory.create(tmp_path / "m", 16)
    first.add(patterns[:10])
    second = Memory.open(tmp_path / "m")
    with pytest.raises(MemoryLockedError, match="being written to by another"):
        second.add(patterns[:1])
    assert len(second) == 10
    first.add(patterns[10:20])
    first.close()
    with second:
        assert second.add(patterns[20:21]).tolist() == [20]
    with pytest.raises(ArgumentError, match=r"1 ids \(20\) that other patterns have"):
        first.add(patterns[:1], ids=[20])
    assert len(first) == 21


def test_readers_go_on_while_another_process_adds(tmp_path):
    Memory.create(tmp_path / "m", 8).add(torch.randn(500, 8))
    code = (
        "import sys, torch, hopfield\n"
        "hopfield.memory.form.TAIL_NUMBERS = 0\n"
        "m = hopfield.Memory.open(sys.argv[1])\n"
        "for i in range(60):\n"
        "    m.add(torch.randn(100, 8)); m.remove(m.ids[:20])\n"
        "    m.compact() if i % 10 == 9 else None\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "m")])
    seen, failed = set(), []

    def read():
        try:
            while writer.poll() is None:
                memory = Memory.open(tmp_path / "m")
                memory.retrieve(torch.randn(2, 8))
                seen.add(len(memory))
                memory.refresh()
                memory.get(memory.ids[-5:])
        except Exception as error:
            failed.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert failed == []
    assert writer.returncode == 0
    assert len(seen) > 3
    assert len(Memory.open(tmp_path / "m")) == 500 + 60 * 80


def test_beta_is_found_when_it_is_needed_and_kept(patterns, tmp_path):
    memory = Memory.create(tmp_path / "m", 16, beta="auto", similarity="cosine")
    memory.add(patterns)
    assert "beta to be found" in repr(memory)
    unit = normalised(patterns)
    expected = hopfield.theory.storing_beta(unit, 0.01).beta
    assert memory.beta == pytest.approx(expected, rel=1e-3)
    memory.add(patterns[:10] + 1)  # never found anew by itself
    memory.close()
    opened = Memory.open(tmp_path / "m")
    assert opened.beta == memory.beta
    found = opened.choose_beta(error=0.1, share=0.9, sample=200, seed=1)
    assert opened.beta == found.beta != memory.beta
    opened.beta = 3
    opened.close()
    assert Memory.open(tmp_path / "m").beta == 3.0


def test_diagnosis_agrees_with_the_theory(patterns):
    few = torch.cat([patterns[:200], patterns[:1]])
    memory = Memory(16, 0.8)
    ids = memory.add(few, ids=torch.arange(201) * 3)
    memory.remove(ids[5:6])
    few = torch.cat([few[:5], few[6:]])
    found = memory.diagnose(error=0.2, share=0.5, sample=1000)
    assert found.patterns == len(found.ids) == 200
    close(found.delta.float(), hopfield.theory.delta(few))
    moved = (hopfield.update(few, few, beta=0.8) - few).norm(dim=-1)
    assert torch.equal(found.stored, (moved <= 0.2) & (hopfield.theory.delta(few) > 0))
    assert found.longest == pytest.approx(few.norm(dim=-1).max().item())
    assert found.spread == pytest.approx(hopfield.theory.spread(few).item())
    assert found.choice.beta == hopfield.theory.storing_beta(few, 0.2, 0.5).beta
    expected = hopfield.fixed_points(few, beta=0.8, steps=200).reached
    assert torch.equal(found.family, expected)
    assert sum(map(len, found.families)) == int((found.family >= 0).sum())
    assert "β to choose" in str(found)
    with_two_equal = memory.diagnose(share=1.0)
    assert with_two_equal.choice is None
    assert "no β stores them" in str(with_two_equal)
    far = Memory(16, 0.8, similarity="euclidean")
    far.add(few)
    distance = torch.cdist(few.double(), few.double()).square() / 2
    expected = distance.fill_diagonal_(torch.inf).amin(-1)
    close(far.diagnose().delta, expected, atol=1e-9, rtol=1e-6)
    assert "of the dot product" in far.diagnose().why_not


NAN = torch.full((2, 16), torch.nan)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((torch.ones(2, 15),), ShapeError, r"\(2, 15\); this memory holds patterns of width 16"),
        ((torch.ones(16),), ShapeError, "at least 2 dimensions"),
        ((torch.ones(1, 2, 16),), ShapeError, r"\(n, d\) is expected"),
        ((torch.ones(2, 16, dtype=torch.int64),), DtypeError, "floating"),
        (("nonsense",), DtypeError, "cannot be made a tensor"),
        ((NAN,), ArgumentError, "patterns has NaN or infinite values in 2 of 2"),
        ((1e30 * torch.ones(2, 16),), ArgumentError, "too long for torch.float32"),
        ((torch.ones(2, 16), torch.ones(3)), ShapeError, "3 values for 2 patterns"),
        ((torch.ones(2, 16), torch.ones(2, 2, 2)), ShapeError, "is expected"),
        ((torch.ones(2, 16), torch.ones(2, 4)), ShapeError, r"values of shape \(4,\)"),
        ((torch.ones(2, 16), torch.tensor([1, 2])), ShapeError, "labels"),
        ((torch.ones(2, 16),), ShapeError, "no values"),
        ((torch.ones(2, 16), NAN[:, :3]), ArgumentError, "values has NaN"),
        ((torch.ones(2, 16), torch.ones(2, 3), [1]), ShapeError, "1 ids for 2 patterns"),
        ((torch.ones(2, 16), torch.ones(2, 3), [8, 8]), ArgumentError, r"\(8\) that occur more"),
        ((torch.ones(2, 16), torch.ones(2, 3), [0, 8]), ArgumentError, r"\(0\) that other"),
        ((torch.ones(2, 16), torch.ones(2, 3), [0.5, 1]), DtypeError, "whole numbers"),
        ((torch.ones(2, 16), torch.ones(2, 3), [[1], [2]]), ShapeError, r"\(n,\) is expected"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_stored(tmp_path, arguments, error, says):
    memory = Memory.create(tmp_path / "m", 16)
    memory.add(torch.randn(3, 16), torch.randn(3, 3))
    with pytest.raises(error, match=says):
        memory.add(*arguments)
    assert len(memory) == len(Memory.open(tmp_path / "m")) == 3
    assert memory.add(torch.ones(1, 16), torch.ones(1, 3)).tolist() == [3]


@pytest.mark.parametrize(
    ("ids", "error", "says"),
    [
        ([1, 99], ArgumentError, r"1 ids \(99\) that this memory does not hold"),
        ([1, 1], ArgumentError, r"1 ids \(1\) that occur more than once"),
        ([True], DtypeError, "whole numbers"),
    ],
)
def test_removing_what_is_not_there(ids, error, says):
    memory = Memory(16)
    memory.add(torch.randn(3, 16))
    with pytest.raises(error, match=says):
        memory.remove(ids)
    assert len(memory) == 3


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"beta": 0}, "beta is 0; a finite number above 0"),
        ({"beta": -1.0}, "beta is -1.0"),
        ({"beta": "automatic"}, "beta is 'automatic'"),
        ({"similarity": "manhattan"}, "similarity is 'manhattan'"),
        ({"separation": "sparsemax"}, r"cannot have the separation Sparsemax\(\)"),
        ({"separation": "entmax"}, "cannot have the separation Entmax"),
        ({"dtype": "float16"}, "dtype is 'float16'"),
        ({"scan": "int4"}, "scan is 'int4'"),
        ({"scan": "int8", "separation": hopfield.TopK(3)}, "top-k scans exactly"),
    ],
)
def test_settings_out_of_range(settings, says):
    with pytest.raises(ArgumentError, match=says):
        Memory(16, **settings)
    with pytest.raises(ArgumentError, match="dim is 0"):
        Memory(0)


def test_paths_that_are_no_memory(tmp_path):
    with pytest.raises(FileError, match="is no memory: there is no manifest"):
        Memory.open(tmp_path)
    with pytest.raises(FileError, match="is no memory"):
        Memory.open(tmp_path / "nowhere")
    (tmp_path / "file").write_text("text")
    with pytest.raises(FileError, match="is no memory"):
        Memory.open(tmp_path / "file")
    with pytest.raises(FileError, match="is there already"):
        Memory.create(tmp_path / "file", 3)
    with pytest.raises(FileError, match="there is no folder"):
        Memory.create(tmp_path / "no" / "folder", 3)
    with pytest.raises(ArgumentError, match="not on disk"):
        Memory(3).check()


def test_states_that_do_not_fit(patterns):
    memory = Memory(16)
    memory.add(patterns[:5])
    for noisy, error in ((torch.ones(2, 3), ShapeError), (NAN, ArgumentError), ([1], DtypeError)):
        for call in (memory.retrieve, memory.associate, memory.energy, memory.phase):
            with pytest.raises(error):
                call(noisy)
    for settings in ({"steps": 0}, {"tol": -1.0}, {"rtol": 0.1}):
        with pytest.raises(ArgumentError):
            memory.retrieve(patterns[:1], **settings)
    with pytest.raises(ArgumentError, match="k is 0"):
        memory.associate(patterns[:1], 0)


def test_no_states_are_no_error(patterns):
    memory = Memory(16)
    memory.add(patterns[:5])
    assert memory.retrieve(patterns[:0]).state.shape == (0, 16)
    assert memory.associate(patterns[:0], 2).ids.shape == (0, 2)
    assert memory.add(patterns[:0]).shape == (0,)
    assert len(memory) == 5


@pytest.mark.parametrize("length", [1e3, 1e5])
def test_weights_of_large_scores(length):
    """Four equal patterns, whose scores a float32 does not tell from their log-partition."""
    memory = Memory(4, 1.0)
    memory.add(torch.full((4, 4), length), torch.arange(4))
    noisy = torch.full((1, 4), length)
    close(memory.retrieve(noisy).readout, torch.full((1, 4), 0.25))
    found = memory.associate(noisy, 3)
    close(found.weights, torch.full((1, 3), 0.25))
    close(found.left_out, torch.tensor([0.25]))


def test_numbers_that_float32_does_not_hold(patterns):
    for beta in (1e-40, 1e40):
        with pytest.raises(ArgumentError, match="beta is 1e"):
            Memory(16, beta)
    memory = Memory(16, 1e20, similarity="euclidean")
    memory.add(1e10 * patterns[:5])
    for call in (memory.retrieve, memory.associate, memory.energy, memory.phase):
        with pytest.raises(ArgumentError, match="choose a smaller beta"):
            call(patterns[:1])
        with pytest.raises(ArgumentError, match="noisy has vectors that are too long"):
            call(1e300 * patterns[:1].double())
    with pytest.raises(ArgumentError, match=r"choose_beta\(\) finds one"):
        memory.beta = "auto"


def test_ids_at_the_ends_of_int64(patterns):
    memory = Memory(16)
    memory.add(patterns[:2], ids=[2**63 - 1, -(2**63)])
    with pytest.raises(ArgumentError, match="no ids left to count"):
        memory.add(patterns[:1])
    assert torch.equal(memory.get([-(2**63)])[0], patterns[1:2])
    for ids in (np.array([2**63 + 5], np.uint64), np.array([2**64 - 1], np.uint64)):
        with pytest.raises(ArgumentError, match=r"from 2\*\*63 on"):
            memory.add(patterns[:1], ids=ids)
    with pytest.raises(DtypeError, match="ids is a list that cannot be made a tensor"):
        memory.add(patterns[:1], ids=[2**63])
    assert len(memory) == 2


def test_arrays_of_any_kind(patterns):
    memory, array = Memory(16), patterns[:9].numpy().copy()
    array.flags.writeable = False
    memory.add(array[::-1])
    memory.add(array.astype(">f8"))
    assert torch.equal(memory.get([0, 9])[0], patterns[[8, 0]])
    for tensor in (patterns[:2].to_sparse(), patterns[:2].to("meta")):
        with pytest.raises(DtypeError, match="not dense in memory"):
            memory.add(tensor)


def test_a_diagnosis_needs_no_beta_that_stores():
    equal = torch.ones(20, 16)
    memory = Memory(16, "auto")
    memory.add(equal)
    found = memory.diagnose()
    assert found.beta == 0.25
    assert "no β stores them" in found.why_not
    memory.remove(memory.ids[1:])
    assert "nan" not in str(memory.diagnose())
    assert "beta to be found" in repr(memory)
    zero = Memory(16, 1.0)
    zero.add(torch.zeros(3, 16))
    with pytest.raises(ArgumentError, match="all patterns are 0"):
        zero.diagnose()


def test_a_reader_finds_beta_without_writing(patterns, tmp_path):
    with Memory.create(tmp_path / "m", 16, "auto", similarity="cosine") as writer:
        writer.add(patterns[:300])
        reader = Memory.open(tmp_path / "m")
        found = reader.beta  # while another writes, it is the reader's own
        assert Memory.open(tmp_path / "m")._beta is None
        writer.add(patterns[300:310])
    assert len(reader) == 300
    other = Memory.open(tmp_path / "m")
    assert other.beta == pytest.approx(found, rel=0.2)
    assert Memory.open(tmp_path / "m").beta == other.beta  # kept: nobody wrote
    with Memory.open(tmp_path / "m") as again:  # and the lock was let go
        again.add(patterns[:1])
