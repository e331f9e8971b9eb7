"""The β from which on patterns hold."""

import pytest
import torch
from torch.nn.functional import normalize

import hopfield
from hopfield.errors import ArgumentError, NotStorableError
from hopfield.theory import storing_beta


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
