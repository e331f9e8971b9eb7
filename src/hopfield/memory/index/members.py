"""`Members`: what belongs to the patterns of lists, for one β."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hopfield.memory.contents import Held
from hopfield.memory.form import Form
from hopfield.memory.index.lists import Lists


@dataclass(frozen=True)
class Members:
    """What belongs to the members of lists, for one β.

    Attributes:
        beta: β.
        ranks: `(n,)`, which member each row is.
        of_each: `(n,)`, the list of each member.
        bias: `(n,)`, the Euclidean term, −inf where removed; or `(0,)`.
        offsets: `(L,)`, the mean of the Euclidean term in each list.
        counts: `(L,)`, how many members are there.
        sums: `(L, d)`, of the members that are there.
        values: `(n, v)`, or `(0, 0)`.
        value_sums: `(L, v)`, of the members that are there.
        labels: `(C,)`, those of all patterns, rising; or None.
        classes: `(n,)`, which of them each has; or `(0,)`.
        class_counts: `(L, C)`, sparse, of the members that are there; or None.
    """

    beta: float
    ranks: Tensor
    of_each: Tensor
    bias: Tensor
    offsets: Tensor
    counts: Tensor
    sums: Tensor
    values: Tensor
    value_sums: Tensor
    labels: Tensor | None
    classes: Tensor
    class_counts: Any

    @classmethod
    def of(
        cls, form: Form, beta: float, labels: Tensor | None, lists: Lists, early: list[Held]
    ) -> "Members":
        """All of them, which are the rows of `early`, whether removed or not."""
        of_each, size = lists.of_each, len(lists.sizes)

        def of_members(read: Callable[[Held], Tensor]) -> Tensor:
            return torch.cat([read(held) for held in early])[lists.rows]

        bias, offsets = torch.empty(0), torch.zeros(size)
        if form.similarity == "euclidean":
            bias = beta * of_members(lambda held: held.segment.half_norms)
            offsets = _sums(of_each, bias[:, None], size)[:, 0] / lists.sizes.clamp(min=1)
        values, classes, counts = torch.empty(0, 0), torch.empty(0, dtype=torch.int64), None
        if labels is not None:
            classes = torch.searchsorted(labels, of_members(_values))
            counts = _class_counts(of_each, classes, (size, len(labels)))
        elif early[0].segment.values is not None:
            values = of_members(_values)
        return cls(
            beta=beta,
            ranks=lists.rows.argsort(),
            of_each=of_each,
            bias=bias,
            offsets=offsets,
            counts=lists.sizes.float(),
            sums=lists.sizes[:, None] * lists.means,
            values=values,
            value_sums=_sums(of_each, values, size) if len(values) else values,
            labels=labels,
            classes=classes,
            class_counts=counts,
        )

    def fit(self, beta: float, labels: Tensor | None) -> bool:
        """Whether they are of this β and of these labels."""
        if labels is None or self.labels is None:
            return beta == self.beta and labels is self.labels
        return beta == self.beta and torch.equal(labels, self.labels)

    def without(self, removed: Tensor, patterns: Tensor) -> "Members":
        """Those of all members, whose patterns are `(n, d)`, that are not of `removed` rows."""
        removed = self.ranks[removed]
        of_each, size = self.of_each[removed], len(self.counts)
        bias = self.bias if len(self.bias) else torch.zeros(len(self.ranks))
        value_sums, class_counts = self.value_sums, self.class_counts
        if len(self.values):
            value_sums = value_sums - _sums(of_each, self.values[removed], size)
        if class_counts is not None:
            gone = _class_counts(of_each, self.classes[removed], class_counts.shape)
            class_counts = class_counts - gone
        return replace(
            self,
            bias=bias.index_fill(0, removed, -torch.inf),
            counts=self.counts - torch.bincount(of_each, minlength=size),
            sums=self.sums - _sums(of_each, patterns[removed].float(), size),
            value_sums=value_sums,
            class_counts=class_counts,
        )


def removed_rows(held: Held) -> Tensor:
    """Which rows of a segment were removed, `(n,)`."""
    if held.removed is not None:
        return held.removed
    return torch.zeros(len(held.segment), dtype=torch.bool)


def _values(held: Held) -> Tensor:
    assert held.segment.values is not None
    return held.segment.values


def _sums(of_each: Tensor, rows: Tensor, lists: int) -> Tensor:
    """The sum of the rows of each list, `(L, ·)`."""
    total = rows.new_zeros(lists, rows.shape[-1], dtype=torch.float64)
    return total.index_add_(0, of_each, rows.double()).float()


def _class_counts(of_each: Tensor, classes: Tensor, shape: tuple[int, int]) -> Any:
    """How many of each list are of each class, sparse."""
    from scipy.sparse import csr_array

    once = np.ones(len(of_each), np.float32)
    return csr_array((once, (of_each.numpy(), classes.numpy())), shape)
