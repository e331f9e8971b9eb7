"""How many random patterns are guaranteed to be stored."""

import math
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from hopfield import _check
from hopfield.errors import ArgumentError


@dataclass(frozen=True)
class Capacity:
    """What the storage theorem guarantees for random patterns on a sphere.

    Attributes:
        c: the base of the exponential, for `√p c^((d−1)/4)` patterns.
        patterns: that number of patterns, or 0 where the theorem's condition does not hold.
        holds: whether it does: `c ≥ (2/√p)^(4/(d−1))`.
        c_lower: a lower bound of c in elementary functions.
    """

    c: float
    patterns: float
    holds: bool
    c_lower: float


def capacity(d: int, beta: float, K: float, p: float) -> Capacity:  # noqa: N803 (the paper's letter)
    """The number of random patterns that are stored with probability 1 − p.

    For patterns drawn at random on the sphere of radius `M = K √(d−1)` in d dimensions (Ramsauer et
    al. 2020, arXiv 2008.02217, theorem 3 and A.3): `N ≥ √p c^((d−1)/4)` patterns, with
    `c = b / W₀(exp(a + ln b))`, `a = 2/(d−1) (1 + ln(2βK²p(d−1)))`, `b = 2K²β/5`, provided that
    `c ≥ (2/√p)^(4/(d−1))`. This is a guarantee, far below what is stored in fact
    (`measure_capacity`, `capacity_estimate`).

    A lower bound of c without W₀ comes from upper bounds of `W₀(eᵘ)` with u = a + ln b (Hoorfar &
    Hassani 2008, Journal of Inequalities in Pure and Applied Mathematics 9:51): `u^(u/(1+u))` where
    u ≥ 1, and `ln((eᵘ + y) / (1 + ln y))` for any y > 1/e, here y = 1 + eᵘ; the smaller one counts.

    Args:
        d: dimension of the patterns, at least 2.
        beta: inverse temperature β > 0.
        K: radius of the sphere in units of √(d−1), above 0.
        p: probability of failure, in (0, 1].

    Raises:
        ArgumentError: a parameter outside these ranges.
    """
    check_dimension(d)
    beta, radius, p = _check.positive("beta", beta), _check.positive("K", K), _check.share("p", p)
    from scipy.special import wrightomega  # W₀(exp(z)), without overflow

    log_b = math.log(2 / 5) + 2 * math.log(radius) + math.log(beta)
    a = 2 / (d - 1) * (1 + math.log(5 * p) + math.log(d - 1) + log_b)
    z = a + log_b
    log_omega = math.log(float(wrightomega(z))) if z > -700 else z  # ω(z) → exp(z)
    log_c = log_b - log_omega
    holds = log_c >= 4 / (d - 1) * math.log(2 / math.sqrt(p))
    log_patterns = 0.5 * math.log(p) + (d - 1) / 4 * log_c
    c_lower = finite_exp(min(log_c, log_b - _log_omega_above(z)))  # but for rounding
    return Capacity(finite_exp(log_c), finite_exp(log_patterns) if holds else 0.0, holds, c_lower)


def check_dimension(d: int) -> None:
    """A dimension in which random patterns lie on a sphere."""
    if isinstance(d, bool) or not isinstance(d, Integral) or d < 2:
        raise ArgumentError(f"d is {d!r}; a whole number of at least 2 is expected")


def _log_omega_above(u: float) -> float:
    """The logarithm of an upper bound of `W₀(eᵘ)`."""
    if u < -30:
        return u  # W₀(x) ≤ x, and equal to it here in all digits
    log_y = float(np.logaddexp(0.0, u))
    general = math.log(float(np.logaddexp(0.0, u + math.log(2))) - math.log1p(log_y))
    return min(general, u / (1 + u) * math.log(u)) if u >= 1 else general


def finite_exp(x: float) -> float:
    """The exponential, +inf where it overflows."""
    return math.exp(x) if x < 709 else math.inf
