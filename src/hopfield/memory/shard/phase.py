"""Phases of states over patterns that are spread over processes: no weight leaves its process.

What is exchanged has one size, whatever the number of patterns: sums; thresholds that close in on
the lightest of the patterns that hold 90 % of the weight; and candidates for the heaviest one.
"""

from dataclasses import fields

import torch
from torch import Tensor
from torch.nn.functional import pad

from hopfield.equal_patterns import AS_INTEGERS, number_equal
from hopfield.memory.shard.collective import Group
from hopfield.memory.shard.network import ShardNetwork
from hopfield.phases import (
    WEIGHTS_AT_ONCE,
    Phase,
    in_dtype,
    joined,
    judged,
    limits,
    phase_of_weights,
)
from hopfield.reduction.inputs import tiles
from hopfield.separation import TopK

HOLDING = 0.9 * (1 - 1e-12)  # as `phases.count_holding` has it
CANDIDATES = 64


@torch.no_grad()
def shard_phase(network: ShardNetwork, state: Tensor, fixed_at: float, global_kl: float) -> Phase:
    """The phase of states `(S, d)`, as `hopfield.phase` has it.

    The weight of the heaviest pattern, its duplicates on all processes included, is exact where it
    is at least 1/64: then it is among the 64 heaviest of some process. Below that it may be told
    too low, by less than 1/64, if its duplicates are many and lie on several processes.
    """
    fixed_at, global_kl = limits(fixed_at, global_kl)
    separation, group, keys = network.association.separation, network.group, network.keys()
    visible = network.known.visible.expand(len(state))
    if isinstance(separation, TopK):
        found = network.heaviest(state, separation.k, keys)
        weights, same = found.score.softmax(-1).double(), number_equal(found.row)
        # Each state has patterns of its own: states are a leading dimension here.
        phase = phase_of_weights(
            weights.unsqueeze(-2), same, visible.unsqueeze(-1), fixed_at, global_kl
        )
        flat = (getattr(phase, field.name).squeeze(-1) for field in fields(Phase))
        return in_dtype(Phase(*flat), state.dtype)
    distinct, number = keys.unique(return_inverse=True)
    most = int(group.slots(torch.tensor(len(keys), device=group.device)).amax())
    pieces = []
    for rows in tiles(len(state), max(1, WEIGHTS_AT_ONCE // most)):
        weights = network.weights(state[rows])
        total, surprise = group.sum(
            torch.stack([weights.sum(-1, dtype=torch.float64), _log_weighted(weights)])
        )
        entropy = total.log() - surprise / total
        k90 = _count_holding(weights, HOLDING * total, group)
        groups = total.new_zeros(len(weights), len(distinct))
        groups = groups.index_add(-1, number, weights.double())
        heaviest = _heaviest(groups, distinct, group) / total
        pieces.append(judged(total, k90, entropy, heaviest, visible[rows], fixed_at, global_kl))
    return in_dtype(joined(torch.cat, pieces, -1), state.dtype)


def _log_weighted(weights: Tensor) -> Tensor:
    """Σ w log w, `(S,)`."""
    return -torch.special.entr(weights.double()).sum(-1)


def _count_holding(weights: Tensor, target: Tensor, group: Group) -> Tensor:
    """The fewest patterns that together hold `target`, `(S,)`, of weights `(S, n)`.

    Floats that are not negative have the order of their bits as integers: bisection over these ends
    at the weight of the last pattern that is needed, after one all-reduce for each bit.
    """
    rising = weights.sort(-1).values
    bits = rising.view(AS_INTEGERS[rising.element_size()])
    beyond = pad(rising.double().flip(-1).cumsum(-1).flip(-1), (0, 1))  # mass from each on

    def held(at_least: Tensor) -> tuple[Tensor, Tensor]:
        place = torch.searchsorted(bits, at_least.unsqueeze(-1))
        count = bits.shape[-1] - place.squeeze(-1)
        return beyond.gather(-1, place).squeeze(-1), count

    low = bits.new_zeros(len(bits))
    high = torch.full_like(weights[:, 0], torch.inf).view(bits.dtype)
    while bool((high - low > 1).any()):
        middle = low + (high - low) // 2
        enough = group.sum(held(middle)[0]) >= target
        low, high = torch.where(enough, middle, low), torch.where(enough, high, middle)
    mass, count = group.sum(torch.stack([part.double() for part in held(low + 1)]))
    last = low.view(weights.dtype).double()
    return (count + ((target - mass) / last).ceil()).long()


def _heaviest(groups: Tensor, keys: Tensor, group: Group) -> Tensor:
    """The weight of the heaviest pattern, `(S,)`, of `(S, u)` for distinct patterns by their keys.

    Each process names its heaviest; those that any has named are summed over all.
    """
    top = groups.topk(min(CANDIDATES, len(keys)), -1).indices
    named = keys[pad(top, (0, CANDIDATES - top.shape[-1]))]
    candidates = group.slots(named).transpose(0, 1).flatten(1).contiguous()
    place = torch.searchsorted(keys, candidates).clamp(max=len(keys) - 1)
    own = groups.gather(-1, place) * (keys[place] == candidates)
    return group.sum(own).amax(-1)
