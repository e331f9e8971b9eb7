"""How many random patterns are stored in fact: an estimate from statistical physics."""

import math
from dataclasses import dataclass

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.theory.capacity import check_dimension, finite_exp


@dataclass(frozen=True)
class CapacityEstimate:
    """How many random patterns on a sphere one update tells apart.

    Attributes:
        alpha: the rate α₁ of the asymptotic law `exp(α₁ d)`, for large d.
        asymptotic: `exp(α₁ d)` patterns.
        patterns: the same at this d and error, from the mean of the partition sum; +inf where every
            pattern is within the error of what is retrieved, however many there are.
    """

    alpha: float
    asymptotic: float
    patterns: float


def capacity_estimate(
    d: int,
    beta: float,
    K: float,  # noqa: N803 (the paper's letter)
    error: float = 0.1,
) -> CapacityEstimate:
    """The number of random patterns at which retrieval by one update breaks down.

    The other patterns act on a stored one like the levels of a random-energy model (Lucibello &
    Mézard 2024, arXiv 2304.14964): retrieval breaks down where their part of the partition sum
    equals that of the pattern itself. For patterns on the sphere of radius `M = K √(d−1)`, with
    `κ = βM²` and `λ = κ/d`, that is at `α₁ = λ (1 − t) − ½ ln(1 − t²)`, `t` the overlap that
    dominates, `λ = t / (1 − t²)`.

    At finite d the mean of `exp(κ t)` over the sphere is a Bessel function, and the part of the
    others may be `q / (1 − q)` of the pattern's own with `q = error / (1 − E_κ t)`: what is read
    out is then off by `error`. This assumes that the sum is near its mean, so it is an estimate,
    not a bound; `measure_capacity` shows how good it is.

    Args:
        d: dimension of the patterns, at least 2.
        beta: inverse temperature β > 0.
        K: radius of the sphere in units of √(d−1), above 0.
        error: how far from itself a pattern may be retrieved, as a share of the radius.

    Raises:
        ArgumentError: a parameter outside these ranges.
    """
    check_dimension(d)
    beta, radius = _check.positive("beta", beta), _check.positive("K", K)
    error = _check.positive("error", error)
    from scipy.special import gammaln, ive

    kappa = beta * radius * radius * (d - 1)
    if not 0 < kappa / d < math.inf:
        raise ArgumentError(
            f"β K² (d − 1) is {kappa:g}; a number that floats hold, above 0, is expected: choose "
            f"beta and K that are nearer to 1"
        )
    order = d / 2 - 1
    scaled, above = (float(ive(n, kappa)) for n in (order, order + 1))  # I(κ) exp(−κ)
    ratio = kappa / d
    t = 2 * ratio / (1 + math.sqrt(1 + 4 * ratio**2))
    alpha = t / (1 + t) + 0.5 * math.log(ratio / t)  # 1 − t² = t/λ
    if not above > 0:  # Bessel functions end at high orders and κ, where the asymptote is good
        log_mean, overlap = kappa - alpha * d, t
    else:
        log_mean = float(gammaln(d / 2)) + order * math.log(2 / kappa) + math.log(scaled) + kappa
        overlap = above / scaled
    share = error / (1 - overlap) if overlap < 1 else math.inf
    if share >= 1:
        return CapacityEstimate(alpha, finite_exp(alpha * d), math.inf)
    patterns = 1 + finite_exp(math.log(share / (1 - share)) + kappa - log_mean)
    return CapacityEstimate(alpha, finite_exp(alpha * d), patterns)
