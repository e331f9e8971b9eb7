"""`diagnose`: how well a memory stores what it holds, seen on a sample against all."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hopfield.errors import NotStorableError
from hopfield.fixed_point import distance, update_until_stopped
from hopfield.memory.network import MemoryNetwork
from hopfield.phases import coinciding
from hopfield.theory import patterns
from hopfield.theory.beta import StoringBeta, storing_beta

Blocks = Callable[[], Iterator[Tensor]]

STEPS = 200
TOLERANCE, MERGED = 1e-5, 1e-3  # in units of M: of a state at rest, and between two that are one


@dataclass(frozen=True)
class Diagnosis:
    """How well a memory stores its patterns; `(n,)` are those of a sample.

    Attributes:
        patterns: how many there are, N.
        longest: M, the length of the longest.
        spread: m_max, the largest distance from their mean.
        beta: the β that all this is at.
        error: how far from itself a pattern may be retrieved.
        ids: of the sample.
        delta: Δ_i, in units of squared pattern length; with the Euclidean similarity half the
            squared distance to the nearest other pattern.
        stored: whether one update retrieves the pattern within `error`, and Δ_i > 0.
        family: the number of the attractor that retrieval from the pattern ends in, the most
            reached first; −1 where it does not come to rest.
        choice: the β that stores the share that was asked for; None if there is none.
        why_not: why there is none.
    """

    patterns: int
    longest: float
    spread: float
    beta: float
    error: float
    ids: Int[Tensor, " n"]
    delta: Float[Tensor, " n"]
    stored: Bool[Tensor, " n"]
    family: Int[Tensor, " n"]
    choice: StoringBeta | None
    why_not: str | None

    @property
    def families(self) -> list[Int[Tensor, " m"]]:
        """The ids of the sampled patterns that end in one attractor together, largest first."""
        return [self.ids[self.family == number] for number in range(int(self.family.max()) + 1)]

    def __str__(self) -> str:
        sampled = len(self.ids)
        together = sum(len(family) for family in self.families if len(family) > 1)
        choice = f"none: {self.why_not}"
        if self.choice is not None:
            low, high = self.choice.interval
            choice = f"{self.choice.beta:.4g} (95 %: {low:.4g} to {high:.4g})"
        return "\n".join(
            [
                f"patterns    {self.patterns}, {sampled} of them looked at",
                f"M, m_max    {self.longest:.4g}, {self.spread:.4g}",
                f"Δ           {self._quartiles()}",
                f"stored      {self.stored.float().mean():.1%} at β = {self.beta:.4g}, within "
                f"{self.error:.3g}",
                f"families    {len(self.families)} attractors; {together} patterns share one",
                f"β to choose {choice}",
            ]
        )

    def _quartiles(self) -> str:
        at = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0], dtype=self.delta.dtype)
        found = " / ".join(
            f"{one:.3g}" for one in self.delta.quantile(at, interpolation="nearest").tolist()
        )
        return f"{found} (least, quartiles, most)"


@torch.no_grad()
def diagnosed(
    network: MemoryNetwork,
    blocks: Blocks,
    ids: Tensor,
    *,
    error: float,
    share: float,
    sample: int,
    seed: int,
) -> Diagnosis:
    """The diagnosis of what a network associates with; `blocks` are its visible patterns."""
    drawn = torch.randperm(len(ids), generator=torch.Generator().manual_seed(seed))[:sample]
    index = drawn.sort().values
    own = patterns.patterns_at(blocks, index)
    euclidean = network.association.similarity == "euclidean"
    delta = _half_squared_distance(blocks, own, index) if euclidean else None
    delta = patterns.least_gap(blocks, own, index) if delta is None else delta
    longest = float(patterns.max_norm(blocks))
    state = own.float()
    moved = distance(network.update(state), state)
    rest = update_until_stopped(network, state, STEPS, TOLERANCE * longest)
    family = torch.full_like(index, -1)
    family[rest.converged] = coinciding(rest.state[rest.converged], MERGED * longest)[1]
    choice, why_not = None, None
    try:
        choice = chosen_beta(network.association.similarity, blocks, error, share, sample, seed)
    except NotStorableError as refusal:
        why_not = str(refusal)
    return Diagnosis(
        patterns=len(ids),
        longest=longest,
        spread=float(patterns.spread(blocks)),
        beta=float(network.association.beta),
        error=error,
        ids=ids[index],
        delta=delta,
        stored=(moved <= error) & (delta > 0),
        family=family,
        choice=choice,
        why_not=why_not,
    )


def chosen_beta(
    similarity: str, blocks: Blocks, error: float, share: float, sample: int, seed: int
) -> StoringBeta:
    """The β that stores a share of the patterns.

    Raises:
        NotStorableError: none does, or which does cannot be told.
    """
    if similarity == "euclidean":
        raise NotStorableError(
            "the theorem that tells which β stores is of the dot product, not of the Euclidean "
            "similarity; set beta to a number"
        )
    found = storing_beta(blocks, error, share, sample=sample, seed=seed)
    if not found.beta > 0:
        raise NotStorableError(
            "every β retrieves the patterns within that error, so none is to be preferred; ask for "
            "a smaller error, or set beta to a number"
        )
    return found


def _half_squared_distance(blocks: Blocks, own: Tensor, index: Tensor) -> Tensor:
    """½ ‖x_i − x_j‖² to the nearest other pattern, `(n,)`."""
    least = own.new_full((len(own),), torch.inf)
    squares = own.square().sum(-1, keepdim=True)
    for tile, gap in patterns.gaps(blocks, own, index):
        apart = gap + 0.5 * (tile.square().sum(-1) - squares)
        least = torch.minimum(least, apart.amin(-1))
    return least.clamp(min=0.0)
