"""Retrieval from codes: its bound holds in every case, and is as small as was asked for."""

import pytest
import torch

import hopfield
from hopfield.errors import ArgumentError
from hopfield.memory import Memory
from hopfield.memory.certified import certified
from hopfield.memory.certified.int8 import quantised
from hopfield.similarity import normalised

pytest.importorskip("numba")


@pytest.fixture(autouse=True)
def small_segments(monkeypatch):
    monkeypatch.setattr("hopfield.memory.form.TAIL_NUMBERS", 0)
    monkeypatch.setattr("hopfield.memory.form.SEGMENT_NUMBERS", 0)


def of_kind(kind, count, d, generator):
    """Patterns of length about 1: scattered, in clusters, of different lengths, or equal."""
    drawn = torch.randn(count, d, generator=generator) / d**0.5
    if kind == "clustered":
        centres = torch.randn(20, d, generator=generator) / d**0.5
        return centres[torch.arange(count) % 20] + 0.2 * drawn
    if kind == "lengths":
        return drawn * torch.logspace(-3, 0.5, count)[:, None]
    if kind == "equal":
        return drawn[:1].expand(count, d).clone()
    if kind == "peaked":  # one number of each is much larger than the others: codes are coarse
        drawn[:, 3] = 5.0
    return drawn


def exact(noisy, stored, beta, similarity, separation):
    """One update in float64, of the state as the memory takes it."""
    if similarity == "cosine":
        noisy, stored = normalised(noisy), normalised(stored)
        y = hopfield.update(noisy.double(), stored.double(), beta=beta, separation=separation)
        return normalised(y), stored
    settings = {"beta": beta, "similarity": similarity, "separation": separation}
    return hopfield.update(noisy.double(), stored.double(), **settings), stored


@pytest.mark.parametrize("kind", ["scattered", "clustered", "lengths", "equal", "peaked"])
@pytest.mark.parametrize("separation", ["softmax", "softmax1"])
@pytest.mark.parametrize("similarity", ["dot", "euclidean", "cosine"])
def test_the_bound_holds(kind, separation, similarity):
    generator = torch.Generator().manual_seed(0)
    stored = of_kind(kind, 2500, 24, generator)
    for beta in (0.1, 3.0, 30.0, 400.0):
        memory = Memory(24, beta, similarity=similarity, separation=separation, scan="int8")
        memory.add(stored[:2000])
        memory.add(stored[2000:])
        memory.remove(memory.ids[:9])
        near = stored[[50, 700, 2400]] + 0.1 * torch.randn(3, 24, generator=generator) / 24**0.5
        noisy = torch.cat([near, 0.3 * torch.randn(2, 24, generator=generator), torch.zeros(1, 24)])
        expected, kept = exact(noisy, stored[9:], beta, similarity, separation)
        longest = kept.norm(dim=-1).max()
        for rtol in (None, 1e-2, 1e-4, 1e-7):
            found = memory.retrieve(noisy, rtol=rtol)
            seen = found.certificate
            error = (found.state.double() - expected).norm(dim=-1)
            assert (error <= seen.bound).all()
            if rtol is not None:
                assert (seen.exact | (seen.bound <= rtol * longest)).all()
                assert (seen.rescored[seen.exact] == len(memory)).all()
            else:
                assert (seen.exact | (seen.rescored <= 0.01 * len(memory))).all()


def test_the_bound_of_the_log_partition_holds():
    generator = torch.Generator().manual_seed(1)
    stored = of_kind("clustered", 3000, 16, generator)
    noisy = stored[:20] + 0.05 * torch.randn(20, 16, generator=generator)
    for beta in (1.0, 20.0, 100.0):
        memory = Memory(16, beta, scan="int8")
        memory.add(stored)
        expected = hopfield.partial(noisy.double(), stored.double(), beta=beta).log_partition
        seen = memory.retrieve(noisy).certificate
        assert ((seen.log_partition - expected).abs() <= seen.log_partition_bound).all()


def test_an_error_planted_in_the_codes_breaks_the_bound(monkeypatch):
    """The test above can fail: with errors that are too small, bounds do not hold."""
    generator = torch.Generator().manual_seed(2)
    stored = of_kind("scattered", 2000, 24, generator)

    def wrong(patterns):
        codes, scales, errors = quantised(patterns)
        return codes, scales, errors * 1e-4

    monkeypatch.setattr("hopfield.memory.segment.quantised", wrong)
    memory = Memory(24, 3.0, scan="int8")
    memory.add(stored)
    noisy = torch.randn(50, 24, generator=generator)
    found = memory.retrieve(noisy)
    expected, _ = exact(noisy, stored, 3.0, "dot", "softmax")
    assert ((found.state - expected).norm(dim=-1) > found.certificate.bound).any()


def test_what_matters_is_rescored_where_weights_are_concentrated():
    generator = torch.Generator().manual_seed(3)
    stored = of_kind("scattered", 20_000, 64, generator)
    memory = Memory(64, 60.0, scan="int8")
    memory.add(stored)
    seen = memory.retrieve(stored[:20]).certificate
    assert (seen.bound <= 1e-3 * stored.norm(dim=-1).max()).all()
    assert (seen.rescored <= 200).all()
    assert not seen.exact.any()


