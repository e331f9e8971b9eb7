"""`Search`: one association that compares some lists of patterns whole, and a sample of the others.

For a state ξ with weights w_i = exp(s_i) the sums Z = Σ w_i and Σ w_i x_i are made of

    the lists that weigh most: all members, as they are stored;
    every other list l: its n_l members as if each weighed c_l = exp(score of its mean + ½ variance
        of the scores in it): n_l c_l and n_l c_l μ_l, for all lists from small products;
    a sample of their members: (w_i − c_l) / probability, which makes both sums unbiased.

This is a control variate and importance sampling; what is left to chance vanishes for tight lists,
and for small β, where all weights are alike. So single patterns, metastable and global states come
out alike. Samples are systematic over lists (Madow 1949): their number in a list is its share of
them, up to one.
"""

from dataclasses import dataclass, fields, replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.linalg import vector_norm

from hopfield import _check
from hopfield._threads import spread
from hopfield.memory.contents import Held
from hopfield.memory.form import Form
from hopfield.memory.index.lists import Lists
from hopfield.memory.index.members import Members, removed_rows
from hopfield.memory.index.plan import LEAST, Plan
from hopfield.memory.index.probe import GROUPS, Probe
from hopfield.memory.network import Heaviest, MemoryNetwork, memory_network
from hopfield.reduction.dense import array
from hopfield.separation import Softmax, Softmax1

FARTHEST = 1e4  # of logarithms: in place of infinity


@dataclass(frozen=True)
class Estimate:
    """One association of states `(S, d)`; `(S,)` each but for the first two.

    Attributes:
        readout: `(S, d)`.
        values: `(S, v)`, or the weights of classes, `(S, C)`; or None.
        log_partition: Ω* of the scores.
        spread: √ of the trace of the covariance of the read-out, by what was sampled.
        log_spread: the standard error of log Z, by the same.
        unseen: log of what the patterns in lists that were not scanned are likely to weigh, over
            that of all others.
        bound: ‖ŷ − y‖ is at most this, whatever lies in the lists that were not compared.
        log_bound: |log Ẑ − log Z| the same.
        compared: how many patterns were compared.
    """

    readout: Tensor
    values: Tensor | None
    log_partition: Tensor
    spread: Tensor
    log_spread: Tensor
    unseen: Tensor
    bound: Tensor
    log_bound: Tensor
    compared: Tensor


@dataclass(frozen=True)
class Sums:
    """Sums of weights exp(score − level), and of patterns, values and classes with these weights.

    Those with G + 1 groups have first what was scanned, then the groups of samples; those with two
    have all samples together.

    Attributes:
        level: `(S,)`.
        mass: `(S, 1 + G)`.
        readout: `(S, 1 + G, d)`.
        values: `(S, 2, v)`.
        classes: `(S, 2, C)`.
        compared: `(S, 2)`, how many lists, and how many patterns.
    """

    level: Tensor
    mass: Tensor
    readout: Tensor
    values: Tensor
    classes: Tensor
    compared: Tensor


