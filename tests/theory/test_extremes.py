"""Bounds where numbers are short of digits or of room."""

import math
from importlib import import_module

import pytest
import torch

import hopfield
from hopfield import theory
from hopfield.errors import ArgumentError, DtypeError, NotStorableError, ShapeError


def test_jacobian_bounds_hold_where_one_weight_rounds_to_one():
    x = torch.tensor([5.0, 0.0]).double()
    found = theory.jacobian_norm(x[None], torch.stack([x] + [-x] * 9), 1.0)
    assert found.exact.item() > 0
    assert (found.exact <= found.by_weights * (1 + 1e-9)).all()
    assert (found.by_weights <= found.by_norms * (1 + 1e-9)).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_bounds_are_not_rounded_to_the_dtype_of_the_patterns(dtype):
    generator = torch.Generator().manual_seed(0)
    target = torch.arange(2)
    for _ in range(50):
        x = 2 * torch.randn(1, 6, generator=generator).to(dtype)
        stored = torch.cat([x, -x])
        state = stored + 0.1 * torch.randn(2, 6, generator=generator).to(dtype)
        wide = state.double(), stored.double()
        away = (hopfield.update(*wide, beta=0.5) - wide[1]).norm(dim=-1)
        bound = theory.retrieval_error_bound(state, stored, 0.5, target=target)
        assert bound.dtype == torch.float64
        assert (away <= bound * (1 + 1e-12)).all()


def test_large_patterns_get_no_false_guarantee():
    stored = 1.5e20 * torch.eye(3)
    assert not theory.is_stored(stored, 1e-40).any()
    assert theory.fixed_point_error_bound(stored, 1e-40).isinf().all()
    bound = theory.retrieval_error_bound(stored, stored, 1e-40, target=torch.arange(3))
    assert bound.isfinite().all()


def test_patterns_that_are_no_numbers_are_refused():
    bad = torch.tensor([[math.nan, 0.0], [1.0, 2.0]])
    for call in (
        lambda: theory.delta(bad),
        lambda: theory.unstorable(bad),
        lambda: theory.is_stored(bad, 1.0),
        lambda: theory.jacobian_norm(bad, bad, 1.0),
        lambda: theory.critical_beta(bad),
    ):
        with pytest.raises(ArgumentError, match="stored has NaN"):
            call()


@pytest.mark.parametrize("count", [2, 3, 6, 7])
def test_equal_patterns_are_equal(count):
    stored = torch.full((count, 2), 0.1, dtype=torch.float64)
    with pytest.raises(ArgumentError, match=f"{count} stored patterns are equal"):
        theory.critical_beta(stored)
    more = torch.cat([stored, torch.ones(1, 2).double()])
    assert theory.subset_bounds(more, torch.arange(count), 1.0).radius == math.inf


def test_critical_beta_knows_the_precision_and_the_scale_of_patterns():
    stored = torch.randn(50, 8)
    stored = stored - stored.mean(0)
    assert theory.critical_beta(stored).average_is_fixed
    wide = stored.double() - stored.double().mean(0)
    plain, large = theory.critical_beta(wide), theory.critical_beta(1e100 * wide)
    assert large.average_is_fixed
    assert large.k90 == plain.k90
    with pytest.raises(ArgumentError, match="too long for their squares"):
        theory.critical_beta(1e160 * stored.double())


def test_the_smallest_share_is_that_of_one_pattern():
    stored = torch.randn(30, 4).double()
    found = theory.storing_beta(stored, 0.1, 1e-10)
    assert found.beta == found.thresholds.min().item()


def test_hidden_patterns_are_listed():
    twice = torch.tensor([[1.0, 0], [1, 0], [0, 1]])
    with pytest.raises(NotStorableError, match="They are at index 0, 1: leave them out"):
        theory.storing_beta(twice, 0.1, 1.0)


def test_estimates_beyond_what_floats_hold(untyped):
    for K in (1e200, 1e-200):
        with pytest.raises(ArgumentError, match="that floats hold"):
            theory.capacity_estimate(10, 1.0, K)
    with pytest.raises(ArgumentError, match="beta is 1000"):
        theory.capacity_estimate(10, 10**400, 1.0)
    near, at = (theory.capacity_estimate(2000, b, 1.0, 0.3).patterns for b in (0.31, 0.310979))
    assert math.log(at) == pytest.approx(math.log(near), rel=0.01)
    assert theory.capacity_estimate(3, 5e9, 1.0, 1e-11).patterns < math.inf


def test_the_lower_bound_of_c_is_never_above():
    odd = theory.capacity(3816, 0.0030475723793264597, 0.0001873682250240585, 4.79e-8)
    assert odd.c_lower <= odd.c


def test_chunks_count_leading_dimensions(monkeypatch):
    stored, state = torch.randn(30, 4), torch.randn(20, 3, 4)
    whole = theory.jacobian(state, stored, 0.5)
    monkeypatch.setattr(import_module("hopfield.theory.jacobian"), "NUMBERS_AT_ONCE", 1)
    torch.testing.assert_close(theory.jacobian(state, stored, 0.5), whole)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: theory.storage_radius([1.0], 1.0), DtypeError),
        (lambda x: theory.storage_radius(x[0], 1.0), ShapeError),
        (lambda x: theory.jacobian_norm(x, [1.0], 1.0), DtypeError),
        (lambda x: theory.jacobian_norm(x.int(), x, 1.0), DtypeError),
        (lambda x: theory.jacobian_norm(x.double(), x, 1.0), DtypeError),
        (lambda x: theory.storing_beta(x, 0.1, seed=1.5), ArgumentError),
        (
            lambda x: theory.retrieval_error_bound(
                x.expand(3, 5, 4), x.expand(2, 5, 4), 1.0, target=torch.arange(5)
            ),
            ShapeError,
        ),
        (lambda x: theory.measure_capacity(8, energy="x"), ArgumentError),
        (lambda x: theory.on_sphere(0, 4, 1.0, torch.Generator()), ArgumentError),
    ],
)
def test_bad_input(untyped, call, error):
    with pytest.raises(error):
        call(torch.randn(5, 4))


def test_a_large_sample_is_no_more_than_most():
    one = theory.measure_capacity(8, 1.0, sample=10**12, most=40, trials=2)
    other = theory.measure_capacity(8, 1.0, sample=40, most=40, trials=2)
    assert torch.equal(one.trials, other.trials)


def test_laws_that_fit_without_rest():
    def capacity(d, number):
        trials = torch.full((2,), number).double()
        return theory.MeasuredCapacity(d, number, (number, number), trials, 0)

    level = theory.growth([capacity(d, 5.0) for d in (8, 9, 10)])
    assert level.evidence == 0
    steep = theory.growth([capacity(d, math.exp(d)) for d in (8, 9, 10)])
    assert 10 < steep.evidence < math.inf
