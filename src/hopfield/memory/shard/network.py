"""`ShardNetwork`: the core's network over patterns that are spread over processes.

Each process associates with its own share, in float32; what comes out of all shares merges by
log-sum-exp after one all-reduce, in which each process fills a slot of its own. So all of them hold
the same numbers, bit for bit, and take the same way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import pad

from hopfield.memory.contents import Held
from hopfield.memory.form import Form
from hopfield.memory.network import Heaviest, MemoryNetwork, memory_network, weighed
from hopfield.memory.reading import Reading
from hopfield.memory.shard.collective import Group, inside, outside
from hopfield.network import Ground, Network, Read
from hopfield.reduction.partial import Partial, combine, finish, merge
from hopfield.separation import Softmax, TopK


@dataclass(frozen=True)
class ShardNetwork(Network):
    """The shares of all processes as one network, for states `(S, d)` that are the same on all.

    Attributes:
        own: the share of this process.
        ids: of its patterns, `(n,)`.
        classes: the labels that there are on any process, `(C,)`; or None.
        group: the processes.
    """

    own: MemoryNetwork
    ids: Tensor
    classes: Tensor | None
    group: Group

    @property
    def states_are_alike(self) -> bool:
        return True

    def readout(self, state: Tensor, read: Read) -> Tensor:
        return self.partial(state, read).readout

    def partial(self, state: Tensor, read: Read) -> Partial:
        return self._merged(_terms(self.own.partial(inside(state, self.group), read)))

    def log_partition(self, state: Tensor) -> Tensor:
        return self.partial(state, "nothing").log_partition

    def weights(self, state: Tensor) -> Tensor:
        """Those of the patterns of this process, relative to the sum over all; not for top-k."""
        total = _terms(self.partial(state, "nothing")).log_partition.unsqueeze(-1)
        scores = [part.inputs(state, "nothing").scores() for part in self.own.parts]
        return (torch.cat(scores, -1) - total.masked_fill(total.isneginf(), 0.0)).exp()

    def patterns(self) -> Tensor:
        """Those of this process."""
        return self.own.patterns()

    def keys(self) -> Tensor:
        return self.own.keys()

    def ground(self) -> Ground:
        return self.known

    @cached_property
    def known(self) -> Ground:
        """What the energy needs besides the log-partition."""
        bias = self._merged(_terms(merge(part.bias_alone() for part in self.own.parts)))
        own = self.own.known
        every = outside(torch.stack([own.radius.double(), own.visible.double()]), self.group)
        radius, visible = every.unbind(1)
        return Ground(bias, radius.amax(0).to(own.radius.dtype), visible.sum(0).long())

    def for_rows(self, order: Tensor) -> "ShardNetwork":
        return self

    def read(self, state: Tensor) -> Reading:
        """One association: the next state, and the values; in one all-reduce."""
        entered, width = inside(state, self.group), state.shape[-1]
        own = _terms(self.own.partial(entered, "stored"))
        beside = self._beside(entered, own)
        if beside is None:
            return Reading(self.start(self._merged(own).readout), None)
        merged = self._merged(replace(own, readout=torch.cat([own.readout, beside], -1)))
        next_state, values = self.start(merged.readout[..., :width]), merged.readout[..., width:]
        if self.classes is not None and isinstance(self.association.separation, TopK):
            terms = _terms(merged)
            of_each = torch.softmax(terms.log_partition, -1)
            values = state.new_zeros(len(state), len(self.classes)).scatter_add(
                -1, terms.readout[..., width].long(), of_each
            )
        return Reading(next_state, values)

    def _beside(self, state: Tensor, own: Partial) -> Tensor | None:
        """What is read out beside stored patterns, as part of the same terms."""
        if self.own.projection is not None:
            return _terms(self.own.partial(state, "projection")).readout
        if self.classes is None:
            return None
        total = own.log_partition
        return self.own.class_shares(state, total.masked_fill(total.isneginf(), 0.0))

    def _merged(self, own: Partial) -> Partial:
        """The reduction over all patterns, from the terms of the own share."""
        separation = self.association.separation
        readout, log_partition = own.readout, own.log_partition
        if isinstance(separation, TopK):
            missing = separation.k - log_partition.shape[-1]
            readout = pad(readout, (0, 0, 0, missing))
            log_partition = pad(log_partition, (0, missing), value=-torch.inf)
        every = outside(torch.cat([readout, log_partition.unsqueeze(-1)], -1), self.group)
        readouts, log_partitions = every[..., :-1], every[..., -1]
        if not isinstance(separation, TopK):
            return finish(separation, Partial(*combine(readouts, log_partitions)))
        parts = zip(readouts, log_partitions, strict=True)
        return merge(finish(separation, Partial(*part)) for part in parts)

    def associate(self, state: Tensor, k: int) -> tuple[Heaviest, Tensor, Tensor]:
        """The k heaviest patterns, their weights, `(S, k)`, and that of all others, `(S,)`."""
        separation = self.association.separation
        return weighed(lambda most: self.heaviest(state, most, self.ids), separation, k)

    @torch.no_grad()
    def heaviest(self, state: Tensor, k: int, tags: Tensor) -> Heaviest:
        """The k patterns with the highest scores: the process of each as its part, its tag as row.

        Args:
            state: `(S, d)`.
            k: how many.
            tags: what each pattern of this process is to be told by, `(n,)`, int64.
        """
        k = min(k, int(self.known.visible))
        own = self.own.heaviest(state, k)
        first = torch.tensor([0, *(len(part.stored) for part in self.own.parts)]).cumsum(0)
        tag = tags[own.row + first.to(own.part.device)[own.part]]
        missing = k - own.score.shape[-1]
        score = pad(own.score.double(), (0, missing), value=-torch.inf)
        exact = torch.cat([score, own.log_partition.double().unsqueeze(-1)], -1).view(torch.int64)
        every = self.group.slots(torch.cat([exact, pad(tag, (0, missing))], -1))
        exact = every[..., : k + 1].contiguous().view(torch.float64)
        score, chosen = exact[..., :k].transpose(0, 1).flatten(1).topk(k, -1)
        tag = every[..., k + 1 :].transpose(0, 1).flatten(1).gather(-1, chosen)
        log_partition = Softmax().conjugate(exact[..., k].T)
        return Heaviest(chosen // k, tag, score.to(state.dtype), log_partition)


def _terms(partial: Partial) -> Partial:
    """What merges."""
    return partial.terms or partial


def shard_network(
    form: Form, beta: float, held: Sequence[Held], classes: Tensor | None, group: Group
) -> ShardNetwork:
    """The network of all processes, from the share of each: at least one row, removed or not."""
    own = memory_network(form, beta, held)
    if classes is not None:
        own = replace(own, classes=classes)
        if isinstance(form.separation, TopK):  # the number of its class stands for each pattern
            assert own.labels is not None
            parts = [
                replace(part, projection=torch.searchsorted(classes, labels)[:, None].float())
                for part, labels in zip(own.parts, own.labels, strict=True)
            ]
            own = replace(own, parts=tuple(parts), projection="blocks")
    ids = torch.cat([one.segment.ids for one in held])
    return ShardNetwork(own.association, own.projection, own, ids, classes, group)
