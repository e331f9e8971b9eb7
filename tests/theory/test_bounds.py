"""The other theorems: rate, fixed point, Jacobian, critical β, subsets."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.linalg import matrix_norm, vector_norm
from torch.nn.functional import normalize

import hopfield
from hopfield import theory
from hopfield.errors import ArgumentError, ShapeError
from hopfield.phases import PhaseLabel


def stored_well(seed, size=10, width=20, length=5.0):
    generator = torch.Generator().manual_seed(seed)
    return length * normalize(torch.randn(size, width, generator=generator).double(), dim=-1)


@pytest.mark.parametrize("seed", range(20))
def test_one_update_contracts_as_theorem_4_says(seed):
    stored, beta = stored_well(seed), 1.0
    everyone = torch.arange(10)
    certain = theory.is_stored(stored, beta)
    assert certain.any()
    generator = torch.Generator().manual_seed(seed)
    offset = normalize(torch.randn(10, 20, generator=generator).double(), dim=-1)
    state = stored + theory.storage_radius(stored, beta) * offset
    bound = theory.convergence_rate_bound(state, stored, beta, target=everyone)
    assert torch.equal(bound.isfinite(), certain)
    star = hopfield.retrieve(stored, stored, beta=beta, steps=200, tol=1e-13).state
    left = vector_norm(hopfield.update(state, stored, beta=beta) - star, dim=-1)
    rate = left / vector_norm(state - star, dim=-1)
    assert (rate <= bound * (1 + 1e-9) + 1e-12).all()
    beyond = stored + 1.01 * theory.storage_radius(stored, beta) * offset
    outside = theory.convergence_rate_bound(beyond, stored, beta, target=everyone)
    assert outside.isinf().all()


@pytest.mark.parametrize("seed", range(20))
def test_fixed_points_lie_as_near_as_theorem_5_says(seed):
    stored, beta = stored_well(seed, length=3.0), 1.5
    bound = theory.fixed_point_error_bound(stored, beta)
    certain = theory.is_stored(stored, beta)
    assert torch.equal(bound.isfinite(), certain)
    assert certain.any()
    star = hopfield.retrieve(stored, stored, beta=beta, steps=500, tol=1e-14).state
    far = vector_norm(star - stored, dim=-1)
    assert (far <= bound + 1e-13).all()
    assert (far <= theory.storage_radius(stored, beta))[certain].all()


def test_one_pattern_alone():
    lone = torch.randn(1, 4)
    target = torch.tensor([0])
    assert theory.fixed_point_error_bound(lone, 1.0).item() == 0
    assert theory.convergence_rate_bound(lone + 1, lone, 1.0, target=target).item() == 0
    with pytest.raises(ArgumentError, match="1 stored pattern; at least two that differ"):
        theory.critical_beta(lone)
    with pytest.raises(ArgumentError, match="3 stored patterns are equal; at least two"):
        theory.critical_beta(torch.ones(3, 2))


def test_patterns_that_no_beta_stores(untyped):
    stored = torch.tensor([[1.0, 0], [0, 1], [3, 0], [0, 1]])
    assert theory.unstorable(stored).tolist() == [0, 1, 3]
    with pytest.raises(ShapeError, match=r"\(N, d\) is expected"):
        theory.unstorable(stored[None])


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    size=st.integers(1, 30),
    width=st.integers(1, 10),
    beta=st.floats(1e-2, 1e2),
    scale=st.floats(0.1, 5),
)
def test_the_jacobian_stays_under_its_bounds(seed, size, width, beta, scale):
    generator = torch.Generator().manual_seed(seed)
    stored = scale * torch.randn(size, width, generator=generator).double()
    state = scale * torch.randn(7, width, generator=generator).double()
    found = theory.jacobian_norm(state, stored, beta)
    for bound in (found.by_weights, found.by_norms, found.by_spread, found.by_matrix):
        assert (found.exact <= bound * (1 + 1e-9) + 1e-12).all()
    assert (found.by_weights <= found.by_norms * (1 + 1e-9)).all()


def test_jacobian_norm_is_that_of_autograd():
    stored, state = stored_well(0, 6, 5).float(), torch.randn(1, 5)
    exact = torch.autograd.functional.jacobian(
        lambda s: hopfield.update(s, stored, beta=0.3), state
    )
    found = theory.jacobian_norm(state, stored, 0.3)
    torch.testing.assert_close(
        found.exact.float(), matrix_norm(exact[0, :, 0], 2)[None], atol=1e-6, rtol=1e-5
    )


@pytest.mark.parametrize("length", [0.5, 1.0, 3.0])
def test_two_patterns_split_exactly_at_the_critical_beta(length):
    stored = torch.tensor([[length, 0.0, 0], [-length, 0, 0]]).double()
    found = theory.critical_beta(stored)
    assert found.beta == pytest.approx(1 / length**2)
    assert found.splits_by == pytest.approx(found.beta)
    assert found.average_is_fixed
    ends = {}
    for factor in (0.99, 1.01):
        end = hopfield.retrieve(stored, stored, beta=factor * found.beta, steps=9999, tol=1e-9)
        ends[factor] = end.state[0, 0].item() / length
    assert ends[0.99] == pytest.approx(0, abs=1e-4)
    assert ends[1.01] == pytest.approx(0.17, abs=0.01)


@pytest.mark.parametrize("seed", range(10))
def test_below_the_critical_beta_all_states_go_to_one(seed):
    generator = torch.Generator().manual_seed(seed)
    stored = torch.randn(8, 3, generator=generator).double() + 1
    found = theory.critical_beta(stored)
    start = 5 * torch.randn(30, 3, generator=generator).double()
    how = {"beta": 0.99 * found.beta, "steps": 50_000, "tol": 1e-11}
    ends = hopfield.retrieve(start, stored, **how).state
    assert vector_norm(ends - found.state, dim=-1).max() < 1e-6
    assert not found.average_is_fixed
    assert found.splits_by == math.inf
    assert found.distance > 1e-3
    assert 1 <= found.k90 <= 8


def test_the_one_fixed_point_need_not_be_the_average():
    """A long pattern among short ones: the fixed point rests on part of them."""
    stored = torch.zeros(50, 2).double()
    stored[:, 0] = 0.01 * torch.arange(50)
    stored[0] = torch.tensor([30.0, 0.0])
    found = theory.critical_beta(stored)
    assert found.label != PhaseLabel.FIXED_POINT
    assert found.distance > 0.01
    centred = theory.critical_beta(stored - stored.mean(0))
    assert centred.average_is_fixed
    assert centred.k90 == 45
    assert centred.distance < 1e-9


def test_centred_patterns_split_between_the_two_bounds():
    generator = torch.Generator().manual_seed(0)
    half = torch.randn(6, 4, generator=generator).double()
    stored = torch.cat([half, -half])
    found = theory.critical_beta(stored)
    assert found.beta < found.splits_by
    start = 1e-3 * torch.randn(40, 4, generator=generator).double()
    above = hopfield.retrieve(start, stored, beta=1.1 * found.splits_by, steps=9999, tol=1e-10)
    assert (vector_norm(above.state, dim=-1) > 0.05).all()


def clusters(seed, beta=4.0):
    generator = torch.Generator().manual_seed(seed)
    centres = 6 * normalize(torch.randn(5, 1, 32, generator=generator).double(), dim=-1)
    return (centres + 0.05 * torch.randn(5, 10, 32, generator=generator).double()).flatten(0, 1)


@pytest.mark.parametrize("seed", range(10))
def test_a_subset_has_its_metastable_state_where_the_theorem_says(seed):
    stored, members = clusters(seed), torch.arange(10, 20)
    found = theory.subset_bounds(stored, members, 4.0)
    assert found.holds
    generator = torch.Generator().manual_seed(seed)
    offset = normalize(torch.randn(30, 32, generator=generator).double(), dim=-1)
    state = found.mean + found.radius * offset * torch.rand(30, 1, generator=generator)
    moved = hopfield.update(state, stored, beta=4.0)
    assert (vector_norm(moved - found.mean, dim=-1) <= found.radius).all()
    ends = hopfield.retrieve(state, stored, beta=4.0, steps=500, tol=1e-12).state
    assert vector_norm(ends - ends[0], dim=-1).max() < 1e-9
    phase = hopfield.phase(ends[:1], stored, beta=4.0)
    assert phase.label.item() == PhaseLabel.METASTABLE


@pytest.mark.parametrize("beta", [0.01, 0.3, 4.0])
def test_bounds_at_states_hold_everywhere(beta):
    stored, members = clusters(0), torch.tensor([3, 1, 8, 7])
    state = 5 * torch.randn(50, 32, generator=torch.Generator().manual_seed(1)).double()
    state = torch.cat([state, stored])
    found = theory.subset_states(state, stored, members, beta)
    weights = hopfield.associate(state, stored, beta=beta)
    torch.testing.assert_close(found.outside, 1 - weights[:, members].sum(-1), atol=1e-9, rtol=0)
    norm = theory.jacobian_norm(state, stored, beta).exact
    assert (norm <= found.jacobian_bound * (1 + 1e-9)).all()
    away = vector_norm(hopfield.update(state, stored, beta=beta) - stored[members].mean(0), dim=-1)
    assert (away <= found.distance_bound * (1 + 1e-9)).all()


def test_subsets_at_their_limits():
    stored = clusters(0)
    whole = theory.subset_bounds(stored, torch.arange(50), 1e-3)
    assert whole.delta == math.inf
    assert whole.holds  # below the critical β everything is one family
    assert not theory.subset_bounds(stored, torch.arange(50), 4.0).holds
    assert theory.subset_bounds(stored, torch.arange(50), 4.0).needed == math.inf
    twins = theory.subset_bounds(stored[:1].repeat(3, 1), torch.tensor([0, 1]), 1.0)
    assert not twins.holds
    assert twins.radius == math.inf


@pytest.mark.parametrize("members", [[], [0, 0], [50], [-1]])
def test_members_that_are_no_subset(members):
    with pytest.raises(ArgumentError, match="members has"):
        theory.subset_bounds(clusters(0), torch.tensor(members, dtype=torch.long), 1.0)
