"""Measured capacity, its estimate and its growth."""

import math
from functools import partial

import pytest
import torch

import hopfield
from hopfield import theory
from hopfield.energies import Epanechnikov, Hebbian, Modern, Polynomial
from hopfield.errors import ArgumentError
from hopfield.theory.measure import MeasuredCapacity


def test_the_known_trial():
    """Half of the patterns within 10 % after one update, β = 1, radius √(d − 1)."""
    for d, wanted in ((10, 85), (12, 400)):
        found = theory.measure_capacity(d, 1.0, 1.0, 0.1, trials=5)
        assert found.patterns == pytest.approx(wanted, rel=0.25)
        low, high = found.interval
        assert low <= found.patterns <= high
        estimate = theory.capacity_estimate(d, 1.0, 1.0, 0.1).patterns
        assert found.patterns == pytest.approx(estimate, rel=0.4)


def test_it_is_the_largest_number_of_which_the_share_is_retrieved():
    tried = {}

    def energy(stored):
        tried[len(stored)] = stored
        return Modern(stored, beta=1.0)

    found = theory.measure_capacity(9, energy=energy, trials=1, sample=10_000, seed=4)
    (number,) = found.trials.int().tolist()
    assert 10 < number < 100  # found to the last one
    assert math.isnan(found.interval[0])
    for count, holds in ((number, True), (number + 1, False)):
        stored = tried[count]
        assert torch.equal(stored, tried[max(tried)][:count])
        torch.testing.assert_close(stored.norm(dim=-1), torch.full((count,), 8**0.5).double())
        moved = hopfield.update(stored, stored, beta=1.0)
        share = ((moved - stored).norm(dim=-1) <= 0.1 * math.sqrt(8)).double().mean().item()
        assert (share >= 0.5) == holds


def test_seeds_and_conditions():
    one, other = (theory.measure_capacity(8, 1.0, trials=3, seed=s) for s in (1, 1))
    assert torch.equal(one.trials, other.trials)
    assert not torch.equal(one.trials, theory.measure_capacity(8, 1.0, trials=3, seed=2).trials)
    stricter = theory.measure_capacity(8, 1.0, trials=3, seed=1, share=0.95)
    noisy = theory.measure_capacity(8, 1.0, trials=3, seed=1, noise=0.5)
    settled = theory.measure_capacity(8, 1.0, trials=3, seed=1, steps=500, tol=1e-6)
    assert max(stricter.patterns, noisy.patterns, settled.patterns) < one.patterns


def test_reaching_the_most_is_told():
    found = theory.measure_capacity(10, 1.0, trials=3, most=50)
    assert found.trials.tolist() == [50, 50, 50]
    assert found.censored == 3
    assert found.interval[1] == math.inf
    with pytest.raises(ArgumentError, match="at d = 10 trials reached"):
        theory.growth([found, *(theory.measure_capacity(d, 1.0, trials=2) for d in (5, 6, 7))])


@pytest.mark.parametrize(
    "energy",
    [partial(Polynomial, degree=4), partial(Epanechnikov, beta=0.3), partial(Modern, beta=1.0)],
)
def test_other_energies(energy):
    found = theory.measure_capacity(8, energy=energy, noise=0.3, trials=5)
    assert 1 <= found.patterns < 1000
    assert found.censored == 0


def test_the_classical_network_stores_about_the_known_share():
    """0.138 d in the limit; without any error in one sweep it is d / (2 ln d) at most, about."""
    found = theory.measure_capacity(100, energy=Hebbian, patterns="signs", trials=5)
    assert 10 < found.patterns < 25