@dataclass(frozen=True)
class Search:
    """Lists, made ready for one β and for the patterns that are there now.

    Attributes:
        form: of the memory.
        lists: the lists.
        longest: M.
        all_members: what belongs to the members, those that were removed included.
        members: the same of those that are there.
        beside: softmax over the patterns that came later; or None.
        first: of each part of `beside`, the number of the block that it is of, and its first row.
        ends: how many rows the blocks have, up to and with each.
        exact: over all patterns.
    """

    form: Form
    lists: Lists
    longest: float
    all_members: Members
    members: Members
    beside: MemoryNetwork | None
    first: list[tuple[int, int]]
    ends: Tensor
    exact: MemoryNetwork

    @classmethod
    def of(
        cls,
        form: Form,
        exact: MemoryNetwork,
        lists: Lists,
        blocks: list[Held],
        before: "Search | None" = None,
    ) -> "Search":
        """The search over the patterns of blocks, whose first rows have lists.

        What it shares with the one `before`, of the same lists, is not made anew: members do not
        change but for those that are removed, which do not come back.
        """
        beta = exact.association.beta
        assert isinstance(beta, float)
        ends = torch.tensor([len(held.segment) for held in blocks]).cumsum(0)
        early, late, first = [], [], []
        for number, (held, end) in enumerate(zip(blocks, ends.tolist(), strict=True)):
            cut = min(max(0, len(lists.rows) - (end - len(held.segment))), len(held.segment))
            early.append(_some(held, slice(0, cut)))
            if cut < len(held.segment):
                late.append(_some(held, slice(cut, None)))
                first.append((number, cut))
        if before is not None and before.all_members.fit(beta, exact.classes):
            all_members, members = before.all_members, before.members
        else:
            all_members = members = Members.of(form, beta, exact.classes, lists, early)
        removed = torch.cat([removed_rows(held) for held in early]).nonzero().squeeze(-1)
        if len(lists.rows) - len(removed) != int(members.counts.sum(dtype=torch.float64)):
            members = all_members.without(removed, lists.patterns)
        return cls(
            form=form,
            lists=lists,
            longest=exact.longest,
            all_members=all_members,
            members=members,
            beside=memory_network(replace(form, separation=Softmax()), beta, late)
            if sum(map(len, late))
            else None,
            first=first,
            ends=ends,
            exact=exact,
        )

    @property
    def beta(self) -> float:
        """β."""
        return self.members.beta

    def estimate(self, state: Tensor, keys: Tensor, probe: Probe) -> Estimate:
        """One association of states `(S, d)`, whose random numbers have `keys`, `(S,)`."""
        plan = self._plan(state, probe)
        sums = self._sums(state, keys, plan, probe.samples)
        known = None if self.beside is None else self.beside.partial(state, "stored")
        null = isinstance(self.form.separation, Softmax1)
        hidden = torch.full_like(sums.level, -torch.inf)
        tops = torch.stack(
            [
                sums.level,
                plan.control.amax(-1),
                hidden if known is None else known.log_partition,
                torch.zeros_like(hidden) if null else hidden,
            ]
        )
        top = tops.amax(0)
        of_sums, _, of_known, of_null = (tops - top).double().exp()[..., None]
        each = (plan.control - top[:, None]).exp_()

        mass = of_sums * sums.mass
        exact_mass = (mass[:, :1] + of_known + of_null).clamp(min=torch.finfo().tiny)
        expected = (each @ self.members.counts).double()[:, None]
        rest_mass = expected + mass[:, 1:].sum(-1, keepdim=True)
        # A sample of little may take away more than all: then it is left out.
        kept = rest_mass > 0
        rest_mass = rest_mass.where(kept, expected)
        total = exact_mass + rest_mass
        log_total = total.log()

        readout = of_sums[..., None].float() * sums.readout
        exact = readout[:, 0] + (0.0 if known is None else of_known.float() * known.readout)
        rest = each @ self.members.sums + kept * readout[:, 1:].sum(1)
        estimate = (exact + rest) / total.float()

        # The quotient is linear in the sums up to second order: group by group, Σ a x − y Σ a.
        off = readout[:, 1:] - estimate[:, None] * mass[:, 1:, None].float()
        scale = (GROUPS / (GROUPS - 1)) ** 0.5 / total[:, 0]
        off_mass = mass[:, 1:] - mass[:, 1:].mean(1, keepdim=True)

        # Whatever lies in the other lists, it is a share of the weight at most, and as far as 2 M.
        last, log_exact = sums.compared[:, :1] - 1, exact_mass.log()
        share = torch.sigmoid(plan.most.gather(-1, last) - top[:, None] - log_exact)
        rounding = LEAST * (1 + self.beta * self.longest * vector_norm(state, dim=-1))
        bound = vector_norm(estimate - exact / exact_mass.float(), dim=-1)
        bound = bound + 2 * self.longest * (share[:, 0] + rounding)
        highest = log_exact - torch.log1p(-share)
        log_bound = torch.maximum(log_total - log_exact, highest - log_total)[:, 0] + rounding

        unseen = (plan.after.gather(-1, last) - top[:, None] - log_exact).clamp(-FARTHEST, FARTHEST)
        beside = 0 if self.beside is None else self.beside.visible
        values = self._values(state, sums, each, kept, of_sums.float(), of_known.float())
        return Estimate(
            readout=estimate,
            values=None if values is None else values / total.float(),
            log_partition=(log_total[:, 0] + top).float(),
            spread=(vector_norm(off - off.mean(1, keepdim=True), dim=(1, 2)) * scale).float(),
            log_spread=(vector_norm(off_mass, dim=-1) * scale).float(),
            unseen=unseen[:, 0].float(),
            bound=bound.float(),
            log_bound=log_bound.float(),
            compared=sums.compared[:, 1] + beside,
        )

    def _plan(self, state: Tensor, probe: Probe) -> Plan:
        return Plan.of(self.form.similarity, self.lists, self.members, state, probe)

    def _sums(self, state: Tensor, keys: Tensor, plan: Plan, samples: int) -> Sums:
        states, width = state.shape
        classes = 0 if self.exact.classes is None else len(self.exact.classes)
        found = Sums(
            torch.empty(states),
            torch.zeros(states, 1 + GROUPS, dtype=torch.float64),
            torch.zeros(states, 1 + GROUPS, width),
            torch.zeros(states, 2, self.members.values.shape[-1]),
            torch.zeros(states, 2, classes),
            torch.empty(states, 2, dtype=torch.int64),
        )
        lists, query = self.lists, self.beta * state
        arguments = [
            array(query),
            array(keys).view(np.uint64),
            *map(array, (lists.patterns, self.members.bias, lists.starts)),
            *map(array, (plan.scanned, plan.after, plan.control, plan.chances)),
            samples,
            *map(array, (self.members.values, self.members.classes)),
        ]
        into = [array(getattr(found, field.name)) for field in fields(Sums)]
        threads = max(1, min(torch.get_num_threads(), states))
        bounds = [*pairwise(states * i // threads for i in range(threads + 1))]

        def work(some: tuple[int, int]) -> None:
            _compiled().estimate(*arguments, *some, *into)

        spread(work, bounds, threads)
        return found

    def _values(
        self,
        state: Tensor,
        sums: Sums,
        each: Tensor,
        kept: Tensor,
        of_sums: Tensor,
        of_known: Tensor,
    ) -> Tensor | None:
        """The sums of values, `(S, v)`, or of classes, `(S, C)`."""
        if self.exact.classes is not None:
            found = of_sums * (sums.classes[:, 0] + kept * sums.classes[:, 1])
            found += torch.from_numpy(self.members.class_counts.T @ each.numpy().T).T
            if self.beside is not None and self.beside.classes is not None:
                weights = self.beside.read(state).values
                assert weights is not None
                which = torch.searchsorted(self.exact.classes, self.beside.classes)
                found.index_add_(-1, which, of_known * weights)
            return found.clamp(min=0.0)
        if self.exact.projection is None:
            return None
        found = (
            of_sums * (sums.values[:, 0] + kept * sums.values[:, 1])
            + each @ self.members.value_sums
        )
        if self.beside is not None:
            found += of_known * self.beside.readout(state, "projection")
        return found

    def heaviest(self, state: Tensor, k: int, probe: Probe) -> Heaviest:
        """The k heaviest patterns of those that are compared as they are stored.

        More lists are compared where those of the probe have not k patterns.
        """
        k = min(k, self.exact.visible)
        beside = 0 if self.beside is None else self.beside.visible
        plan = self._plan(state, probe)
        while int(self.members.counts[plan.scanned].sum(-1).amin()) + beside < k:
            probe = replace(probe, lists=2 * probe.lists)
            plan = self._plan(state, probe)
        bounds = torch.stack([self.lists.starts[:-1], self.lists.starts[1:]], -1)
        row = torch.zeros(len(state), k, dtype=torch.int64)
        score = state.new_full((len(state), k), -torch.inf)
        for s, scanned in enumerate(plan.scanned):
            members = torch.cat([torch.arange(*ends) for ends in bounds[scanned].tolist()])
            scores = self.beta * (self.lists.patterns[members].float() @ state[s])
            scores = scores + (self.members.bias[members] if len(self.members.bias) else 0.0)
            best = scores.topk(min(k, len(scores)))
            score[s, : len(best.values)] = best.values
            row[s, : len(best.values)] = self.lists.rows[members[best.indices]]
        part = torch.bucketize(row, self.ends, right=True)
        row = row - torch.cat([self.ends.new_zeros(1), self.ends])[part]
        if self.beside is not None:
            found = self.beside.heaviest(state, k)
            number, first = torch.tensor(self.first).T
            score = torch.cat([score, found.score], -1)
            part = torch.cat([part, number[found.part]], -1)
            row = torch.cat([row, found.row + first[found.part]], -1)
        best = score.topk(k, -1)
        part, row = part.gather(-1, best.indices), row.gather(-1, best.indices)
        return Heaviest(part, row, best.values, best.values.logsumexp(-1))


def keys_of(state: Tensor, seed: int) -> Tensor:
    """The key of the random numbers of each state `(S, d)`, `(S,)`: equal ones for equal states."""
    keys = torch.empty(len(state), dtype=torch.int64)
    bits = array(state.contiguous().view(torch.int32)).view(np.uint32)
    _compiled().keys(bits, seed, array(keys).view(np.uint64))
    return keys


def _some(held: Held, rows: slice) -> Held:
    removed = None if held.removed is None else held.removed[rows]
    return Held(held.segment.rows(rows), None, removed)


@cache
def _compiled() -> Any:
    """The kernels, compiled at first use and cached on disk."""
    _check.extra("numba", "memory")
    from hopfield.memory.index import _kernel

    return _kernel
