"""The β from which on patterns hold."""

import math

import pytest
import torch
from torch.nn.functional import normalize

import hopfield
from hopfield.errors import ArgumentError, DtypeError, NotStorableError, ShapeError
from hopfield.theory import beta, delta, max_norm, storing_beta


def share_held(stored, beta, error):
    moved = hopfield.update(stored, stored, beta=beta)
    return ((moved - stored).norm(dim=-1) <= error).double().mean().item()


@pytest.mark.parametrize("share", [0.5, 0.9, 1.0])
def test_the_share_holds_from_there_on(share):
    stored = normalize(torch.randn(200, 8).double(), dim=-1)
    found = storing_beta(stored, 0.05, share)
    assert found.interval == (found.beta, found.beta)
    for factor in (1.001, 1.1, 2.0, 10.0):
        assert share_held(stored, factor * found.beta, 0.05) >= share
    assert share_held(stored, found.beta / 1.003, 0.05) < share


def test_a_pattern_near_the_mean_holds_trivially_at_small_beta():
    """Near β = 0 a pattern at the mean is retrieved, further up it is not: not monotone."""
    stored = torch.cat([2 * torch.eye(4), -2 * torch.eye(4), torch.full((1, 4), 0.05)]).double()
    middle = stored[8:]

    def error(beta):
        return (hopfield.update(middle, stored, beta=beta) - middle).norm().item()

    assert error(1e-6) < 0.2
    with pytest.raises(NotStorableError, match=r"1 of 9 patterns have Δ_i ≤ 0"):
        storing_beta(stored, 0.2, 1.0)
    found = storing_beta(stored, 0.2, 8 / 9)
    assert found.thresholds.isinf().sum() == 1


def test_a_sample_gives_an_interval_that_covers():
    """95 % intervals, over 40 samples of the same patterns: 33 misses or more in 40 cannot pass."""
    stored = normalize(torch.randn(1500, 6).double(), dim=-1)
    exact = storing_beta(stored, 0.1, 0.8, sample=1500).beta
    covered = 0
    for seed in range(40):
        found = storing_beta(stored, 0.1, 0.8, sample=60, seed=seed)
        low, high = found.interval
        assert low <= found.beta <= high
        assert len(found.index) == 60
        covered += low <= exact * 1.001 and exact <= high * 1.001
    assert covered >= 34


def test_what_cannot_be_stored_is_counted():
    stored = normalize(torch.randn(20, 5), dim=-1)
    twice = torch.cat([stored, stored[:4]])
    with pytest.raises(NotStorableError, match=r"8 of 24 patterns .* 0\.666667 is the most"):
        storing_beta(twice, 0.1, 0.9)
    assert storing_beta(twice, 0.1, 0.6).beta > 0


def test_one_pattern_holds_at_any_beta():
    assert storing_beta(torch.randn(1, 4), 0.1).beta == 0


def test_the_same_seed_gives_the_same_answer():
    stored = normalize(torch.randn(700, 6), dim=-1)
    one, other = (storing_beta(stored, 0.1, 0.5, sample=50, seed=7) for _ in range(2))
    assert one.beta == other.beta
    assert torch.equal(one.index, other.index)


def test_a_narrow_stretch_where_a_pattern_fails_is_not_stepped_over():
    """One of the three fails between β = 0.72 and 0.83 and holds below and above."""
    stored = torch.tensor([[2.0, 3], [3, 1], [3, -1]]).double()
    found = storing_beta(stored, 0.404, 1.0)
    assert found.beta > 0.83
    for factor in (1.001, 1.1, 1.5, 3, 10):
        assert share_held(stored, factor * found.beta, 0.404) == 1


def test_patterns_that_are_not_numbers():
    with pytest.raises(ArgumentError, match="stored has NaN"):
        storing_beta(torch.tensor([[torch.nan, 0], [1, 2]]), 0.1)


def thresholds_written_out(stored, index, error):
    """The definition: down in steps of 9 %, then bisection, each by a full update."""
    stored = stored.double()
    radius, found = max_norm(stored).item(), []
    for own, gap in zip(stored[index], delta(stored, index).tolist(), strict=True):

        def holds(at, own=own):
            moved = hopfield.update(own[None], stored, beta=at, backend="naive")[0] - own
            return moved.norm() <= error

        if gap <= 0:
            found.append(math.inf)
            continue
        high = math.log(max(2 * (len(stored) - 1) * radius / error, math.e)) / gap
        low = high / 2 ** (1 / 8)
        while low >= 1e-3 / radius**2 and holds(low):
            low, high = low / 2 ** (1 / 8), low
        if low < 1e-3 / radius**2:
            low = high = 0
        while high > low * 1.001:
            middle = (low * high) ** 0.5
            low, high = (low, middle) if holds(middle) else (middle, high)
        found.append(high)
    return torch.tensor(found).double()


