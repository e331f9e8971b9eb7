"""Metastable states: what is proved of a subset of similar patterns."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hopfield import _check
from hopfield.errors import ArgumentError, ShapeError
from hopfield.functional import associate
from hopfield.reduction.inputs import tiles
from hopfield.theory.patterns import max_norm, spread

WEIGHTS_AT_ONCE = 2**22


@dataclass(frozen=True)
class SubsetBounds:
    """What the theorems say of a subset of the stored patterns.

    Attributes:
        mean: m_x, the average of the subset, `(d,)`.
        spread: m_max, the largest distance of a member from it.
        delta: Δ_m, separation of the mean from the others: `m·m − max_j m·x_j`; +inf where the
            subset is everything.
        needed: the Δ_m from which on a metastable state is guaranteed; +inf where `β m_max² ≥ 1`.
        holds: whether Δ_m reaches it: there is then a fixed point within `radius` of the mean, to
            which all states within that radius converge.
        radius: 1 / (β m_max); +inf where all members are equal.
    """

    mean: Float[Tensor, " d"]
    spread: float
    delta: float
    needed: float
    holds: bool
    radius: float


@dataclass(frozen=True)
class SubsetStates:
    """Bounds at states, `(S,)` each, in float64; they hold for any state.

    Attributes:
        outside: γ, the weight of the patterns that are not in the subset.
        jacobian_bound: on ‖J‖₂: β ((1 − γ) m_max² + 2γ (2 − γ) M²).
        distance_bound: on how far one update ends from the mean of the subset: m_max + 2γM.
    """

    outside: Float[Tensor, " S"]
    jacobian_bound: Float[Tensor, " S"]
    distance_bound: Float[Tensor, " S"]


def subset_bounds(
    stored: Float[Tensor, "N d"], members: Int[Tensor, " n"], beta: float
) -> SubsetBounds:
    """Whether a subset of similar patterns has a metastable state of its own.

    Ramsauer et al. 2020 (arXiv 2008.02217), theorems A10 to A12: if `β m_max² < 1` and
    `Δ_m ≥ 2M/(β m_max) − ln[(1 − β m_max²) / (2β (N − n) M max{m_max, 2M})] / β`, one update maps
    the ball of radius 1/(β m_max) round the mean of the subset into itself and contracts. The
    condition is sufficient, not necessary.

    Args:
        stored: patterns X, `(N, d)`.
        members: `(n,)`, indices of the subset, each once, at least one.
        beta: inverse temperature β > 0, a number.

    Raises:
        ShapeError, DtypeError, ArgumentError: arguments that do not fit.
    """
    beta = _check.positive("beta", beta)
    others = _others(stored, members)
    inside, outside = stored[~others].double(), stored[others].double()
    mean, reach, longest = inside.mean(0), spread(inside).item(), max_norm(stored.double()).item()
    alone = len(outside) == 0
    delta = math.inf if alone else (mean @ mean - (outside @ mean).amax()).item()
    radius = math.inf if reach == 0 else 1 / (beta * reach)
    needed = _needed(beta, reach, longest, len(outside))
    return SubsetBounds(mean, reach, delta, needed, delta >= needed < math.inf, radius)


def _needed(beta: float, reach: float, longest: float, others: int) -> float:
    room = 1 - beta * reach * reach
    if room <= 0:
        return math.inf
    if others == 0:
        return -math.inf
    if reach == 0:
        return math.inf  # equal patterns: the ball would be everything
    product = 2 * beta * others * longest * max(reach, 2 * longest)
    return 2 * longest / (beta * reach) - math.log(room / product) / beta


def subset_states(
    state: Float[Tensor, "S d"],
    stored: Float[Tensor, "N d"],
    members: Int[Tensor, " n"],
    beta: float,
) -> SubsetStates:
    """Bounds on Jacobian and update at states, by how much weight lies on a subset.

    Ramsauer et al. 2020 (arXiv 2008.02217), A8 and A9; the smaller γ, the closer they come to those
    of a network that stores the subset alone. No condition.

    Args:
        state: states ξ, `(S, d)`.
        stored: patterns X, `(N, d)`.
        members: `(n,)`, indices of the subset, each once, at least one.
        beta: inverse temperature β > 0, a number.

    Raises:
        ShapeError, DtypeError, ArgumentError: arguments that do not fit.
    """
    beta = _check.positive("beta", beta)
    others = _others(stored, members)
    _check.state_fits(state, stored)
    if state.dim() != 2:
        raise ShapeError(f"state has shape {_check.shape_of(state)}; (S, d) is expected")
    wide = stored.double()
    chunk = max(1, WEIGHTS_AT_ONCE // len(stored))
    parts = [
        associate(state[rows].double(), wide, beta=beta)[:, others].sum(-1)
        for rows in tiles(len(state), chunk)
    ]
    outside = torch.cat(parts)
    reach, longest = spread(wide[~others]), max_norm(wide)
    jacobian = beta * ((1 - outside) * reach**2 + 2 * outside * (2 - outside) * longest**2)
    return SubsetStates(outside, jacobian, reach + 2 * outside * longest)


def _others(stored: Tensor, members: Tensor) -> Tensor:
    """Which patterns are not in the subset, `(N,)`; arguments are checked."""
    _check.plain_patterns(stored)
    _check.finite("stored", stored)
    members = _check.indices("members", members, len(stored))
    if len(members) == 0 or len(members.unique()) < len(members):
        raise ArgumentError(
            f"members has {len(members)} indices, {len(members.unique())} of them different; each "
            f"pattern of the subset once, and at least one, is expected"
        )
    others = torch.ones(len(stored), dtype=torch.bool, device=stored.device)
    others[members] = False
    return others
