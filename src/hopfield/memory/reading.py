"""What one association with a memory reads out, and how sure that is."""

from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Bool, Float, Int
from torch import Tensor

from hopfield.fixed_point import Updates


@dataclass(frozen=True)
class Certificate:
    """A proved bound on what an association read out, `(..., S)` each.

    Attributes:
        bound: ‖y − y_exact‖ is at most this, in the unit of the patterns; y_exact is what exact
            arithmetic would give for the stored patterns and the state before the association.
        log_partition: log Z.
        log_partition_bound: |log Z − log Z_exact| is at most this.
        rescored: how many patterns were compared as they are stored.
        exact: whether all of them were, because less would not have held the bound.
    """

    bound: Float[Tensor, "..."]
    log_partition: Float[Tensor, "..."]
    log_partition_bound: Float[Tensor, "..."]
    rescored: Int[Tensor, "..."]
    exact: Bool[Tensor, "..."]


@dataclass(frozen=True)
class Interval:
    """How far off an estimate is, with 95 % confidence, `(..., S)` each.

    The 95 % are of states like those that `Memory.build_index` holds out to measure it.

    Attributes:
        error: ‖ŷ − y‖ is at most this, in the unit of the patterns.
        log_partition: the estimate of log Z.
        log_partition_error: |log Ẑ − log Z| is at most this.
        compared: how many patterns were compared.
    """

    error: Float[Tensor, "..."]
    log_partition: Float[Tensor, "..."]
    log_partition_error: Float[Tensor, "..."]
    compared: Int[Tensor, "..."]


@dataclass(frozen=True)
class Reading:
    """One association of states `(S, d)`.

    Attributes:
        state: the next states, `(S, d)`.
        values: what is read out besides, `(S, v)`; class weights `(S, C)` for labels; or None.
        certificate: a proved bound, where codes were scanned.
        interval: an interval, where an index was asked.
    """

    state: Tensor
    values: Tensor | None
    certificate: Certificate | None = None
    interval: Interval | None = None


class Associator(Updates, Protocol):
    """What makes associations of states `(S, d)`: exactly, certified, or by an index."""

    def read(self, state: Tensor) -> Reading:
        """One association."""
        ...
