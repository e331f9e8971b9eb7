"""`Plan`: which lists are compared with states whole, and how the others are sampled."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hopfield.memory.index.lists import Lists
from hopfield.memory.index.members import Members
from hopfield.memory.index.probe import Probe
from hopfield.similarity import Similarity

EVERYWHERE = 0.1  # share of the samples that follows no weights, so that no list goes without
MOST_GAIN = 2.0  # beyond this the scores of a list are not taken to be Gaussian
LEAST = 2.0**-20


@dataclass(frozen=True)
class Plan:
    """What of the lists is compared with states.

    Attributes:
        scanned: `(S, P)`, lists, those first that could put an estimate off most.
        after: `(S, P)`, log of what all patterns but those up to each of them are likely to weigh.
        most: `(S, P)`, log of what these weigh at most.
        control: `(S, L)`, log c; −inf for lists in `scanned`, and for empty ones.
        chances: `(S, L)`, the probability that a sample is of this list.
    """

    scanned: Tensor
    after: Tensor
    most: Tensor
    control: Tensor
    chances: Tensor

    @classmethod
    def of(
        cls, similarity: Similarity, lists: Lists, members: Members, state: Tensor, probe: Probe
    ) -> "Plan":
        """The plan for states `(S, d)`."""
        squares = state.square().sum(-1, keepdim=True)
        dots = state @ lists.means.T
        if similarity == "euclidean":
            both = squares + lists.means.square().sum(-1)
            squares_off = (both - 2 * dots).clamp(min=0.0)
            surely = (squares_off - LEAST * both).clamp(min=0.0)  # whatever rounding did
            nearest = (surely.sqrt() - lists.radii).clamp(min=0.0)
            most = 0.5 * members.beta * (squares - nearest.square())
        else:
            squares_off = squares
            most = members.beta * (dots + squares.sqrt() * lists.radii)
        scores, log_counts = members.beta * dots + members.offsets, members.counts.log()
        spread = members.beta * (squares_off * lists.variances).sqrt()
        gain = 0.5 * spread.square()
        control, empty = scores + gain.clamp(max=MOST_GAIN), members.counts == 0
        # Scores in a list taken as Gaussian: what it weighs is as of the random energy model
        # (Derrida 1981), beyond a spread that depends on their number: that of the heaviest alone.
        many = log_counts.clamp(min=0.0)
        critical = (2 * many).sqrt()
        gain = torch.where(spread < critical, gain, critical * spread - many)
        likely = scores + log_counts + gain
        varying = torch.minimum(torch.expm1(2 * gain), members.counts).clamp(min=LEAST)
        doubt = likely + 0.5 * varying.log()
        scanned = doubt.topk(min(probe.lists, doubt.shape[-1]), -1).indices
        evenly = members.counts.expand_as(doubt).scatter(-1, scanned, 0.0)
        evenly = evenly / evenly.sum(-1, keepdim=True).clamp(min=1.0)
        by_doubt = doubt.scatter_(-1, scanned, -torch.inf).softmax(-1).nan_to_num_(0.0)

        def after(log_weights: Tensor) -> Tensor:
            """Log of the weight of all lists but those of `scanned` up to each of them."""
            of_scanned = log_weights.gather(-1, scanned)
            rest = log_weights.scatter(-1, scanned, -torch.inf).logsumexp(-1, keepdim=True)
            onwards = torch.cat([of_scanned[:, 1:], rest], -1)
            return onwards.flip(-1).logcumsumexp(-1).flip(-1)

        return cls(
            scanned=scanned,
            after=after(likely),
            most=after(most + log_counts),
            control=control.scatter_(-1, scanned, -torch.inf).masked_fill_(empty, -torch.inf),
            chances=by_doubt.lerp_(evenly, EVERYWHERE),
        )
