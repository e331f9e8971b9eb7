"""Phases: how many patterns a state rests on, and the attractors that the energy has."""

import math
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from functools import partial
from typing import Any, Unpack

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.linalg import vector_norm

from hopfield import _check
from hopfield.equal_patterns import number_equal
from hopfield.errors import ShapeError
from hopfield.network import DenseNetwork, Network
from hopfield.reduction.inputs import part, tiles
from hopfield.retrieval import retrieve
from hopfield.settings import Settings, Stored, build, build_for_all

WEIGHTS_AT_ONCE = 2**22


class PhaseLabel(IntEnum):
    """What kind of state it is: Ramsauer et al. 2020 (arXiv 2008.02217), section 2."""

    NONE = -1  # no pattern is visible
    FIXED_POINT = 0  # one pattern
    METASTABLE = 1  # a subset
    GLOBAL = 2  # all patterns


class HeadClass(IntEnum):
    """The paper's classes of attention heads, by how many patterns hold 90 % of the weight."""

    I = 1  # noqa: E741 (more than N/2: global averaging)
    II = 2  # more than N/8
    III = 3  # more than N/32
    IV = 4  # fewer


@dataclass(frozen=True)
class Phase:
    """How states associate with the stored patterns, `(..., S)` each.

    Attributes:
        k90: the fewest patterns that hold 90 % of the weight.
        label: a `PhaseLabel` as a number.
        entropy: of the weights, in nats.
        kl: Kullback-Leibler divergence of the weights from the uniform ones, in nats.
        heaviest: the weight of the heaviest pattern, together with its duplicates.
        visible: how many patterns are visible, N.
    """

    k90: Int[Tensor, "..."]
    label: Int[Tensor, "..."]
    entropy: Float[Tensor, "..."]
    kl: Float[Tensor, "..."]
    heaviest: Float[Tensor, "..."]
    visible: Int[Tensor, "..."]


def phase(
    state: Float[Tensor, "*lead S d"],
    stored: Stored,
    *,
    fixed_at: float = 0.9,
    global_kl: float = 0.1,
    **settings: Unpack[Settings],
) -> Phase:
    """The phase of states, judged as they are: call it on `retrieve(…).state`.

    A state is a *fixed point* if one pattern (its duplicates included) has at least `fixed_at` of
    the weight; *global* if 90 % of the weight takes more than half of the patterns and the weights
    are within `global_kl` nats of uniform; otherwise *metastable*. These are the three kinds of
    minima of Ramsauer et al. 2020 (arXiv 2008.02217), section 2, made countable.

    Weights are taken relative to their sum, which softmax1 leaves below 1. It works by chunks of
    states: memory grows with N, not with S · N.

    Args:
        state: states ξ, `(..., S, d)`.
        stored: stored patterns X, as for `update`.
        fixed_at: weight of one pattern, in (0, 1].
        global_kl: distance from uniform weights, in nats, above 0.
        **settings: see `hopfield.Settings`; `backend` has no meaning here.

    Raises:
        ShapeError, DtypeError, ArgumentError: as for `update`.
    """
    fixed_at, global_kl = limits(fixed_at, global_kl)
    state, network = build(state, stored, **settings)
    with torch.no_grad():
        if isinstance(network, DenseNetwork) and network.bounds is not None:
            bags = [_by_chunks(own, bag, fixed_at, global_kl) for own, bag in network.bags(state)]
            return joined(torch.stack, bags, -2)
        return _by_chunks(state, network, fixed_at, global_kl)


def phase_in(network: Network, state: Tensor, fixed_at: float, global_kl: float) -> Phase:
    """The same for states of a network that is built already."""
    with torch.no_grad():
        return _by_chunks(state, network, *limits(fixed_at, global_kl))


def limits(fixed_at: float, global_kl: float) -> tuple[float, float]:
    """What decides on a phase, checked."""
    return _check.share("fixed_at", fixed_at), _check.positive("global_kl", global_kl)


def head_class(
    k90: Int[Tensor, "..."] | Float[Tensor, "..."], visible: int | Int[Tensor, "..."]
) -> Int[Tensor, "..."]:
    """The paper's class of a head from k̄, the median of `k90` over its states.

    Class I if k̄ > N/2, II if k̄ > N/8, III if k̄ > N/32, IV otherwise: Ramsauer et al. 2020
    (arXiv 2008.02217), section 3 and A.5.1, there for N = 512 as 256, 64 and 16.

    Args:
        k90: k̄, any shape.
        visible: N, the number of visible patterns.

    Returns:
        `HeadClass` as numbers, of the same shape.
    """
    bounds = torch.tensor([1 / 2, 1 / 8, 1 / 32], device=k90.device)
    passed = (k90 / torch.as_tensor(visible, device=k90.device)).unsqueeze(-1) > bounds
    return HeadClass.IV - passed.sum(-1)


