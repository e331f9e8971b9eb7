"""Phases of states and attractors of networks, where the answer is known."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

import hopfield
from hopfield import PhaseLabel, phases
from hopfield.equal_patterns import equal_patterns
from hopfield.errors import ArgumentError, ShapeError
from hopfield.phases import HeadClass, count_holding, head_class


def families(generator=None):
    """Three tight families of five patterns, far apart."""
    centres = 4 * torch.eye(3, 8)
    jitter = 0.1 * torch.randn(15, 8, generator=generator)
    return 4 * normalize((centres.repeat_interleave(5, 0) + jitter).double(), dim=-1)


def test_the_three_kinds_of_minima():
    stored = families()
    for beta, label in (
        (1e-3, PhaseLabel.GLOBAL),
        (1.0, PhaseLabel.METASTABLE),
        (900.0, PhaseLabel.FIXED_POINT),
    ):
        state = hopfield.retrieve(stored, stored, beta=beta, steps=5000, tol=1e-8).state
        found = hopfield.phase(state, stored, beta=beta)
        assert (found.label == label).all()
        if label is PhaseLabel.METASTABLE:
            assert ((found.k90 == 5) | (found.k90 == 4)).all()
        assert (found.visible == 15).all()


def test_fixed_points_are_counted_and_hold_their_patterns():
    stored = families()
    found = hopfield.fixed_points(stored, beta=1.0)
    assert len(found.state) == 3
    assert found.count(PhaseLabel.METASTABLE) == 3
    assert found.count(PhaseLabel.GLOBAL) == 0
    members = sorted(tuple(found.patterns_of(i).tolist()) for i in range(3))
    assert members == [(0, 1, 2, 3, 4), (5, 6, 7, 8, 9), (10, 11, 12, 13, 14)]
    moved = hopfield.update(found.state, stored, beta=1.0)
    torch.testing.assert_close(moved, found.state, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.energy, hopfield.energy(found.state, stored, beta=1.0))
    single = hopfield.fixed_points(stored, beta=900.0)
    assert single.count(PhaseLabel.FIXED_POINT) == 15
    assert torch.equal(single.reached.sort().values, torch.arange(15))
    mean = hopfield.fixed_points(stored, beta=1e-3)
    assert mean.count(PhaseLabel.GLOBAL) == len(mean.state) == 1


def test_duplicates_of_one_pattern_are_one_fixed_point():
    stored = torch.cat([torch.eye(6), torch.eye(6)[:1], torch.eye(6)[:1]])
    state = torch.eye(6)[:2]
    found = hopfield.phase(state, stored, beta=50.0)
    assert (found.label == PhaseLabel.FIXED_POINT).all()
    assert found.k90.tolist() == [3, 1]
    torch.testing.assert_close(found.heaviest, torch.ones(2))
    apart = stored.clone()
    apart[6:, 5] = 1e-4  # as alike, but not duplicates
    assert hopfield.phase(state, apart, beta=50.0).label[0] == PhaseLabel.METASTABLE
    batch = hopfield.phase(state.expand(3, 2, 6), stored, beta=50.0)
    assert (batch.label == PhaseLabel.FIXED_POINT).all()


def test_masked_patterns_do_not_count():
    stored, state = torch.randn(64, 4), torch.zeros(3, 4)
    mask = torch.ones(3, 64, dtype=torch.bool)
    mask[1, 10:] = False
    mask[2] = False
    found = hopfield.phase(state, stored, mask=mask)
    assert found.visible.tolist() == [64, 10, 0]
    assert found.k90.tolist() == [58, 9, 0]
    assert found.label.tolist() == [PhaseLabel.GLOBAL, PhaseLabel.GLOBAL, PhaseLabel.NONE]
    torch.testing.assert_close(found.entropy, torch.tensor([64.0, 10.0, 1.0]).log())
    torch.testing.assert_close(found.kl, torch.zeros(3), atol=1e-6, rtol=0)


@pytest.mark.parametrize("separation", ["softmax", "softmax1", "sparsemax", hopfield.TopK(5)])
def test_agrees_with_the_definition(separation, monkeypatch):
    monkeypatch.setattr(phases, "WEIGHTS_AT_ONCE", 500)
    state, stored = 2 * torch.randn(2, 41, 5).double(), torch.randn(37, 5).double()
    settings = {"beta": 0.8, "separation": separation}
    found = hopfield.phase(state, stored, **settings)
    weights = hopfield.associate(state, stored, **settings).numpy()
    weights = weights / weights.sum(-1, keepdims=True)
    for place in np.ndindex(2, 41):
        p = np.sort(weights[place])[::-1]
        k = next(k for k in range(1, 38) if p[:k].sum() >= 0.9 - 1e-12)
        entropy = -sum(x * np.log(x) for x in p if x > 0)
        assert found.k90[place] == k
        assert found.entropy[place].item() == pytest.approx(entropy, abs=1e-9)
        assert found.kl[place].item() == pytest.approx(np.log(37) - entropy, abs=1e-9)
        label = PhaseLabel.METASTABLE
        if k > 37 / 2 and np.log(37) - entropy <= 0.1:
            label = PhaseLabel.GLOBAL
        if p[0] >= 0.9:
            label = PhaseLabel.FIXED_POINT
        assert found.label[place] == label


def test_bags_are_judged_one_by_one():
    stored, state = torch.randn(30, 4), torch.randn(2, 3, 4)
    found = hopfield.phase(state, stored, offsets=torch.tensor([0, 10, 30]))
    assert found.visible.tolist() == [[10] * 3, [20] * 3]
    alone = hopfield.phase(state[1], stored[10:])
    assert torch.equal(found.k90[1], alone.k90)
    torch.testing.assert_close(found.entropy[1], alone.entropy)


@pytest.mark.parametrize("patterns", [10, 30, 70, 110, 1000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_equal_weights_take_exactly_nine_tenths(patterns, dtype):
    weights = torch.full((1, patterns), 1 / patterns, dtype=dtype)
    assert count_holding(weights, 0.9).item() == -(-9 * patterns // 10)


def test_thresholds_are_arguments():
    stored = families()
    state = stored[:1]
    weight = hopfield.phase(state, stored, beta=1.0).heaviest.item()
    low = hopfield.phase(state, stored, beta=1.0, fixed_at=weight - 1e-6)
    assert low.label.item() == PhaseLabel.FIXED_POINT
    loose = hopfield.phase(state, stored, beta=0.05, global_kl=10.0)
    assert loose.label.item() == PhaseLabel.GLOBAL
    with pytest.raises(ArgumentError, match="fixed_at is 0"):
        hopfield.phase(state, stored, fixed_at=0.0)


def test_the_papers_classes_of_heads():
    k = torch.tensor([512, 257, 256, 65, 64, 17, 16, 1])
    assert [HeadClass(c).name for c in head_class(k, 512).tolist()] == [
        "I", "I", "II", "II", "III", "III", "IV", "IV"
    ]  # fmt: skip
    assert head_class(torch.tensor(65.0), torch.tensor(128)).item() == HeadClass.I


def test_unconverged_starts_are_in_no_attractor():
    stored = normalize(torch.randn(40, 6), dim=-1)
    with pytest.warns(hopfield.ConvergenceWarning):
        found = hopfield.fixed_points(stored, beta=8.0, steps=3)
    missed = found.reached == -1
    assert missed.any()
    assert len(found.state) == len(found.reached[~missed].unique())


def test_bad_arguments(untyped):
    stored = torch.randn(5, 3)
    with pytest.raises(ShapeError, match=r"\(N, d\) is expected"):
        hopfield.fixed_points(stored[None])
    with pytest.raises(ArgumentError, match="one network for all states"):
        hopfield.fixed_points(stored, mask=torch.ones(5, 5, dtype=torch.bool))
    with pytest.raises(ArgumentError, match="one network for all states"):
        hopfield.fixed_points(stored, offsets=torch.tensor([0, 5]))
    with pytest.raises(ArgumentError, match="tol is 0"):
        hopfield.fixed_points(stored, tol=0.0)


def test_duplicates_count_together_whatever_their_weight():
    """Equal patterns of different multiplicity, and many light ones beside a heavier stranger."""
    stored = torch.tensor([[1.0, 0], [1, 0], [0, 1], [-0.0, 1]])
    bias = torch.tensor([3, 1, 0.2, 0.1]).log()
    found = hopfield.phase(torch.zeros(1, 2), stored, bias=bias)
    assert found.heaviest.item() == pytest.approx(4 / 4.3)
    assert found.label.item() == PhaseLabel.FIXED_POINT
    many = torch.cat([torch.tensor([[0.0, 1]]), torch.tensor([[1.0, 0]]).expand(12, 2)])
    bias = torch.tensor([0.092] + 12 * [0.908 / 12]).log()
    found = hopfield.phase(torch.zeros(1, 2), many, bias=bias)
    assert found.heaviest.item() == pytest.approx(0.908)
    assert found.label.item() == PhaseLabel.FIXED_POINT


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_equal_patterns_are_numbered(dtype):
    kinds = torch.tensor([0, 1, 2, 3])[torch.randint(4, (3, 50))]
    rows = torch.tensor([[1.0, 1], [-1, 1], [1, -1], [2, 1]], dtype=dtype)[kinds]
    number = equal_patterns(rows)
    same = kinds.unsqueeze(-1) == kinds.unsqueeze(-2)
    assert same.equal(number.unsqueeze(-1) == number.unsqueeze(-2))
    assert equal_patterns(torch.cat([torch.eye(40), -torch.eye(40)]).to(dtype)) is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_has_the_same_attractors(dtype):
    centres = 2 * torch.randn(5, 16)
    stored = centres.repeat(20, 1) + 0.05 * torch.randn(100, 16)
    for patterns in (stored, stored.to(dtype)):
        assert len(hopfield.fixed_points(patterns, beta=1.0).state) == 5


def test_chains_of_near_ends_are_one_attractor():
    ends = torch.tensor([[0.0], [1.8], [0.9], [5.0]])
    first, group = phases.coinciding(ends, 1.0)
    assert first.tolist() == [0, 3]
    assert group.tolist() == [0, 0, 0, 1]


def test_masked_patterns_are_no_starts():
    mask = torch.tensor([True, True, False, True])
    found = hopfield.fixed_points(torch.eye(4), beta=20.0, mask=mask)
    assert len(found.state) == 3
    assert found.reached[2] == -1


def test_a_state_that_is_not_a_number_has_no_phase():
    found = hopfield.phase(torch.tensor([[torch.nan, 0.0]]), torch.eye(2))
    assert found.label.item() == PhaseLabel.NONE


@pytest.mark.parametrize("beta", [torch.tensor(2.0), torch.tensor([2.0])])
def test_a_lone_tensor_beta(beta):
    stored = torch.randn(6, 4)
    expected = hopfield.phase(stored, stored, beta=2.0)
    torch.testing.assert_close(hopfield.phase(stored, stored, beta=beta).kl, expected.kl)
    assert len(hopfield.fixed_points(stored, beta=beta).state) > 0
