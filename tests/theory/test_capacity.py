"""The storage theorem's capacity, at the paper's values and at extremes."""

import math

import pytest
from scipy.special import lambertw

from hopfield.errors import ArgumentError
from hopfield.theory import capacity


def test_the_papers_values():
    one, other = capacity(20, 1.0, 3.0, 0.001), capacity(75, 1.0, 1.0, 0.001)
    assert one.c == pytest.approx(3.15461, abs=5e-6)
    assert other.c == pytest.approx(1.37188, abs=5e-6)
    assert one.holds
    assert other.holds
    assert one.patterns == pytest.approx(math.sqrt(0.001) * 3.15461 ** (19 / 4), rel=1e-4)


@pytest.mark.parametrize("d", [2, 5, 50, 1000])
@pytest.mark.parametrize("beta", [1e-3, 1.0, 20.0])
def test_agrees_with_lambert_w(d, beta):
    K, p = 2.0, 0.01
    a = 2 / (d - 1) * (1 + math.log(2 * beta * K**2 * p * (d - 1)))
    b = 2 * K**2 * beta / 5
    argument = math.exp(a + math.log(b))
    assert capacity(d, beta, K, p).c == pytest.approx(b / lambertw(argument).real)


def test_extremes_do_not_overflow():
    huge = capacity(10**6, 1e6, 100.0, 1.0)
    assert math.isfinite(huge.c)
    assert huge.patterns == math.inf
    small = capacity(2, 1e-6, 1e-3, 1e-6)
    assert math.isfinite(small.c)


def test_no_guarantee_where_the_condition_fails():
    result = capacity(20, 1.0, 0.5, 1e-6)
    assert not result.holds
    assert result.patterns == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 1.0, 1.0, 0.1), "d is 1; a whole number of at least 2"),
        ((2.5, 1.0, 1.0, 0.1), "d is 2.5"),
        ((20, 0.0, 1.0, 0.1), "beta is 0.0"),
        ((20, 1.0, -1.0, 0.1), "K is -1.0"),
        ((20, 1.0, 1.0, 0.0), "p is 0.0; a share above 0 and up to 1"),
        ((20, 1.0, 1.0, 1.1), "p is 1.1"),
    ],
)
def test_impossible_parameters(untyped, arguments, message):
    with pytest.raises(ArgumentError, match=message):
        capacity(*arguments)


@pytest.mark.parametrize(("beta", "radius"), [(1e300, 1e10), (1e-300, 1e-100)])
def test_parameters_whose_products_overflow(beta, radius):
    result = capacity(20, beta, radius, 0.1)
    assert result.c > 0
    assert result.patterns > 0
