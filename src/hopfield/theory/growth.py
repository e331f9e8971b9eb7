"""Whether capacity grows exponentially with the dimension, or as a power of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hopfield.errors import ArgumentError
from hopfield.theory.measure import MeasuredCapacity

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """A straight line through the logarithms of mean capacities, by least squares.

    Attributes:
        exponent: its slope: of `exp(exponent · d)`, or of `d^exponent`.
        interval: of the slope, 95 %.
        intercept: the logarithm of the factor before it.
        residual: root of the mean square of what is left, in natural logarithms.
    """

    exponent: float
    interval: tuple[float, float]
    intercept: float
    residual: float


@dataclass(frozen=True)
class Growth:
    """Two laws of growth for the same capacities.

    Attributes:
        exponential: `N = factor · exp(exponent · d)`.
        power: `N = factor · d^exponent`.
        evidence: by how much the exponential law is likelier, as a difference of log-likelihoods
            (both have as many parameters, so also of half the AIC); negative where the power is.
    """

    exponential: Fit
    power: Fit
    evidence: float


def growth(measured: Sequence[MeasuredCapacity]) -> Growth:
    """Fit both laws to capacities that were measured at several dimensions.

    One point for each dimension: trials at one of them say how well its mean is known, not whether
    a law holds, and would make both look surer than they are.

    Args:
        measured: at three dimensions at least; trials that reached the largest number that was
            tried are taken as they are, so leave such dimensions out.

    Raises:
        ArgumentError: fewer than three dimensions, or censored trials.
    """
    dimensions = {capacity.d for capacity in measured}
    if len(dimensions) < 3:
        raise ArgumentError(
            f"capacities at {len(dimensions)} dimensions came; at least three are expected, to "
            f"tell two laws of growth apart"
        )
    if full := [capacity.d for capacity in measured if capacity.censored]:
        raise ArgumentError(
            f"at d = {', '.join(map(str, full))} trials reached the largest number that was tried; "
            f"leave them out, or raise most"
        )
    d = np.array([float(c.d) for c in measured])
    logs = np.array([float(c.trials.log().mean()) for c in measured])
    exponential, power = _fit(d, logs), _fit(np.log(d), logs)
    least = np.finfo(float).eps  # a law that fits without rest is no likelier than rounding lets
    rests = (max(fit.residual, least) for fit in (power, exponential))
    evidence = len(d) * float(np.subtract(*np.log([*rests])))
    return Growth(exponential, power, evidence)


def _fit(x: Array, y: Array) -> Fit:
    from scipy import stats

    line = stats.linregress(x, y)
    half = stats.t.ppf(0.975, len(x) - 2) * line.stderr
    residual = float(np.sqrt(np.mean((y - line.intercept - line.slope * x) ** 2)))
    bounds = (float(line.slope - half), float(line.slope + half))
    return Fit(float(line.slope), bounds, float(line.intercept), residual)
