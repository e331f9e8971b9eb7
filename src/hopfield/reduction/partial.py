"""What a reduction over some of the stored patterns leaves, and how such parts merge."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hopfield.errors import ArgumentError, ShapeError
from hopfield.separation import Separation, Softmax, Softmax1, TopK

MERGEABLE = (Softmax, Softmax1, TopK)
SOFTMAX = Softmax()


@dataclass(frozen=True)
class Partial:
    """The result of a reduction over some stored patterns, ready to merge with that over others.

    Attributes:
        readout: `(..., S, v)`: the projections, weighted by association with these patterns alone.
        log_partition: `(..., S)`: Ω* of the scores, −inf where no pattern is visible; at least
            float32.
        separation: the separation that both belong to.
        terms: what merges instead of the two where they alone do not say enough: for softmax1 the
            softmax without the null pattern, for top-k the k heaviest patterns one by one, shapes
            `(..., S, k, v)` and `(..., S, k)`.
    """

    readout: Float[Tensor, "..."]
    log_partition: Float[Tensor, "..."]
    separation: Separation = SOFTMAX
    terms: "Partial | None" = None


def merge(partials: Iterable[Partial]) -> Partial:
    """The reduction over all patterns, from those over disjoint parts of them.

    Softmax parts merge by log-sum-exp: `Z = Σ Z_i`, `y = Σ (Z_i / Z) y_i`. Merging is associative,
    differentiable, and exact up to rounding, in any order.

    Args:
        partials: at least one, all of the same separation: softmax, softmax1 or top-k.

    Raises:
        ArgumentError: nothing to merge, or separations that differ.
        ShapeError: results for states of different shapes.
    """
    merged: Partial | None = None
    for part in partials:
        if not isinstance(part.separation, MERGEABLE):
            raise ArgumentError(
                f"merge got a partial result of {part.separation}, which needs all scores of a "
                f"state at once; softmax, softmax1 and top-k merge"
            )
        merged = part if merged is None else _merge_two(merged, part)
    if merged is None:
        raise ArgumentError("merge got no partial results; at least one is expected")
    return merged


def _merge_two(first: Partial, second: Partial) -> Partial:
    if first.separation != second.separation:
        raise ArgumentError(
            f"merge got partial results of {first.separation} and of {second.separation}; "
            f"all must be of the same separation"
        )
    if first.log_partition.shape != second.log_partition.shape:
        raise ShapeError(
            f"merge got partial results for states of shape {tuple(first.log_partition.shape)} and "
            f"{tuple(second.log_partition.shape)}; all must be for the same states"
        )
    one, other = first.terms or first, second.terms or second
    if isinstance(first.separation, TopK):
        return finish(first.separation, _heaviest(first.separation.k, one, other))
    readouts = torch.stack([one.readout, other.readout])
    log_partitions = torch.stack([one.log_partition, other.log_partition])
    return finish(first.separation, Partial(*combine(readouts, log_partitions)))


def combine(readouts: Tensor, log_partitions: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax parts, stacked in dimension 0, as one: `(parts, ..., S, v)` and `(parts, ..., S)`."""
    hidden = log_partitions.isneginf().all(0)
    log_partition = log_partitions.masked_fill(hidden, 0.0).logsumexp(0)
    share = torch.exp(log_partitions - log_partition).unsqueeze(-1)
    readout = (share * readouts).sum(0).to(readouts.dtype)
    return readout, log_partition.masked_fill(hidden, -torch.inf)


def _heaviest(k: int, one: Partial, other: Partial) -> Partial:
    scores = torch.cat([one.log_partition, other.log_partition], -1)
    readout = torch.cat([one.readout, other.readout], -2)
    top = scores.topk(min(k, scores.shape[-1]), -1)
    where = top.indices.unsqueeze(-1).expand(*top.indices.shape, readout.shape[-1])
    return Partial(readout.gather(-2, where), top.values)


def finish(separation: Separation, terms: Partial) -> Partial:
    """The result that `separation` makes of mergeable terms."""
    if isinstance(separation, Softmax1):
        silence = torch.zeros_like(terms.log_partition)
        share = torch.sigmoid(terms.log_partition).unsqueeze(-1).to(terms.readout.dtype)
        log_partition = torch.logaddexp(terms.log_partition, silence)
        return Partial(share * terms.readout, log_partition, separation, terms)
    if isinstance(separation, TopK):
        weights = Softmax().weights(terms.log_partition).to(terms.readout.dtype)
        readout = (weights.unsqueeze(-2) @ terms.readout).squeeze(-2)
        return Partial(readout, Softmax().conjugate(terms.log_partition), separation, terms)
    return terms