def test_codes_are_within_their_errors():
    for dtype in (torch.float32, torch.bfloat16):
        patterns = torch.randn(300, 7) * torch.logspace(-30, 15, 300)[:, None]
        patterns[5] = 0.0
        patterns = patterns.to(dtype)
        codes, scales, errors = quantised(patterns)
        off = (codes.double() * scales.double()[:, None] - patterns.double()).norm(dim=-1)
        assert (off <= errors).all()
        assert (errors <= 0.02 * patterns.double().norm(dim=-1) + 1e-44).all()


def test_values_are_read_exactly_and_all_lasts(tmp_path):
    stored, labels = torch.randn(2000, 16), torch.arange(2000) % 3
    memory = Memory(16, 1.0, scan="int8", dtype="bfloat16")
    memory.add(stored[:1500], labels[:1500])
    memory.save(tmp_path / "m")
    memory.add(stored[1500:], labels[1500:])
    noisy = torch.randn(2, 3, 16)
    found = memory.retrieve(noisy, steps=3, tol=9.0)
    assert found.certificate.bound.shape == (2, 3)
    assert torch.equal(found.certificate.exact, torch.zeros(2, 3, dtype=torch.bool))
    memory.close()
    opened = Memory.open(tmp_path / "m")
    assert torch.equal(opened.retrieve(noisy, steps=3, tol=9.0).state, found.state)
    opened.compact()
    torch.testing.assert_close(opened.retrieve(noisy, steps=3, tol=9.0).readout, found.readout)


def test_a_pattern_whose_code_is_far_too_low_is_not_lost():
    """The heaviest pattern scores 97 nats too low by its code, and another one too high."""
    n = 100
    noisy = torch.zeros(1, n + 1)
    noisy[0, 1:] = 1.0
    high, low, rest = torch.zeros(1, n + 1), torch.full((1, n + 1), 0.49), torch.zeros(200, n + 1)
    high[0, 1:89], rest[:, 1:] = 0.51, -5.3
    stored = torch.cat([high, low, rest])
    stored[:, 0] = 127.0
    memory = Memory(n + 1, 1.0, scan="int8")
    memory.add(stored)
    for rtol in (None, 1e-3):
        found = memory.retrieve(noisy, rtol=rtol)
        expected, _ = exact(noisy, stored, 1.0, "dot", "softmax")
        partition = hopfield.partial(noisy.double(), stored.double(), beta=1.0).log_partition
        seen = found.certificate
        assert ((found.state.double() - expected).norm(dim=-1) <= seen.bound).all()
        assert ((seen.log_partition - partition).abs() <= seen.log_partition_bound).all()


@pytest.mark.parametrize("separation", ["softmax", "softmax1"])
@pytest.mark.parametrize("scale", [1e-20, 1.0, 255.0, 1e4])
def test_patterns_of_any_length(scale, separation):
    generator = torch.Generator().manual_seed(4)
    stored = scale * torch.rand(300, 40, generator=generator)
    stored[7] *= 1e-4
    for beta in (1e-3, 1.0, 1e5):
        memory = Memory(40, beta, separation=separation, scan="int8")
        memory.add(stored)
        for rtol in (None, 1e-3):
            found = memory.retrieve(stored[:5], rtol=rtol)
            expected, _ = exact(stored[:5], stored, beta, "dot", separation)
            assert found.state.isfinite().all()
            error = (found.state.double() - expected).norm(dim=-1)
            assert (error <= found.certificate.bound).all()


@pytest.mark.parametrize("beta", [20.0, 100.0, 1e4])
@pytest.mark.parametrize("kind", ["scattered", "clustered"])
def test_few_patterns_are_compared_where_one_carries_the_weight(kind, beta):
    generator = torch.Generator().manual_seed(5)
    stored = of_kind(kind, 20_000, 128, generator)
    memory = Memory(128, beta, scan="int8")
    memory.add(stored)
    weights = hopfield.associate(stored[:5], stored, beta=beta)
    seen = memory.retrieve(stored[:5]).certificate
    assert (seen.rescored <= 200).all()
    if (weights.amax(-1) > 0.999).all():
        assert (seen.bound <= 1e-3 * stored.norm(dim=-1).max()).all()


def test_bad_input():
    memory = Memory(16, 1.0, scan="int8")
    memory.add(torch.randn(100, 16))
    with pytest.raises(ArgumentError, match="rtol is 0"):
        memory.retrieve(torch.randn(1, 16), rtol=0)
    with pytest.raises(ArgumentError, match=r"noisy\.detach"):
        memory.retrieve(torch.randn(1, 16, requires_grad=True))
    assert memory.retrieve(torch.randn(0, 16)).certificate.bound.shape == (0,)
    assert certified.BUDGET < certified.MOST_COMPARED
