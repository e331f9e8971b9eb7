"""How many random patterns are guaranteed to be stored."""

import math
from dataclasses import dataclass
from numbers import Integral

from hopfield import _check
from hopfield.errors import ArgumentError


@dataclass(frozen=True)
class Capacity:
    """What the storage theorem guarantees for random patterns on a sphere.

    Attributes:
        c: the base of the exponential, for `√p c^((d−1)/4)` patterns.
        patterns: that number of patterns, or 0 where the theorem's condition does not hold.
        holds: whether it does: `c ≥ (2/√p)^(4/(d−1))`.
    """

    c: float
    patterns: float
    holds: bool


def capacity(d: int, beta: float, K: float, p: float) -> Capacity:  # noqa: N803 (the paper's letter)
    """The number of random patterns that are stored with probability 1 − p.

    For patterns drawn at random on the sphere of radius `M = K √(d−1)` in d dimensions (Ramsauer et
    al. 2020, arXiv 2008.02217, theorem 3 and A.3): `N ≥ √p c^((d−1)/4)` patterns, with
    `c = b / W₀(exp(a + ln b))`, `a = 2/(d−1) (1 + ln(2βK²p(d−1)))`, `b = 2K²β/5`, provided that
    `c ≥ (2/√p)^(4/(d−1))`. This is a guarantee, far below what is stored in fact.

    Args:
        d: dimension of the patterns, at least 2.
        beta: inverse temperature β > 0.
        K: radius of the sphere in units of √(d−1), above 0.
        p: probability of failure, in (0, 1].

    Raises:
        ArgumentError: a parameter outside these ranges.
    """
    if isinstance(d, bool) or not isinstance(d, Integral) or d < 2:
        raise ArgumentError(f"d is {d!r}; a whole number of at least 2 is expected")
    beta, radius, p = _check.positive("beta", beta), _check.positive("K", K), _check.share("p", p)
    from scipy.special import wrightomega  # W₀(exp(z)), without overflow

    log_b = math.log(2 / 5) + 2 * math.log(radius) + math.log(beta)
    a = 2 / (d - 1) * (1 + math.log(5 * p) + math.log(d - 1) + log_b)
    z = a + log_b
    log_omega = math.log(float(wrightomega(z))) if z > -700 else z  # ω(z) → exp(z)
    log_c = log_b - log_omega
    holds = log_c >= 4 / (d - 1) * math.log(2 / math.sqrt(p))
    log_patterns = 0.5 * math.log(p) + (d - 1) / 4 * log_c
    return Capacity(_exp(log_c), _exp(log_patterns) if holds else 0.0, holds)


def _exp(x: float) -> float:
    return math.exp(x) if x < 709 else math.inf
