"""The β from which on a wanted share of the patterns is retrieved."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.linalg import vector_norm

from hopfield import _check
from hopfield.errors import NotStorableError
from hopfield.reduction.inputs import tiles
from hopfield.settings import Stored
from hopfield.theory import patterns

STEP_DOWN = 2 ** (1 / 8)
PRECISION = 1e-3
OCTAVES, BITS = 10, 7  # of the histograms of gaps: from Δ_i up, 2**BITS bins an octave
FEW = 20_000  # patterns: over so many a pass costs less than bounds from histograms
ONE = 127 << 23  # the bits of 1.0 in float32
ROUNDING = 1e-6  # more than that of float32
CONFIDENCE = 0.95
SHOWN = 20  # indices that a message lists


@dataclass(frozen=True)
class StoringBeta:
    """The β from which on the wanted share of patterns holds.

    Attributes:
        beta: the estimate: the share-quantile of the thresholds of the sampled patterns; 0 where
            every β will do.
        interval: where the quantile over all patterns lies with 95 % confidence, whatever their
            distribution (order statistics); infinite above where the sample is too small to say,
            and a single point where all patterns were measured.
        thresholds: `(n,)`, for each sampled pattern the β above which it holds; +inf where none
            does.
        index: `(n,)`, which patterns were sampled.
    """

    beta: float
    interval: tuple[float, float]
    thresholds: Float[Tensor, " n"]
    index: Tensor


@torch.no_grad()
def storing_beta(
    stored: Stored,
    error: float,
    share: float = 0.99,
    *,
    sample: int = 512,
    seed: int = 0,
) -> StoringBeta:
    """The β above which the wanted share of patterns is retrieved in one update from themselves.

    A pattern holds at β if `‖f(x_i) − x_i‖ ≤ error`, for the softmax of dot products with ALL
    patterns, and Δ_i > 0: one that is not told from another is not stored, however near they lie.
    That is not monotone in β: near the mean, everything is within the error as β → 0. So each
    sampled pattern is followed down from a β at which it is proved to hold (theorem 5 of Ramsauer
    et al. 2020, arXiv 2008.02217) to where it first fails, in steps of 9 % and then by bisection; a
    stretch of β narrower than a step, in which it fails, may be stepped over, and a β below
    1e-3 / M² counts as 0.

    All is computed in float64, and memory is bounded by a block and the sample.

    Args:
        stored: patterns X, `(N, d)`. Or blocks of them, as for `hopfield.update`, read several
            times.
        error: how far from itself a pattern may be retrieved, in units of pattern length.
        share: the share of patterns wanted, in (0, 1].
        sample: how many patterns are measured, at most; drawn at random.
        seed: of that draw.

    Returns:
        A `StoringBeta`.

    Raises:
        NotStorableError: too many patterns have Δ_i ≤ 0 (duplicates, or hidden by a longer one), so
            that no β stores the share; the message says how many, and which.
        ShapeError, DtypeError: patterns that do not fit, or blocks that do not fit each other.
        ArgumentError: arguments out of range; NaN or infinity; an iterator, which can be read only
            once.
    """
    first = next(patterns.read(stored))[1]
    _check.plain_patterns(first)
    error, share = _check.positive("error", error), _check.share("share", share)
    sample, seed = _check.positive_int("sample", sample), _check.seed("seed", seed)
    size, longest = patterns.size_and_norm(stored)
    radius = longest.item()
    count = min(sample, size)
    generator = torch.Generator("cpu").manual_seed(seed)  # the same sample on every device
    drawn = torch.randperm(size, generator=generator, device="cpu")[:count]
    index = drawn.sort().values.to(first.device)
    own = patterns.patterns_at(stored, index)
    rows = [*tiles(count, patterns.ROWS_AT_ONCE)]
    gaps = torch.cat([patterns.least_gap(stored, own[some], index[some]) for some in rows])
    hidden = gaps <= 0
    rank = max(1, math.ceil(share * count - 1e-9))
    if rank > count - int(hidden.sum()):
        raise NotStorableError(
            f"{int(hidden.sum())} of {count} {'sampled ' if count < size else ''}patterns have "
            f"Δ_i ≤ 0 (duplicates, or hidden by a longer pattern): no β stores them, so a share of "
            f"{share:g} is out of reach; {1 - int(hidden.sum()) / count:g} is the most. They are "
            f"at index {_listed(index[hidden])}: leave them out"
        )
    proved = math.log(max(2 * (size - 1) * radius / error, math.e)) / gaps
    negligible = PRECISION / max(radius, 1e-150) ** 2
    thresholds = proved.masked_fill(hidden, torch.inf)
    for some in (~hidden).nonzero().squeeze(-1).split(patterns.ROWS_AT_ONCE):
        moved = _Moved(stored, own[some], index[some], gaps[some], radius, size)
        thresholds[some] = _thresholds(moved, proved[some], error, negligible)
    ranked = thresholds.sort().values
    low, high = (rank, rank) if count == size else _quantile_ranks(count, share)
    return StoringBeta(
        ranked[rank - 1].item(),
        (
            ranked[low - 1].item() if low >= 1 else 0.0,
            ranked[high - 1].item() if high <= count else math.inf,
        ),
        thresholds,
        index,
    )


def _listed(index: Tensor) -> str:
    shown = ", ".join(map(str, index[:SHOWN].tolist()))
    return shown + (" …" if len(index) > SHOWN else "")


class _Moved:
    """How far one update moves some patterns, ‖f(x_i) − x_i‖: measured by passes, bounded between.

    With gaps `g_j = x_i·x_i − x_i·x_j` and weights `w_j = exp(−β g_j)` it is `‖v‖ / (1 + w)` with
    `w = Σ w_j` and `v = Σ w_j (x_j − x_i)`, sums over j ≠ i. The part of v along x_i is
    `Σ w_j g_j / ‖x_i‖`, and `‖x_j − x_i‖² = ‖x_j‖² − ‖x_i‖² + 2 g_j`, whose mean over a bin bounds
    the mean of the lengths: so a histogram of the gaps, on a logarithmic scale from Δ_i up, bounds
    it from both sides for every β; far tighter near a β at which v and w were measured, where they
    differ from c v and c w by `Σ |w_j(β) − c w_j| ‖x_j − x_i‖` and `Σ |w_j(β) − c w_j|` at most.
    """

    def __init__(
        self, stored: Stored, own: Tensor, index: Tensor, least: Tensor, radius: float, size: int
    ) -> None:
        self._stored, self._own, self._index = stored, own, index
        self._norm, bins = vector_norm(own, dim=-1, keepdim=True), OCTAVES << BITS
        bits = ONE + (torch.arange(bins + 1, dtype=torch.int32) << (23 - BITS))
        edges = least[:, None] * bits.view(torch.float32).to(own)
        self._low, self._high = edges[:, :-1] * (1 - ROUNDING), edges[:, 1:] * (1 + ROUNDING)
        self._high[:, -1:] = self._high[:, -1:].maximum(self._norm * (self._norm + radius))
        self._beta, self._v, self._w = torch.full((3, len(own), 1), torch.nan).to(own)
        self._counts: Tensor | None = None
        if size > FEW:
            self._counts, squares = self._histogram(least[:, None], bins)
            apart = squares / self._counts.clamp(min=1) - self._norm.square() + 2 * self._high
            self._apart = apart.clamp(min=0).sqrt() * (1 + ROUNDING)

    def _histogram(self, least: Tensor, bins: int) -> tuple[Tensor, Tensor]:
        """For each bin of gaps how many patterns lie there, and the sum of their ‖x_j‖²."""
        counts, squares = self._own.new_zeros(2, len(self._own), bins)
        one = counts.new_ones(1, 1)
        for tile, gap in patterns.gaps(self._stored, self._own, self._index):
            # The leading bits of a float32 from 1 on count the bins.
            bits = (gap / least).float().view(torch.int32).sub_(ONE) >> (23 - BITS)
            which = bits.clamp_(0, bins - 1).long()
            counts.scatter_add_(1, which, one.expand_as(gap))
            squares.scatter_add_(1, which, tile.square().sum(-1).expand_as(gap))
        counts[:, -1] -= 1  # its own gap, +inf
        squares[:, -1:] -= self._norm.square()
        return counts, squares

    def measure(self, which: Tensor, beta: Tensor) -> Tensor:
        """By a pass over all patterns: how far, `(n,)`."""
        own, beta = self._own[which], beta[:, None]
        v, w = torch.zeros_like(own), torch.zeros_like(beta)
        for tile, gap in patterns.gaps(self._stored, own, self._index[which]):
            weights = gap.mul_(-beta).exp_()
            v += weights @ tile
            w += weights.sum(-1, keepdim=True)
        length = vector_norm(v - w * own, dim=-1, keepdim=True)
        self._beta[which], self._v[which], self._w[which] = beta, length, w
        return (length / (1 + w))[:, 0]

    def bounds(self, which: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
        """At least and at most how far, `(n,)` each."""
        if self._counts is None:
            moved = self.measure(which, beta)
            return moved, moved
        beta, counts, apart = beta[:, None], self._counts[which], self._apart[which]
        low, high, norm = self._low[which], self._high[which], self._norm[which]
        fewest, most = counts * (-beta * high).exp(), counts * (-beta * low).exp()
        at_least = _sum(fewest * low) / norm / (1 + _sum(most))
        at_most = _sum(most * apart) / (1 + _sum(fewest))

        measured, step = self._beta[which], (beta - self._beta[which]).abs()
        most = counts * (-torch.minimum(beta, measured) * low).exp()
        mean = _sum(most * low) / _sum(most)
        c, middle = ((measured - beta) * mean).exp(), (-step * mean).exp()
        ends = ((-step * end).exp().sub_(middle).abs_() for end in (low, high))
        off = most * torch.maximum(*ends) * c.clamp(min=1)
        v, v_off, w, w_off = c * self._v[which], _sum(off * apart), c * self._w[which], _sum(off)
        at_least = torch.fmax(at_least, (v - v_off) / (1 + w + w_off))  # NaN: not measured yet
        at_most = torch.fmin(at_most, (v + v_off) / (1 + (w - w_off).clamp(min=0)))
        return at_least[:, 0], at_most[:, 0]


def _sum(of_bins: Tensor) -> Tensor:
    return of_bins.sum(-1, keepdim=True)


def _thresholds(moved: _Moved, proved: Tensor, error: float, negligible: float) -> Tensor:
    """For each pattern the β above which it holds, `(n,)`, from that where it is proved to."""
    high, low = proved.clone(), torch.zeros_like(proved)  # low: where it fails; 0: not known yet
    while True:
        beta = torch.where(low == 0, high / STEP_DOWN, (low * high).sqrt())
        high[(low == 0) & (beta < negligible)] = 0.0
        going = (high > low * (1 + PRECISION)).nonzero().squeeze(-1)
        if len(going) == 0:
            return high
        beta = beta[going]
        at_least, at_most = moved.bounds(going, beta)
        holds, fails = at_most <= error, at_least > error
        if not bool((holds | fails).any()):  # all wait for one pass
            holds = moved.measure(going, beta) <= error
            fails = ~holds
        high[going[holds]], low[going[fails]] = beta[holds], beta[fails]


def _quantile_ranks(count: int, share: float) -> tuple[int, int]:
    """Ranks of the order statistics between which the quantile lies; `count + 1` is beyond all."""
    from scipy.stats import binom

    tail = (1 - CONFIDENCE) / 2
    return int(binom.ppf(tail, count, share)), int(binom.ppf(1 - tail, count, share)) + 1
