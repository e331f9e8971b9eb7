"""Retrieval by an index: estimates, how far off they say they are, and how far off they are."""

import json
import os
import sys
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from torch import Tensor

from hopfield.errors import (
    ArgumentError,
    DataWarning,
    FileError,
    MemoryCorrupt,
    MissingExtraError,
)
from hopfield.memory import Memory, Probe
from hopfield.memory.store.manifest import _digest
from hopfield.separation import TopK

pytest.importorskip("faiss")
pytest.importorskip("numba")

D = 16
PROBE = Probe(lists=4, samples=64)


def patterns(count: int, spread: float = 0.4, seed: int = 0) -> Tensor:
    """Clusters of about 40."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(max(1, count // 40), D, generator=generator)
    which = torch.randint(len(centres), (count,), generator=generator)
    return centres[which] + spread * torch.randn(count, D, generator=generator)


def noisy(stored: Tensor, count: int, noise: float = 0.4, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    chosen = stored[torch.randint(len(stored), (count,), generator=generator)].float()
    return chosen + noise * torch.randn(chosen.shape, generator=generator)


def built(stored: Tensor, beta: float = 0.5, lists: int = 50, **settings: object) -> Memory:
    memory = Memory(D, beta, **settings)  # type: ignore[arg-type]
    memory.add(stored)
    memory.build_index(lists, queries=100)
    return memory


def errors(memory: Memory, state: Tensor, probe: Probe) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """‖ŷ − y‖ and |log Ẑ − log Z|, and what the intervals say of both."""
    found, exact = memory.retrieve(state, index=probe), memory.retrieve(state)
    assert found.interval is not None
    log_partition = memory._built().log_partition(memory.form.states(state))
    off = (found.state - exact.state).norm(dim=-1)
    log_off = (found.interval.log_partition - log_partition).abs()
    return off, log_off, found.interval.error, found.interval.log_partition_error


def assert_agrees(memory: Memory, probe: Probe, state: Tensor, share: float = 0.85) -> None:
    """Few states show that an estimate is not wrong; coverage is tested with many."""
    off, log_off, error, log_error = errors(memory, state, probe)
    assert (off <= error).float().mean() >= share
    assert (log_off <= log_error).float().mean() >= share


@pytest.mark.parametrize("similarity", ["dot", "euclidean", "cosine"])
@pytest.mark.parametrize("separation", ["softmax", "softmax1"])
def test_all_lists_are_exact(similarity: str, separation: str) -> None:
    stored = patterns(600)
    memory = built(stored, similarity=similarity, separation=separation)
    state = noisy(stored, 20)
    off, log_off, error, log_error = errors(memory, state, Probe(lists=50))
    assert off.max() < 1e-5
    assert log_off.max() < 1e-5
    assert error.max() < 1e-3
    assert log_error.max() < 1e-3


@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
def test_sums_are_unbiased(similarity: str) -> None:
    stored = patterns(2000, spread=0.8)
    memory = built(stored, similarity=similarity)
    state, draws = noisy(stored, 1), 400
    exact = memory.retrieve(state).state[0]
    log_partition = memory._built().log_partition(state)[0]
    mass, total = [], []
    for seed in range(draws):
        found = memory.retrieve(state, index=Probe(1, 32, seed))
        assert found.interval is not None
        mass.append((found.interval.log_partition[0] - log_partition).exp())
        total.append(mass[-1] * found.state[0])
    for estimates, truth in ((torch.stack(mass), 1.0), (torch.stack(total), exact)):
        standard_error = estimates.std(0) / draws**0.5
        assert standard_error.max() > 1e-4  # there is something to be biased
        assert ((estimates.mean(0) - truth).abs() < 4.5 * standard_error).all()


@pytest.mark.parametrize("beta", [0.08, 0.5, 4.0])
@pytest.mark.parametrize("similarity", ["dot", "euclidean", "cosine"])
def test_intervals_cover(beta: float, similarity: str) -> None:
    stored = patterns(4000)
    beta *= D if similarity == "cosine" else 1
    memory = built(stored, beta, 100, similarity=similarity)
    off, log_off, error, log_error = errors(memory, noisy(stored, 1000), PROBE)
    assert (off <= error).float().mean() >= 0.93
    assert (log_off <= log_error).float().mean() >= 0.93
    assert (error < 0.1 * stored.norm(dim=-1).max()).float().mean() > 0.3  # and say something


@pytest.mark.parametrize("beta", [0.08, 0.5, 4.0])
def test_intervals_cover_where_heavy_patterns_are_missed(beta: float) -> None:
    generator = torch.Generator().manual_seed(0)
    stored = torch.randn(4000, D, generator=generator)
    memory = built(stored, beta, 200)
    state, longest = noisy(stored, 1000, 0.3), stored.norm(dim=-1).max()
    off, log_off, error, log_error = errors(memory, state, Probe(1, 32))
    assert (off <= error).float().mean() >= 0.93
    assert (log_off <= log_error).float().mean() >= 0.93
    if beta == 4.0:  # the test is of what it says
        assert (off > 0.1 * longest).float().mean() > 0.1
        assert (off < 0.01 * longest).float().mean() > 0.1


@pytest.mark.parametrize("beta", [8.0, 1e-3])
def test_single_patterns_and_global_states_come_out_right(beta: float) -> None:
    stored = patterns(4000, spread=0.2)
    memory = built(stored, beta, 100)
    off, log_off, error, _ = errors(memory, noisy(stored, 50, 0.1), Probe(32, 64))
    longest = stored.norm(dim=-1).max()
    assert off.median() < 0.005 * longest
    assert error.median() < 0.05 * longest
    assert log_off.median() < 0.01


def test_added_patterns_are_compared_besides() -> None:
    stored = patterns(1000)
    memory = built(stored, 2.0)
    more = 2 * patterns(30, seed=7)
    memory.add(more)
    found = memory.retrieve(more, index=PROBE)
    torch.testing.assert_close(found.state, memory.retrieve(more).state, atol=1e-3, rtol=0)
    assert found.interval is not None
    assert (found.interval.compared >= 30).all()
    assert_agrees(memory, PROBE, noisy(stored, 100))


@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
def test_removed_patterns_drop_out(similarity: str) -> None:
    stored = patterns(1000)
    memory = built(stored, 2.0, similarity=similarity)
    memory.remove(torch.arange(0, 1000, 2))
    assert_agrees(memory, PROBE, noisy(stored, 200))
    everything = errors(memory, noisy(stored, 50), Probe(lists=50))
    assert everything[0].max() < 1e-4
    memory.remove(torch.arange(1, 1000, 2)[:-1])
    last = memory.retrieve(noisy(stored, 5), index=PROBE).state
    torch.testing.assert_close(last, stored[-1:].expand(5, -1), atol=1e-4, rtol=0)


def test_all_that_it_knew_may_be_removed() -> None:
    memory = built(patterns(100), lists=5)
    memory.remove(memory.ids)
    memory.add(patterns(20, seed=3))
    assert errors(memory, noisy(patterns(20), 5), PROBE)[0].max() < 1e-4


def test_an_id_may_come_back_with_another_pattern() -> None:
    stored = patterns(500)
    memory = built(stored, 4.0, 20)
    memory.remove([3])
    memory.add(-3 * stored[3:4], ids=[3])
    found = memory.retrieve(-3 * stored[3:4], index=PROBE).state
    torch.testing.assert_close(found, -3 * stored[3:4], atol=1e-3, rtol=0)


@pytest.mark.parametrize("on_disk", [False, True])
def test_compact_brings_it_along(tmp_path: Path, on_disk: bool) -> None:
    stored = patterns(1000)
    memory = built(stored, 2.0)
    if on_disk:
        memory.save(tmp_path / "memory")
    memory.add(patterns(100, seed=5))
    memory.remove(torch.arange(0, 300))
    state = noisy(stored, 50)
    before = errors(memory, state, Probe(lists=50))[0]
    memory.compact()
    assert before.max() < 1e-4
    assert errors(memory, state, Probe(lists=50))[0].max() < 1e-4
    assert_agrees(memory, PROBE, noisy(stored, 100))
    if on_disk:
        opened = Memory.open(tmp_path / "memory")
        torch.testing.assert_close(
            opened.retrieve(state, index=PROBE).state, memory.retrieve(state, index=PROBE).state
        )


def test_without_patterns_there_is_no_index(tmp_path: Path) -> None:
    memory = built(patterns(100), lists=5)
    memory.save(tmp_path / "memory")
    memory.remove(memory.ids)
    memory.compact()
    memory.add(patterns(10))
    for one in (memory, Memory.open(tmp_path / "memory")):
        with pytest.raises(ArgumentError, match=r"build_index\(\)"):
            one.retrieve(torch.ones(1, D), index=PROBE)


def test_saved_and_opened_it_is_the_same(tmp_path: Path) -> None:
    stored = patterns(1000)
    memory = built(stored)
    memory.remove([1, 5])
    state = noisy(stored, 20)
    assert_agrees(memory, PROBE, state)
    memory.save(tmp_path / "memory")
    memory.check()
    opened = Memory.open(tmp_path / "memory")
    one, other = memory.retrieve(state, index=Probe()), opened.retrieve(state, index=Probe())
    assert one.interval is not None
    assert other.interval is not None
    assert torch.equal(one.state, other.state)
    assert torch.equal(one.interval.error, other.interval.error)
    kept = json.loads((tmp_path / "memory" / "manifest.json").read_text())["memory"]
    assert kept["index_settings"]["calibrations"][0]["beta"] == memory.beta
    Memory.open(tmp_path / "memory").add(stored[:1])  # whoever writes keeps it
    opened.refresh()
    assert opened.retrieve(state, index=Probe()).state.shape == state.shape


@pytest.mark.parametrize("damage", ["flipped", "missing"])
def test_a_damaged_index_is_built_anew(tmp_path: Path, damage: str) -> None:
    stored = patterns(500)
    memory = built(stored, lists=20)
    memory.save(tmp_path / "memory")
    state = noisy(stored, 10)
    before = memory.retrieve(state, index=Probe(2, 64)).state
    (path,) = (tmp_path / "memory").glob("index-*")
    if damage == "flipped":
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    else:
        os.unlink(path)
    opened = Memory.open(tmp_path / "memory")
    with pytest.warns(DataWarning, match=damage if damage == "missing" else "checksum"):
        after = opened.retrieve(state, index=Probe(2, 64)).state
    torch.testing.assert_close(before, after)
    opened.build_index(20, queries=100)
    opened.close()
    opened.check()
    assert Memory.open(tmp_path / "memory").retrieve(state, index=Probe()).interval is not None


def test_it_is_calibrated_for_the_beta_there_is() -> None:
    stored = patterns(1000)
    memory = built(stored, 4.0)
    memory.retrieve(stored[:1], index=PROBE)
    memory.beta = 0.1
    off, _, error, _ = errors(memory, noisy(stored, 300), PROBE)
    assert (off <= error).float().mean() >= 0.93


def test_results_do_not_depend_on_company_and_differ_by_seed() -> None:
    stored = patterns(1000)
    memory = built(stored, 0.2)
    state = noisy(stored, 8)
    together = memory.retrieve(state, index=PROBE, steps=3).state
    alone = memory.retrieve(state[5:6], index=PROBE, steps=3).state
    torch.testing.assert_close(together[5:6], alone, atol=1e-5, rtol=0)
    assert torch.equal(together, memory.retrieve(state, index=PROBE, steps=3).state)
    assert not torch.equal(together, memory.retrieve(state, index=Probe(4, 64, 1), steps=3).state)


def test_states_converge() -> None:
    stored = patterns(1000)
    for beta in (0.05, 4.0):
        memory = built(stored, beta)
        found = memory.retrieve(noisy(stored, 30), index=PROBE, steps=200, tol=1e-2)
        assert found.converged is not None
        assert found.converged.all()


@pytest.mark.parametrize("later", [0, 50])
def test_values_and_labels(later: int) -> None:
    stored, state = patterns(2000), noisy(patterns(2000), 40)
    for values in (stored[:, :3] + 1, (stored[:, 0] > 0).long() + 7):
        memory = Memory(D, 0.3)
        memory.add(stored[later:], values[later:])
        memory.build_index(50, queries=100)
        if later:
            memory.add(stored[:later], values[:later])
        memory.remove(memory.ids[100:200])
        exact, found = memory.retrieve(state), memory.retrieve(state, index=Probe(4, 512))
        assert (found.readout - exact.readout).abs().mean() < 0.02
        everything = memory.retrieve(state, index=Probe(50)).readout
        torch.testing.assert_close(everything, exact.readout, atol=1e-4, rtol=0)
        if values.dim() == 1:
            assert (found.labels == exact.labels).float().mean() > 0.9
            torch.testing.assert_close(found.readout.sum(-1), torch.ones(40), atol=0.02, rtol=0)


def test_bfloat16_and_several_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hopfield.memory.form.SEGMENT_NUMBERS", 2**10 * D)
    monkeypatch.setattr("hopfield.memory.form.TAIL_NUMBERS", 2**9 * D)
    stored = patterns(3000)
    memory = built(stored, 2.0, dtype="bfloat16")
    assert len(memory._contents.held) > 1
    assert errors(memory, noisy(stored, 20), Probe(50))[0].max() < 1e-4
    assert_agrees(memory, PROBE, noisy(stored, 100))


def test_the_heaviest_patterns() -> None:
    stored = patterns(1000)
    memory = built(stored, 2.0)
    memory.add(patterns(50, seed=9))
    memory.remove([4, 1001])
    state = noisy(stored, 6)
    exact = memory.associate(state, 5)
    found = memory.associate(state, 5, index=Probe(lists=50))
    assert torch.equal(found.ids, exact.ids)
    torch.testing.assert_close(found.weights, exact.weights, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.left_out, exact.left_out, atol=1e-4, rtol=0)
    some = memory.associate(state.view(2, 3, D), 1048, index=PROBE)
    assert some.ids.shape == (2, 3, 1048)
    assert (some.weights[..., 1:] <= some.weights[..., :-1]).all()


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = patterns(200)
    memory = Memory(D)
    with pytest.raises(ArgumentError, match="holds no pattern"):
        memory.build_index()
    memory.add(stored)
    with pytest.raises(ArgumentError, match=r"build_index\(\)"):
        memory.retrieve(stored, index=Probe())
    with pytest.raises(ArgumentError, match="lists is 201"):
        memory.build_index(201)
    with pytest.raises(ArgumentError, match="at least 80"):
        memory.build_index(queries=10)
    with pytest.raises(ArgumentError, match="samples is 3"):
        Probe(samples=3)
    with pytest.raises(ArgumentError, match="lists is 0"):
        Probe(lists=0)
    heaviest = Memory(D, separation=TopK(3))
    heaviest.add(stored)
    with pytest.raises(ArgumentError, match="TopK"):
        heaviest.build_index()
    memory.build_index(5, queries=80)
    with pytest.raises(ArgumentError, match="Probe is expected"):
        memory.retrieve(stored, index=3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="gradient"):
        memory.retrieve(stored.requires_grad_(), index=Probe())
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"hopfield\[memory\]"):
        memory.build_index()


def test_one_pattern_and_equal_patterns() -> None:
    for stored in (torch.ones(1, D), torch.ones(100, D)):
        memory = Memory(D)
        memory.add(stored)
        memory.build_index(queries=80)
        found = memory.retrieve(torch.randn(3, D), index=Probe(1, 32))
        torch.testing.assert_close(found.state, torch.ones(3, D))


def test_no_states() -> None:
    memory = built(patterns(200), lists=5)
    assert memory.retrieve(torch.empty(0, D), index=PROBE).state.shape == (0, D)


@pytest.mark.parametrize("how", ["save", "compact"])
def test_without_its_patterns_it_goes_where_others_stay(tmp_path: Path, how: str) -> None:
    memory = built(patterns(300), lists=10)
    memory.add(patterns(50, seed=3))
    memory.remove(memory.ids[:300])
    memory.save(tmp_path / "memory") if how == "save" else memory.compact()
    assert not memory.info().index
    with pytest.raises(ArgumentError, match=r"build_index\(\)"):
        memory.retrieve(torch.ones(1, D), index=PROBE)


@pytest.mark.parametrize("similarity", ["dot", "euclidean", "cosine"])
@pytest.mark.parametrize("scale", [0.0, 1e-30])
def test_patterns_of_no_length_have_intervals(similarity: str, scale: float) -> None:
    memory = built(scale * patterns(300), lists=10, similarity=similarity)
    _, _, error, log_error = errors(memory, torch.randn(3, D), PROBE)
    assert error.isfinite().all()
    assert log_error.isfinite().all()


@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
@pytest.mark.parametrize("kind", ["none", "labels", "vectors"])
def test_changes_cost_little_and_change_what_they_should(similarity: str, kind: str) -> None:
    """What is taken over from the search before is what would be made anew."""
    stored = patterns(600)
    values = {"none": None, "labels": torch.arange(600) % 7, "vectors": stored[:, :3]}[kind]
    memory = Memory(D, 0.5, similarity=similarity)  # type: ignore[arg-type]
    memory.add(stored, values)
    memory.build_index(20, queries=100)
    state = noisy(stored, 5)
    more = {"none": None, "labels": torch.tensor([3, 99]), "vectors": stored[:2, 3:6]}[kind]
    for change in (
        lambda: memory.add(stored[:2] + 0.1, None if more is None else more % 7),
        lambda: memory.remove([5, 6]),
        lambda: memory.remove([7, 601]),
        lambda: memory.add(stored[2:4] + 0.1, more),
        lambda: setattr(memory, "beta", 0.7),
    ):
        change()
        found = memory.retrieve(state, index=PROBE)
        assert memory._index is not None
        memory._index._search = None
        memory._forget()
        anew = memory.retrieve(state, index=PROBE)
        assert torch.equal(found.state, anew.state)
        assert torch.equal(found.readout, anew.readout)


def test_a_memory_without_a_folder_says_that_it_has_one() -> None:
    assert built(patterns(100), lists=5).info().index


def test_another_process_removed_everything(tmp_path: Path) -> None:
    memory = Memory.create(tmp_path / "memory", D)
    memory.add(patterns(100))
    memory.close()
    with Memory.open(tmp_path / "memory") as other:
        other.remove(other.ids)
        other.compact()
    with pytest.raises(ArgumentError, match="holds no pattern"):
        memory.build_index()


def test_another_process_replaced_the_index(tmp_path: Path) -> None:
    memory = built(patterns(500), lists=20)
    memory.save(tmp_path / "memory")
    before = Memory.open(tmp_path / "memory")
    with Memory.open(tmp_path / "memory") as other:
        other.remove([3])
        other.compact()
    with pytest.warns(DataWarning, match=r"another process replaced the index .* refresh\(\)"):
        before.retrieve(torch.ones(1, D), index=PROBE)
    assert before.refresh()
    before.retrieve(torch.ones(1, D), index=PROBE)


def changed_manifest(folder: Path, **changes: object) -> None:
    """A manifest with other contents, and the checksum of these."""
    path = folder / "manifest.json"
    body = json.loads(path.read_text())
    body["memory"] |= changes
    body["sha256"] = _digest(body["memory"])
    path.write_text(json.dumps(body))


def test_a_manifest_that_says_nonsense_of_the_index(tmp_path: Path) -> None:
    memory = built(patterns(500), lists=20)
    memory.compact()
    memory.save(tmp_path / "memory")
    kept = json.loads((tmp_path / "memory" / "manifest.json").read_text())["memory"]
    state = noisy(patterns(500), 5)
    folder, segment = tmp_path / "memory", kept["segments"][0]
    (folder / "index-1-0.safetensors").write_bytes((folder / segment["file"]).read_bytes())
    for wrong in (
        {"index_settings": kept["index_settings"] | {"calibrations": [{}]}},
        {"index": segment | {"file": "index-1-0.safetensors"}},
    ):
        changed_manifest(tmp_path / "memory", **(kept | wrong))
        with pytest.warns(DataWarning, match="is damaged"):
            found = Memory.open(tmp_path / "memory").retrieve(state, index=PROBE)
        torch.testing.assert_close(found.state, memory.retrieve(state, index=PROBE).state)
    changed_manifest(tmp_path / "memory", **(kept | {"index_settings": {"a": 1}}))
    opened = Memory.open(tmp_path / "memory")
    with pytest.raises(MemoryCorrupt, match=r"build_index\(\) makes it anew"):
        opened.retrieve(state, index=PROBE)
    opened.build_index(20, queries=100)
    opened.close()
    assert Memory.open(tmp_path / "memory").retrieve(state, index=PROBE).interval is not None


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory.create(tmp_path / "memory", D)
    memory.add(patterns(300))

    def full(tensors: object, path: Path) -> None:
        Path(path).write_bytes(b"some")
        raise SafetensorError("No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(FileError, match=r"index-.*\.safetensors cannot be written: No space"):
        memory.build_index(10, queries=100)
    assert not [*(tmp_path / "memory").glob("index-*")]
    monkeypatch.undo()
    memory.build_index(10, queries=100)
    memory.check()


def test_a_damaged_index_needs_no_copy(tmp_path: Path) -> None:
    memory = built(patterns(300), lists=10)
    memory.save(tmp_path / "memory")
    next((tmp_path / "memory").glob("index-*")).unlink()
    with pytest.raises(MemoryCorrupt, match=r"index, which build_index\(\) makes anew"):
        memory.check()
