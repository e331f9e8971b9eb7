"""The β from which on a wanted share of the patterns is retrieved."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.linalg import vector_norm

from hopfield import _check
from hopfield.errors import NotStorableError
from hopfield.functional import update
from hopfield.theory.patterns import delta, max_norm

STEP_DOWN = 2 ** (1 / 8)
PRECISION = 1e-3
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


def storing_beta(
    stored: Float[Tensor, "N d"],
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

    Args:
        stored: patterns X, `(N, d)`.
        error: how far from itself a pattern may be retrieved, in units of pattern length.
        share: the share of patterns wanted, in (0, 1].
        sample: how many patterns are measured, at most; drawn at random.
        seed: of that draw.

    Returns:
        A `StoringBeta`.

    Raises:
        NotStorableError: too many patterns have Δ_i ≤ 0 (duplicates, or hidden by a longer one), so
            that no β stores the share; the message says how many, and which.
        ArgumentError: arguments out of range.
    """
    _check.plain_patterns(stored)
    _check.finite("stored", stored)
    error, share = _check.positive("error", error), _check.share("share", share)
    size, count = stored.shape[0], min(_check.positive_int("sample", sample), stored.shape[0])
    generator = torch.Generator("cpu").manual_seed(
        _check.seed("seed", seed)
    )  # the same sample on every device
    drawn = torch.randperm(size, generator=generator, device="cpu")[:count]
    index = drawn.sort().values.to(stored.device)
    gaps = delta(stored, index).double()
    hidden = gaps <= 0
    rank = max(1, math.ceil(share * count - 1e-9))
    if rank > count - int(hidden.sum()):
        raise NotStorableError(
            f"{int(hidden.sum())} of {count} {'sampled ' if count < size else ''}patterns have "
            f"Δ_i ≤ 0 (duplicates, or hidden by a longer pattern): no β stores them, so a share of "
            f"{share:g} is out of reach; {1 - int(hidden.sum()) / count:g} is the most. They are "
            f"at index {_listed(index[hidden])}: leave them out"
        )
    thresholds = torch.full_like(gaps, torch.inf)
    thresholds[~hidden] = _thresholds(stored.double(), index[~hidden], gaps[~hidden], error)
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


def _thresholds(stored: Tensor, index: Tensor, gaps: Tensor, error: float) -> Tensor:
    """For each pattern the β above which it holds, `(n,)`."""
    size, radius = stored.shape[0], max_norm(stored).item()
    own = stored[index]

    def holds(which: Tensor, beta: Tensor) -> Tensor:
        image = update(own[which], stored, beta=beta[:, None])
        return vector_norm(image - own[which], dim=-1) <= error

    proved = math.log(max(2 * (size - 1) * radius / error, math.e))
    high = proved / gaps
    low = high.clone()
    negligible = PRECISION / radius**2 if radius > 0 else math.inf
    going = torch.arange(len(index), device=index.device)
    while len(going):  # down from the proved β, until it fails or β is as good as 0
        low[going] = high[going] / STEP_DOWN
        low[going[low[going] < negligible]] = 0.0
        going = going[low[going] > 0]
        held = holds(going, low[going])
        high[going[held]] = low[going[held]]
        going = going[held]
    high[low == 0] = 0.0
    going = (high > low * (1 + PRECISION)).nonzero().squeeze(-1)
    while len(going):
        middle = (low[going] * high[going]).sqrt()
        held = holds(going, middle)
        high[going[held]], low[going[~held]] = middle[held], middle[~held]
        going = going[high[going] > low[going] * (1 + PRECISION)]
    return high


def _quantile_ranks(count: int, share: float) -> tuple[int, int]:
    """Ranks of the order statistics between which the quantile lies; `count + 1` is beyond all."""
    from scipy.stats import binom

    tail = (1 - CONFIDENCE) / 2
    return int(binom.ppf(tail, count, share)), int(binom.ppf(1 - tail, count, share)) + 1