def random():
    return torch.randn(3000, 8)


def clustered():
    return normalize(torch.randn(300, 1, 8) + 0.05 * torch.randn(300, 10, 8), dim=-1).flatten(0, 1)


def duplicated():
    stored = normalize(torch.randn(1500, 8), dim=-1)
    return torch.cat([stored, stored[:200], stored])[:1900]


def of_different_norms():
    return torch.randn(2000, 8) * torch.linspace(0.1, 3, 2000)[:, None]


def near_the_mean():
    """Many hold at every β."""
    return normalize(0.02 * torch.randn(2000, 8) + torch.eye(8)[0], dim=-1)


KINDS = [random, clustered, duplicated, of_different_norms, near_the_mean]


@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("error", [0.01, 0.3])
@pytest.mark.parametrize("kind", KINDS)
def test_thresholds_as_written_out(kind, error, few, monkeypatch):
    """Of more than a few patterns, bounds decide what they can."""
    stored = kind()
    monkeypatch.setattr(beta, "FEW", len(stored) - (not few))
    found = storing_beta(stored, error, 0.01, sample=40)
    wanted = thresholds_written_out(stored, found.index, error)
    torch.testing.assert_close(found.thresholds, wanted, rtol=1e-6, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_bounds_hold(kind, monkeypatch):
    monkeypatch.setattr(beta, "FEW", 0)
    stored = kind().double()
    gaps = delta(stored)
    index = (gaps > 0).nonzero().squeeze(-1)[:50]
    parts = stored, stored[index], index, gaps[index], max_norm(stored).item(), len(stored)
    rows = torch.arange(len(index))
    for factor in (0.3, 2.0, 10.0):
        at, moved = factor / gaps[index], beta._Moved(*parts)
        exact = (hopfield.update(stored[index], stored, beta=at[:, None]) - stored[index]).norm(
            dim=-1
        )
        rounding = 1e-9 * max_norm(stored)
        widths = []
        for measured_at in (None, 0.7, 1.5, 1.01, 1.0):
            if measured_at is not None:
                moved.measure(rows, measured_at * at)
            at_least, at_most = moved.bounds(rows, at)
            assert (at_least <= exact + rounding).all()
            assert (exact <= at_most + rounding).all()
            widths.append(at_most - at_least)
        assert (widths[-1] <= rounding).all()
        assert (widths[-2] <= widths[0]).all()


def in_blocks(stored):
    def blocks():
        yield from stored.split([700, 1, len(stored) - 701])

    return blocks


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_blocks_are_the_whole(kind, dtype, monkeypatch):
    monkeypatch.setattr(beta, "FEW", 0)
    stored = kind().to(dtype)
    whole = storing_beta(stored, 0.1, 0.01, sample=30)
    for blocks in (in_blocks(stored), [*in_blocks(stored)()], lambda: stored):
        found = storing_beta(blocks, 0.1, 0.01, sample=30)
        assert torch.equal(found.index, whole.index)
        torch.testing.assert_close(found.thresholds, whole.thresholds, rtol=1e-9, atol=0)
    wide = storing_beta(stored.double(), 0.1, 0.01, sample=30)
    assert torch.equal(whole.thresholds, wide.thresholds)


def test_blocks_that_do_not_fit():
    stored = torch.randn(20, 4)
    with pytest.raises(ArgumentError, match="iterator, which can be read only once"):
        storing_beta(iter([stored]), 0.1)
    with pytest.raises(ShapeError, match=r"pattern 20 on has shape \(5, 3\) but width d = 4"):
        storing_beta([stored, torch.randn(5, 3)], 0.1)
    with pytest.raises(DtypeError, match="float64"):
        storing_beta([stored, stored.double()], 0.1)
    with pytest.raises(ShapeError, match=r"\(N, d\) is expected"):
        storing_beta([stored[None]], 0.1)
    with pytest.raises(ShapeError, match="no blocks"):
        storing_beta([], 0.1)
    late = stored.clone()
    late[7, 2] = torch.nan
    with pytest.raises(ArgumentError, match=r"patterns 40 to 59, has NaN .* index \(7,\)"):
        storing_beta([stored, stored, late], 0.1)


def test_one_pattern_of_length_0():
    assert storing_beta(torch.zeros(1, 4), 0.1).beta == 0
