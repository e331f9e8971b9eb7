"""`MemoryNetwork`: the core's network over the segments of a memory, each where it lies."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from hopfield.association import Association
from hopfield.equal_patterns import pattern_keys
from hopfield.memory.contents import Held
from hopfield.memory.form import Form
from hopfield.memory.reading import Reading
from hopfield.network import DenseNetwork, Ground, Network, Read
from hopfield.reduction.inputs import tiles
from hopfield.reduction.partial import Partial, merge
from hopfield.separation import Separation, Softmax, Softmax1, TopK

SCORES_AT_ONCE = 2**22


@dataclass(frozen=True)
class Heaviest:
    """The patterns that states rest on most, `(S, k)` each, the heaviest first.

    Attributes:
        part: the number of the part.
        row: the row in it.
        score: of the pattern.
        log_partition: of all patterns, `(S,)`, float64, without a null pattern.
    """

    part: Tensor
    row: Tensor
    score: Tensor
    log_partition: Tensor

    def first(self, k: int) -> "Heaviest":
        """The k heaviest of them."""
        return Heaviest(self.part[:, :k], self.row[:, :k], self.score[:, :k], self.log_partition)


@dataclass(frozen=True)
class MemoryNetwork(Network):
    """The segments of a memory as one network, for states `(S, d)`.

    Attributes:
        parts: a network for each segment; its bias removes patterns and has the Euclidean term.
        labels: of each part, `(n,)`, in place of a projection; or None.
        classes: the labels that there are, `(C,)`; or None.
        blocks: the segments.
    """

    parts: tuple[DenseNetwork, ...]
    labels: tuple[Tensor, ...] | None
    classes: Tensor | None
    blocks: tuple[Held, ...]

    @cached_property
    def visible(self) -> int:
        """How many patterns there are."""
        return sum(map(len, self.blocks))

    @cached_property
    def longest(self) -> float:
        """M, the length of the longest pattern."""
        return max(held.longest for held in self.blocks)

    @cached_property
    def known(self) -> Ground:
        """What the energy needs besides the log-partition."""
        device = self.parts[0].stored.device
        biases, squares = [], []
        for part, held in zip(self.parts, self.blocks, strict=True):
            bias, norms = part.association.bias, held.segment.half_norms
            biases.append(torch.zeros_like(norms) if bias is None else bias[0])
            squares.append(-2 * norms.masked_fill(biases[-1].isneginf(), 0.0).amin())
        separation = self.association.separation
        lone = separation.conjugate(torch.cat(biases)[None])
        visible = torch.tensor([self.visible], device=device)
        ground = Partial(lone.new_empty(1, 0), lone, separation)
        return Ground(ground, torch.stack(squares).amax()[None], visible)

    @property
    def states_are_alike(self) -> bool:
        return True

    def readout(self, state: Tensor, read: Read) -> Tensor:
        if len(self.parts) == 1:
            return self.parts[0].readout(state, read)
        return self.partial(state, read).readout

    def partial(self, state: Tensor, read: Read) -> Partial:
        return merge(part.partial(state, read) for part in self.parts)

    def log_partition(self, state: Tensor) -> Tensor:
        return self.partial(state, "nothing").log_partition

    def weights(self, state: Tensor) -> Tensor:
        scores = [part.inputs(state, "nothing").scores() for part in self.parts]
        return self.association.separation.weights(torch.cat(scores, -1)).to(state.dtype)

    def patterns(self) -> Tensor:
        return torch.cat([part.stored for part in self.parts])

    def keys(self) -> Tensor:
        return torch.cat([pattern_keys(part.stored) for part in self.parts])

    def ground(self) -> Ground:
        return self.known

    def for_rows(self, order: Tensor) -> "MemoryNetwork":
        return self

    def read(self, state: Tensor) -> Reading:
        """One association: the next state, and the values."""
        return Reading(self.update(state), self.values(state))

    def values(self, state: Tensor) -> Tensor | None:
        """What is read out besides: values `(S, v)`, class weights `(S, C)`, or None."""
        if self.labels is not None:
            return self._class_weights(state)
        return None if self.projection is None else self.readout(state, "projection")

    def _class_weights(self, state: Tensor) -> Tensor:
        """The weight of each class, `(S, C)`."""
        assert self.labels is not None
        assert self.classes is not None
        if isinstance(separation := self.association.separation, TopK):
            found = self.heaviest(state, separation.k)
            of_each = torch.softmax(found.score, -1)
            weights = state.new_zeros(len(state), len(self.classes))
            return weights.scatter_add(-1, self._class_of(found), of_each)
        log_partition = self.log_partition(state)
        shares = self.class_shares(state, log_partition)
        whole = torch.ones_like(log_partition)
        if isinstance(separation, Softmax1):
            whole = -torch.expm1(-log_partition)
        # Where scores are large, rounding of the log-partition moves all weights alike.
        total = shares.sum(-1, keepdim=True)
        return shares * (whole.unsqueeze(-1) / total.clamp(min=torch.finfo().tiny))

    @cached_property
    def class_of_rows(self) -> list[Tensor]:
        """The class of each pattern, part by part, `(n,)`."""
        assert self.labels is not None
        assert self.classes is not None
        return [torch.searchsorted(self.classes, labels) for labels in self.labels]

    def class_shares(self, state: Tensor, log_partition: Tensor) -> Tensor:
        """exp(score − log-partition), summed by class, `(S, C)`."""
        assert self.classes is not None
        shares = state.new_zeros(len(state), len(self.classes))
        for part, classes in zip(self.parts, self.class_of_rows, strict=True):
            inputs = part.inputs(state, "nothing")
            for columns in tiles(len(classes), max(1, SCORES_AT_ONCE // (len(state) or 1))):
                scores = inputs.scores(columns=columns) - log_partition.unsqueeze(-1)
                shares = shares.index_add(-1, classes[columns], scores.clamp(max=0.0).exp())
        return shares

    def _class_of(self, found: Heaviest) -> Tensor:
        classes = torch.zeros_like(found.row)
        for number, of_rows in enumerate(self.class_of_rows):
            here = found.part == number
            classes[here] = of_rows[found.row[here]]
        return classes

    @torch.no_grad()
    def heaviest(self, state: Tensor, k: int) -> Heaviest:
        """The k patterns with the highest scores, in one pass."""
        k = min(k, self.visible)
        score = state.new_empty(len(state), 0)
        part = row = state.new_empty(len(state), 0, dtype=torch.int64)
        partitions = []
        for number, network in enumerate(self.parts):
            inputs = network.inputs(state, "nothing")
            for columns in tiles(inputs.patterns, max(k, SCORES_AT_ONCE // (len(state) or 1))):
                scores = inputs.scores(columns=columns)
                top = scores.amax(-1, keepdim=True).clamp(min=torch.finfo(scores.dtype).min)
                mass = (scores - top).exp_().sum(-1).double()  # so that large scores lose nothing
                partitions.append(top.squeeze(-1).double() + mass.log())
                best = scores.topk(min(k, scores.shape[-1]), -1)
                score = torch.cat([score, best.values], -1)
                row = torch.cat([row, best.indices + columns.start], -1)
                part = torch.cat([part, torch.full_like(best.indices, number)], -1)
                score, chosen = score.topk(min(k, score.shape[-1]), -1)
                row, part = row.gather(-1, chosen), part.gather(-1, chosen)
        return Heaviest(part, row, score, Softmax().conjugate(torch.stack(partitions, -1)))

    def associate(self, state: Tensor, k: int) -> tuple[Heaviest, Tensor, Tensor]:
        """The k heaviest patterns, their weights, `(S, k)`, and that of all others, `(S,)`."""
        separation = self.association.separation
        return weighed(lambda most: self.heaviest(state, most), separation, k)


def weighed(
    heaviest: Callable[[int], Heaviest], separation: Separation, k: int
) -> tuple[Heaviest, Tensor, Tensor]:
    """The k heaviest patterns, their weights, `(S, k)`, and that of all others, `(S,)`."""
    if isinstance(separation, TopK):
        found = heaviest(max(k, separation.k))
        weights = torch.zeros_like(found.score)
        weights[:, : separation.k] = found.score[:, : separation.k].softmax(-1)
        return found.first(k), weights[:, :k], weights[:, k:].sum(-1)
    found = heaviest(k)
    log_partition = found.log_partition
    if isinstance(separation, Softmax1):
        log_partition = torch.logaddexp(log_partition, torch.zeros_like(log_partition))
    weights = (found.score - log_partition[:, None]).exp()
    total = (found.log_partition - log_partition).exp()
    rest = (total - weights.sum(-1)).clamp(min=0.0)
    return found, weights.float(), rest.float()


def memory_network(form: Form, beta: float, blocks: Iterable[Held]) -> MemoryNetwork:
    """The network of what a memory holds; at least one pattern."""
    blocks = [*blocks]
    separation = form.separation
    values = [held.segment.values for held in blocks]
    labels = values[0] is not None and not values[0].is_floating_point()
    biases = [bias_of(form, beta, held) for held in blocks]
    parts = tuple(
        DenseNetwork(
            Association(beta, None if bias is None else bias[None], None, separation, "dot"),
            None if labels else value,
            held.segment.patterns,
        )
        for held, bias, value in zip(blocks, biases, values, strict=True)
    )
    known = [value for value in values if value is not None] if labels else None
    return MemoryNetwork(
        association=Association(beta, None, None, separation, form.similarity),
        projection=None if labels or values[0] is None else "blocks",
        parts=parts,
        labels=None if known is None else tuple(known),
        classes=torch.cat([held.classes for held in blocks]).unique() if labels else None,
        blocks=tuple(blocks),
    )


def bias_of(form: Form, beta: float, held: Held) -> Tensor | None:
    """The bias of each row, `(n,)`: the Euclidean term, and −inf where it was removed."""
    bias = beta * held.segment.half_norms if form.similarity == "euclidean" else None
    if held.removed is None:
        return bias
    bias = torch.zeros_like(held.segment.half_norms) if bias is None else bias
    return bias.masked_fill(held.removed, -torch.inf)
