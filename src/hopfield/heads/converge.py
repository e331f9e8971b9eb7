"""`converge`: is one step of attention the retrieval? States are updated until they stop."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.linalg import vector_norm

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.heads.corpus import Corpus
from hopfield.heads.few import HeadName, few, interval, shown
from hopfield.heads.observer import Call, HeadsObserver
from hopfield.heads.rows import SHARE
from hopfield.heads.tally import KINDS, kinds
from hopfield.network import DenseNetwork
from hopfield.phases import count_holding
from hopfield.reduction.inputs import optional
from hopfield.retrieval import settle

Array = NDArray[np.float64]

TOL = 1e-5  # of the longest pattern: how little an update moves a state that has stopped
NEAR = 0.05  # of the way: how near its fixed point a state is called to be there


@dataclass(frozen=True)
class Convergence:
    """What becomes of states that M heads update until they stop, where attention updates once.

    The weights of the first step are those of attention: they make ξ¹. The weights at convergence
    make ξ*, the fixed point. Means are over the states that converged.

    Attributes:
        heads: which they are, `(M,)`.
        states: `(M,)`, how many were looked at.
        converged: `(M,)`, the share that stopped within the largest number of updates.
        updates: `(M,)`, the mean number of updates until then.
        table: `(M, 5, 5)`, how many states have weights of a kind (`tally.KINDS`) in the first step
            (rows) and at convergence (columns).
        left: `(M, 3)`, the quartiles of ‖ξ¹ − ξ*‖ / ‖ξ⁰ − ξ*‖: the part of the way that one update
            leaves.
        near: `(M,)`, the share of states for which that is at most 5 %.
        overlap: `(M,)`, the mean of Σ min(p_i, p*_i) over the patterns: 1 where the weights of
            attention are those at convergence.
        ends: `(M,)`, into how many fixed points, told apart by their heaviest pattern, the states
            of a sequence go, as a share of the states; the mean over sequences.
        near_interval: of the share of all states, 95 %, by a bootstrap over sequences.
        same_interval: likewise of the share whose kind does not change.
        sequences: how many there were.
        most: the largest number of updates.
    """

    heads: Sequence[HeadName]
    states: NDArray[np.int64]
    converged: Array
    updates: Array
    table: NDArray[np.int64]
    left: Array
    near: Array
    overlap: Array
    ends: Array
    near_interval: tuple[float, float]
    same_interval: tuple[float, float]
    sequences: int
    most: int

    @property
    def same(self) -> Array:
        """The share of states whose kind does not change, `(M,)`."""
        unchanged = self.table.trace(axis1=1, axis2=2)
        return unchanged / np.maximum(self.table.sum((1, 2)), 1)

    def overall(self, of_heads: Array) -> float:
        """The mean over all states that converged of what is given per head, `(M,)`."""
        weight = self.table.sum((1, 2))
        there = weight > 0
        return float(np.average(of_heads[there], weights=weight[there])) if there.any() else np.nan


def converge(
    model: nn.Module,
    processor: Any,
    texts: Iterable[str] | Corpus,
    *,
    sequences: int = 32,
    sample: int = 16,
    most: int = 1000,
    batch_size: int = 8,
    max_length: int | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Convergence:
    """Update states of each head of a transformers model until they stop.

    ξ ← Σ p_i k_i over the keys that the state sees, with the head's β, mask and bias, from the
    query on: eq. 3 of Ramsauer et al. 2020, of which attention is one step. A state has stopped
    when an update moves it by no more than 10⁻⁵ of the longest key.

    Args:
        model: any that calls attention through transformers' interface. It comes back as it was.
        processor: its tokenizer; not looked at for a `Corpus`.
        texts: documents, or sequences that are ready.
        sequences: how many are looked at, spread evenly over the texts.
        sample: states of each sequence, chosen at random.
        most: updates of a state.
        batch_size: sequences that go through the model at once.
        max_length: tokens of a sequence; see `tokenized`.
        seed: of the choice of states, and of the bootstrap.
        progress: whether to show it.

    Raises:
        ArgumentError: texts are empty, a number is bad, or the model cannot be looked at: its
            attention does not go through the interface, or bounds its scores (softcap).
    """
    sample, most = _check.positive_int("sample", sample), _check.positive_int("most", most)
    batch_size = _check.positive_int("batch_size", batch_size)
    corpus = few(model, processor, texts, sequences, max_length)
    settler = _Settler(model, sample=sample, seed=seed, most=most)
    with torch.no_grad():
        for batch in shown(corpus, batch_size, "retrieving", progress):
            settler.run(batch)
    return settler.result(len(corpus.sequences), seed)


class _Settler(HeadsObserver):
    """Updates the states of each call until they stop.

    For each call it keeps, by name, a list of one array for each sequence, `(H, Q)`.
    """

    def __init__(self, model: nn.Module, *, sample: int, seed: int, most: int) -> None:
        super().__init__(model, sample=sample, seed=seed)
        self.most = most
        self.modules: list[str] = []
        self.seen: list[dict[str, list[NDArray[Any]]]] = []

    def see(self, call: Call) -> None:
        if call.number == len(self.seen):
            self.modules.append(call.module)
            self.seen.append({})
        around = call.around
        found = _settled(call, self.most)
        for b, valid in enumerate(around.valid):
            visible = around.visible[b, valid].astype(float)
            own = {name: value[b].numpy(force=True)[:, valid] for name, value in found.items()}
            own |= {name: kinds(own[name], visible) for name in ("first", "last")}
            for name, value in own.items():
                self.seen[call.number].setdefault(name, []).append(value)

    def result(self, sequences: int, seed: int) -> Convergence:
        heads: list[HeadName] = []
        of_heads: dict[str, list[Any]] = {}
        by_sequence = np.zeros((sequences, 3))  # converged, near, of the same kind
        for layer, (module, seen) in enumerate(zip(self.modules, self.seen, strict=True)):
            seen["near"] = [left <= NEAR for left in seen["left"]]
            seen["same"] = [a == b for a, b in zip(seen["first"], seen["last"], strict=True)]
            parts = len(seen["near"]) // sequences
            for n, done in enumerate(seen["converged"]):
                own = (done, seen["near"][n] & done, seen["same"][n] & done)
                by_sequence[n // parts] += [which.sum() for which in own]
            ends = np.mean([_distinct(one) for one in seen["heaviest"]], 0)
            for head in range(len(ends)):
                heads.append(HeadName(layer, module, head))
                joined = {name: np.concatenate([a[head] for a in v]) for name, v in seen.items()}
                for name, value in {**_of_head(joined), "ends": ends[head]}.items():
                    of_heads.setdefault(name, []).append(value)
        low, high = interval(by_sequence[:, 1:], by_sequence[:, [0, 0]], seed)
        bounds = [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
        arrays = {name: np.array(value) for name, value in of_heads.items()}
        return Convergence(
            heads,
            near_interval=bounds[0],
            same_interval=bounds[1],
            sequences=sequences,
            most=self.most,
            **arrays,
        )


def _settled(call: Call, most: int) -> dict[str, Tensor]:
    """Of the states of a call what is summed up, `(B, H, Q)` each."""
    heads = call.heads
    if heads.softcap is not None:
        raise ArgumentError(
            f"{call.module} bounds its scores (softcap = {heads.softcap}), which no Hopfield "
            f"network does; states of such heads cannot be iterated"
        )
    dtype = torch.promote_types(heads.state.dtype, torch.float32)
    state, stored = heads.state.to(dtype), heads.stored.to(dtype)
    bias = optional(partial(Tensor.to, dtype=dtype), heads.association.bias)
    association = replace(heads.association, bias=bias)
    network = DenseNetwork(association, None, stored)
    norms = vector_norm(stored, dim=-1)
    if call.around.mask is not None:
        norms = norms.masked_fill(~call.around.mask.any(1)[:, None].to(norms.device), 0.0)
    run = settle(network, state, most, TOL * norms.amax(-1, keepdim=True)).run
    assert run is not None
    weights, at_end = network.weights(state), network.weights(run.state)
    whole, rest = (vector_norm(one - run.state, dim=-1) for one in (state, network.update(state)))
    return {
        "first": count_holding(weights, SHARE),
        "last": count_holding(at_end, SHARE),
        "converged": run.converged,
        "updates": run.updates,
        "left": torch.where(whole > 0, rest / whole, 0.0),
        "overlap": torch.minimum(weights, at_end).sum(-1),
        "heaviest": at_end.argmax(-1),
    }


def _distinct(numbers: NDArray[np.int64]) -> Array:
    """How many numbers of each row, `(H, Q)`, differ, as a share of Q."""
    return np.array([len(np.unique(row)) / max(len(row), 1) for row in numbers])


def _of_head(seen: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Of the states of a head, `(n,)` each, what `Convergence` says of it."""
    done = seen["converged"]
    table = np.zeros((len(KINDS), len(KINDS)), np.int64)
    np.add.at(table, (seen["first"][done], seen["last"][done]), 1)

    def mean(values: NDArray[Any]) -> float:
        return float(values[done].mean()) if done.any() else np.nan

    left = seen["left"][done]
    return {
        "states": len(done),
        "converged": done.mean() if len(done) else np.nan,
        "updates": mean(seen["updates"]),
        "table": table,
        "left": np.quantile(left, [0.25, 0.5, 0.75]) if done.any() else np.full(3, np.nan),
        "near": mean(seen["near"]),
        "overlap": mean(seen["overlap"]),
    }
