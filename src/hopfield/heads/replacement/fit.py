"""Gaussian attention fitted to what heads read out."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hopfield.errors import ArgumentError
from hopfield.heads.replacement.gaussian import GaussianAttention
from hopfield.heads.replacement.statistics import LayerStatistics

NARROWEST = 0.3  # σ in tokens: neighbours of the centre have 0.004 of its weight
BROADEST = 4.0  # σ in lengths of the longest sequence: flat
FINER = 1.5  # from one σ to the next
PRIOR = 2.0  # how many sequences the mean over all places counts for at each


@torch.no_grad()
def fit_gaussian(
    statistics: LayerStatistics, head: int, positions: int | None = None
) -> GaussianAttention:
    """The Gaussian attention that reads out what a head does, as nearly as one can.

    At each place i it has the μ_i and σ_i with the least mean of ‖o_i − Σ_j A_ij v_j‖² over the
    text, found on a grid: A enters as a quadratic form in the products of projections and
    read-outs that were summed up. (Least squares of the read-out, because a head is but seldom a
    Gaussian. One that gives four fifths of its weight to the token before and the rest to all has
    a standard deviation of a third of the text: moments, or the Kullback-Leibler divergence, make
    a broad Gaussian of it.) A place that few sequences have leans on the others: the mean error of
    a distance μ_i − i and σ over all places counts for as much as 2 sequences.

    For places that see further in some sequences than in others, the mean is taken.

    Args:
        statistics: of its layer.
        head: its number.
        positions: the longest sequence that the result is for; default: the longest that was seen.

    Raises:
        ArgumentError: queries and keys are of different sequences, or `positions` is too small.
    """
    if statistics.layer.cross:
        raise ArgumentError(
            f"{statistics.layer.name} attends to another sequence, whose places Gaussian attention "
            f"does not know; 'uniform', 'mean' and 'zero' can replace its heads"
        )
    positions = statistics.places if positions is None else positions
    if positions < statistics.places:
        raise ArgumentError(
            f"positions is {positions}, but sequences of {statistics.places} tokens were seen; "
            f"that many or more are expected"
        )
    windows = _Windows.of(statistics)
    sigmas = _sigmas(statistics.places)
    errors = torch.stack([_errors(statistics, head, windows, float(sigma)) for sigma in sigmas])
    places = torch.arange(statistics.places)
    distances = torch.arange(1 - statistics.places, statistics.places)
    nearest = (places[:, None] + distances).clamp(windows.start[:, None], windows.end[:, None] - 1)
    share = statistics.count / statistics.count.sum()
    anywhere = (errors.gather(-1, nearest.expand(len(sigmas), -1, -1)) * share[:, None]).sum(1)
    there = anywhere[:, places - places[:, None] + statistics.places - 1]
    trust = (statistics.count / (statistics.count + PRIOR))[:, None]
    best = (trust * errors + (1 - trust) * there).permute(1, 0, 2).flatten(1).argmin(-1)
    mean, deviation = best % statistics.places, sigmas[best // statistics.places]
    usual = anywhere.argmin()
    beyond = torch.arange(statistics.places, positions)
    if len(beyond):
        distance = distances[usual % len(distances)]
        mean = torch.cat([mean, (beyond + distance).clamp(0, positions - 1)])
        deviation = torch.cat([deviation, sigmas[usual // len(distances)].expand(len(beyond))])
    return GaussianAttention.of(mean.float(), deviation)


@dataclass(frozen=True)
class _Windows:
    """What the queries at each place see, and how that moves from one place to the next.

    Attributes:
        start: the first visible place, `(P,)`, rising.
        end: the place after the last one, `(P,)`, rising.
        before: for each place as it comes into sight, which ones before it are, `(P, P)`.
        after: for each place as it goes out of sight, which ones after it are, `(P, P)`.
    """

    start: Int[Tensor, " P"]
    end: Int[Tensor, " P"]
    before: Float[Tensor, "P P"]
    after: Float[Tensor, "P P"]

    @classmethod
    def of(cls, statistics: LayerStatistics) -> "_Windows":
        places = torch.arange(statistics.places)
        mean = (statistics.ends / statistics.count.clamp(min=1)).round().long()
        start = statistics.start.cummax(0).values
        end = torch.maximum(mean, start + 1).cummax(0).values
        enters = torch.searchsorted(end, places, right=True).clamp(max=len(places) - 1)
        leaves = torch.searchsorted(start, places, right=True)
        last = end[(leaves - 1).clamp(min=0)]
        before = (places >= start[enters][:, None]) & (places < places[:, None])
        after = (places > places[:, None]) & (places < last[:, None])
        return cls(start, end, before.float(), after.float())

    def total(self, entering: Float[Tensor, "M P"], leaving: Float[Tensor, "M P"]) -> Tensor:
        """What is in sight at each place, `(P, M)`, from what comes and goes with each place."""
        come = torch.cat([torch.zeros(1, len(entering)), entering.mT]).double().cumsum(0)
        gone = torch.cat([torch.zeros(1, len(leaving)), leaving.mT]).double().cumsum(0)
        return (come[self.end] - gone[self.start]).float()


def _sigmas(places: int) -> Tensor:
    """The grid of σ, in tokens."""
    steps = math.ceil(math.log(BROADEST * places / NARROWEST, FINER))
    return NARROWEST * FINER ** torch.arange(steps + 1)


def _errors(
    statistics: LayerStatistics, head: int, windows: _Windows, sigma: float
) -> Float[Tensor, "P M"]:
    """‖o_i − Σ_j A_ij v_j‖² at each place i for centres at each place, but for ‖o_i‖².

    Infinite where the centre is out of sight.
    """
    count = statistics.count.clamp(min=1)
    places = torch.arange(statistics.places)
    both = count[torch.maximum(places, places[:, None])]  # sequences that have both places
    between = statistics.between[head // statistics.layer.group] / both
    read = statistics.read[head] / both
    bell = torch.exp(-0.5 * ((places - places[:, None]) / sigma) ** 2)
    own = bell.square() * between.diagonal()
    entering = 2 * bell * (bell @ (between * windows.before).mT) + own
    leaving = 2 * bell * (bell @ (between * windows.after).mT) + own
    inside = (places >= windows.start[:, None]) & (places < windows.end[:, None])
    weight = windows.total(bell, bell)
    error = windows.total(entering, leaving) / weight.square() - 2 * (read * inside) @ bell / weight
    return error.masked_fill(~inside, torch.inf)