def _by_chunks(state: Tensor, network: Network, fixed_at: float, global_kl: float) -> Phase:
    lead = network.lead(state)
    keys = network.keys()
    same = number_equal(keys)
    chunk = max(1, WEIGHTS_AT_ONCE // (math.prod(lead) * keys.shape[-1] or 1))
    visible = network.ground().visible.expand(*lead, state.shape[-2])
    pieces = []
    for rows in tiles(state.shape[-2], chunk):
        own = network.for_states(partial(part, rows=rows))
        weights = own.weights(state[..., rows, :]).double()
        pieces.append(phase_of_weights(weights, same, visible[..., rows], fixed_at, global_kl))
    return in_dtype(joined(torch.cat, pieces, -1), state.dtype)


def in_dtype(phase: Phase, dtype: torch.dtype) -> Phase:
    """The phase of states of a dtype: real numbers come in it, in float32 at least."""
    wide = torch.promote_types(dtype, torch.float32)
    real = {name: getattr(phase, name).to(wide) for name in ("entropy", "kl", "heaviest")}
    return replace(phase, **real)


def joined(join: Any, pieces: list[Phase], dim: int) -> Phase:
    """The phases of some states and of others, joined by `torch.cat` or `torch.stack`."""
    return Phase(*(join([getattr(p, f.name) for p in pieces], dim) for f in fields(Phase)))


def phase_of_weights(
    weights: Tensor, same: Tensor | None, visible: Tensor, fixed_at: float, global_kl: float
) -> Phase:
    """The phase of weights `(..., S, N)`; `same` numbers the patterns, `(..., N)`."""
    total = weights.sum(-1, keepdim=True)
    weights = weights / total.masked_fill(total == 0, 1.0)
    k90 = count_holding(weights, 0.9)
    entropy = torch.special.entr(weights).sum(-1)
    heaviest = _heaviest(weights, same)
    return judged(total.squeeze(-1), k90, entropy, heaviest, visible, fixed_at, global_kl)


def judged(
    total: Tensor,
    k90: Tensor,
    entropy: Tensor,
    heaviest: Tensor,
    visible: Tensor,
    fixed_at: float,
    global_kl: float,
) -> Phase:
    """The phase, from what weights come to; `total` is what they sum up to."""
    kl = (visible.clamp(min=1).double().log() - entropy).clamp(min=0.0)
    label = torch.full_like(k90, PhaseLabel.METASTABLE)
    label[(k90 > visible / 2) & (kl <= global_kl)] = PhaseLabel.GLOBAL
    label[heaviest >= fixed_at] = PhaseLabel.FIXED_POINT
    label[~(total > 0)] = PhaseLabel.NONE
    return Phase(k90, label, entropy, kl, heaviest, visible)


def count_holding(weights: Float[Tensor, "*rows N"], share: float) -> Int[Tensor, "*rows"]:
    """The fewest entries of each row that hold a share of its sum; 0 for a row of zeros."""
    weights = weights.to(torch.promote_types(weights.dtype, torch.float32))
    if weights.device.type == "cpu":  # NumPy sorts several times faster than PyTorch here
        falling = torch.from_numpy(-np.sort(-weights.numpy(), axis=-1))
    else:
        falling = weights.sort(-1, descending=True).values
    held = falling.cumsum(-1, dtype=torch.float64)
    total = held[..., -1:]
    rounding = 1 - 1e-12
    return ((held < share * rounding * total).sum(-1) + 1) * (total.squeeze(-1) > 0)


def _heaviest(weights: Tensor, same: Tensor | None) -> Tensor:
    """Weight of the heaviest pattern, with that of its duplicates: the patterns of its number."""
    if same is not None:
        index = same.unsqueeze(-2).expand(*weights.shape)
        weights = torch.zeros_like(weights).scatter_add(-1, index, weights)
    return weights.amax(-1)


@dataclass(frozen=True)
class FixedPoints:
    """Attractors reached from the stored patterns and from given starts, the most reached first.

    Attributes:
        state: `(A, d)`.
        energy: `(A,)`.
        phase: of each attractor, `(A,)`.
        reached: `(N,)`, which attractor retrieval from each stored pattern ends in; −1 where it did
            not converge, and for patterns that are masked.
        reached_from: `(T,)`, the same for the given starts.
    """

    state: Float[Tensor, "A d"]
    energy: Float[Tensor, " A"]
    phase: Phase
    reached: Int[Tensor, " N"]
    reached_from: Int[Tensor, " T"]

    def patterns_of(self, attractor: int) -> Int[Tensor, " n"]:
        """Indices of the stored patterns from which retrieval ends in this attractor."""
        return (self.reached == attractor).nonzero().squeeze(-1)

    def count(self, label: PhaseLabel) -> int:
        """How many attractors are of this phase."""
        return int((self.phase.label == label).sum())


def fixed_points(
    stored: Float[Tensor, "N d"],
    starts: Float[Tensor, "T d"] | None = None,
    *,
    steps: int = 1000,
    tol: float | None = None,
    merge: float | None = None,
    **settings: Unpack[Settings],
) -> FixedPoints:
    """The attractors reached from the stored patterns and from given starts.

    Each visible stored pattern is a start, in at least float32; ends that lie within `merge` of
    each other are one attractor. Others may exist that none of the starts leads to, and a start on
    the ridge between two basins ends at a saddle.

    Args:
        stored: patterns X, `(N, d)`.
        starts: more states to start from, `(T, d)`.
        steps: the largest number of updates.
        tol: how little an update moves a state that has converged; by default 1e-6 M, or 16
            units of rounding where that is more.
        merge: distance at which two ends coincide; by default 1e-3 M.
        **settings: see `hopfield.Settings`, without offsets.

    Raises:
        ShapeError, DtypeError, ArgumentError: as for `update`.

    Warns:
        ConvergenceWarning: some starts did not converge; they are in no attractor.
    """
    _check.plain_patterns(stored)
    if starts is not None:
        _check.state_fits(starts, stored)
        if starts.dim() != 2:
            raise ShapeError(f"starts has shape {_check.shape_of(starts)}; (T, d) is expected")
        _check.finite("starts", starts)
    stored = stored.to(torch.promote_types(stored.dtype, torch.float32))
    more = stored[:0] if starts is None else starts.to(stored.dtype)
    start, network = build_for_all("fixed_points", stored, stored, **settings)
    length = vector_norm(start, dim=-1).amax().item() or 1.0
    smallest = max(1e-6, 16 * torch.finfo(stored.dtype).eps)
    tol = smallest * length if tol is None else _check.positive("tol", tol)
    merge = 1e-3 * length if merge is None else _check.positive("merge", merge)
    with torch.no_grad():
        additive = network.inputs(start, "nothing").additive()
        visible = start.new_zeros(1, len(start)) if additive is None else additive
        begun = (visible.reshape(-1, len(start))[0] > -torch.inf).nonzero().squeeze(-1)
        begin = torch.cat([stored[begun], more])
        ends = retrieve(begin, stored, steps=steps, tol=tol, energy=True, **settings)
        assert ends.converged is not None
        assert ends.energy is not None
        arrived = ends.converged.nonzero().squeeze(-1)
        first, attractor = coinciding(ends.state[arrived], merge)
        end_of = torch.full((len(begin),), -1, device=stored.device)
        end_of[arrived] = attractor
        reached = torch.full((len(stored),), -1, device=stored.device)
        reached[begun] = end_of[: len(begun)]
        chosen = arrived[first]
        state, energy = ends.state[chosen], ends.energy[chosen]
        of_each = phase(state, stored, **settings)
        return FixedPoints(state, energy, of_each, reached, end_of[len(begun) :])


def coinciding(points: Tensor, radius: float) -> tuple[Tensor, Tensor]:
    """Points within `radius` as groups: a member of each, largest first, and each point's group."""
    group = torch.arange(len(points), device=points.device)
    if len(points) == 0:
        return group, group
    wide = (points - points.mean(0)).double()
    squares = wide.square().sum(-1)
    before = None
    while before is None or not torch.equal(group, before):  # chains of near points are one group
        before, group = group, group.clone()
        for rows in tiles(len(points), max(1, WEIGHTS_AT_ONCE // len(points))):
            apart = squares[rows, None] + squares - 2 * wide[rows] @ wide.mT
            near = torch.where(apart <= radius**2, group, len(points))
            group[rows] = torch.minimum(group[rows], near.amin(-1))
    first, group, sizes = group.unique(return_inverse=True, return_counts=True)
    order = sizes.argsort(descending=True, stable=True)
    return first[order], order.argsort()[group]
