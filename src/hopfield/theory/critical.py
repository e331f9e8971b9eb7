"""Below which β there is one fixed point only, and whether that is the average."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.linalg import matrix_norm, vector_norm

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.phases import PhaseLabel, phase
from hopfield.retrieval import retrieve
from hopfield.theory.patterns import spread

CENTRED = 1e-9  # of m_max M: patterns that differ in it by less resemble the average equally
BELOW = 0.99  # of the critical β, where the one fixed point is looked at
STEPS = 100_000


@dataclass(frozen=True)
class CriticalBeta:
    """Between which β the one fixed point of stored patterns splits up.

    Attributes:
        beta: 1 / m_max²: below it there is exactly one fixed point.
        splits_by: a β from which on the average is not stable, 1 / λ_max(Cov x); +inf where the
            average is no fixed point, or all patterns are equal. For two patterns ±x it equals
            `beta`, so that both are exact: β‖x‖² = 1.
        average_is_fixed: whether the average of all patterns is a fixed point at every β. It is
            where Σx_i = 0 and, more generally, where all patterns resemble the average equally.
        state: `(d,)`, the one fixed point just below `beta` (at 0.99 `beta`).
        k90: how many patterns hold 90 % of its weight: all of them need not take part.
        label: its `PhaseLabel`.
        distance: from it to the average, in units of pattern length.
    """

    beta: float
    splits_by: float
    average_is_fixed: bool
    state: Float[Tensor, " d"]
    k90: int
    label: PhaseLabel
    distance: float


def critical_beta(stored: Float[Tensor, "N d"]) -> CriticalBeta:
    """The β below which stored patterns have exactly one fixed point, and what that is.

    The update contracts everywhere where `β m_max² < 1` (Ramsauer et al. 2020, arXiv 2008.02217,
    theorem A3; the main text cites A7). This is sufficient, not necessary: the fixed point may stay
    alone for longer, and `splits_by` bounds that from above where it is the average.

    Args:
        stored: patterns X, `(N, d)`, at least two that differ.

    Raises:
        ShapeError, DtypeError: patterns that do not fit.
        ArgumentError: one pattern, or equal ones: no β is critical.
    """
    _check.plain_patterns(stored)
    _check.finite("stored", stored)
    given = torch.finfo(stored.dtype).eps  # patterns are known to no more than that
    stored = stored.double()
    reach = spread(stored).item()
    if not reach > 0:
        raise ArgumentError(
            f"{len(stored)} stored pattern{'s are equal' if len(stored) > 1 else ''}; at least two "
            f"that differ are expected: with one there is one fixed point at every β"
        )
    if math.isinf(reach):
        raise ArgumentError("stored patterns are too long for their squares; scale them down")
    scaled = stored / reach  # so that m_max = 1 and the critical β is 1
    average = scaled.mean(0)
    centred = scaled - average
    longest = vector_norm(scaled, dim=-1).amax().item()
    resemblance = (centred @ average).abs().max().item()
    is_fixed = resemblance <= max(CENTRED, 16 * given) * longest
    covariance = matrix_norm(centred.mT @ centred / len(stored), 2).item()
    end = retrieve(average[None], scaled, beta=BELOW, steps=STEPS, tol=1e-10).state
    found = phase(end, scaled, beta=BELOW)
    return CriticalBeta(
        1 / reach / reach,
        1 / covariance / reach / reach if is_fixed else torch.inf,
        is_fixed,
        reach * end[0],
        int(found.k90),
        PhaseLabel(int(found.label)),
        reach * vector_norm(end[0] - average).item(),
    )