def test_growth_tells_the_laws_apart():
    def measured(law):
        trials = [torch.tensor([law(d) * f for f in (0.95, 1.0, 1.05)]) for d in range(8, 21, 2)]
        return [
            MeasuredCapacity(d, 0.0, (0.0, 0.0), t.double(), 0)
            for d, t in zip(range(8, 21, 2), trials, strict=True)
        ]

    exponential = theory.growth(measured(lambda d: 2 * math.exp(0.6 * d)))
    assert exponential.exponential.exponent == pytest.approx(0.6)
    assert exponential.exponential.interval == pytest.approx((0.6, 0.6), abs=1e-6)
    assert exponential.evidence > 10
    power = theory.growth(measured(lambda d: 0.1 * d**3))
    assert power.power.exponent == pytest.approx(3)
    assert power.evidence < -10
    with pytest.raises(ArgumentError, match="at 1 dimensions came; at least three"):
        theory.growth(measured(lambda d: d)[:1])


def test_the_estimate_has_the_known_limits():
    """At large d the finite estimate has the asymptotic rate, also where Bessel functions end."""
    for d in (100, 400, 3000):
        found = theory.capacity_estimate(d, 1.0, 0.5, 0.2)
        assert math.log(found.patterns) / d == pytest.approx(found.alpha, abs=3 / d * math.log(d))
    large = theory.capacity_estimate(10**6, 1.0, 1.0)
    assert large.patterns == math.inf
    assert math.isfinite(large.alpha)
    flat = theory.capacity_estimate(10, 1e-9, 1.0, 0.1)
    assert flat.alpha == pytest.approx(0.9e-9, rel=0.2)
    assert theory.capacity_estimate(10, 1e-9, 1.0, 2.0).patterns == math.inf
    steep = theory.capacity_estimate(10, 1e9, 1.0, 0.1)
    assert steep.patterns > 1e20


def test_the_overlap_law_written_out():
    """α₁ is where signal and noise are equal: a maximum over overlaps, on a grid."""
    d, beta, K = 30, 0.8, 1.3
    ratio = beta * K**2 * (d - 1) / d
    t = torch.linspace(0, 1, 200_001).double()[:-1]
    noise = (0.5 * (1 - t**2).log() + ratio * t).max().item()
    assert theory.capacity_estimate(d, beta, K).alpha == pytest.approx(ratio - noise, abs=1e-8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"d": 1, "beta": 1.0}, "d is 1; a whole number of at least 2"),
        ({"d": 8, "beta": 0.0}, "beta is 0.0; a finite number above 0"),
        ({"d": 8}, "beta is missing"),
        ({"d": 8, "beta": 1.0, "energy": Modern}, "beta was given but energy makes its own"),
        ({"d": 8, "beta": 1.0, "K": 0.0}, "K is 0.0"),
        ({"d": 8, "beta": 1.0, "error": -0.1}, "error is -0.1"),
        ({"d": 8, "beta": 1.0, "share": 0.0}, "share is 0.0"),
        ({"d": 8, "beta": 1.0, "noise": -1.0}, "noise is -1.0; a finite number of at least 0"),
        ({"d": 8, "beta": 1.0, "most": 1}, "most is 1; at least 2"),
        ({"d": 8, "beta": 1.0, "most": 10**13}, "choose a smaller most"),
        ({"d": 8, "beta": 1.0, "patterns": "cube"}, "patterns is 'cube'; choose one of"),
        ({"d": 8, "beta": 1.0, "seed": 0.5}, "seed is 0.5"),
    ],
)
def test_impossible_parameters(untyped, arguments, message):
    with pytest.raises(ArgumentError, match=message):
        theory.measure_capacity(**arguments)


def test_the_bound_without_lambert_w():
    """Close below c, and at the paper's first example its value, 3.1444."""
    assert theory.capacity(20, 1.0, 3.0, 0.001).c_lower == pytest.approx(3.1444, abs=5e-5)
    for d in (2, 5, 20, 75, 1000):
        for beta in (1e-6, 1e-2, 1.0, 30.0, 1e5):
            for p in (1e-6, 0.01, 1.0):
                found = theory.capacity(d, beta, 1.0, p)
                assert 0.8 * found.c <= found.c_lower <= found.c * (1 + 1e-12)
