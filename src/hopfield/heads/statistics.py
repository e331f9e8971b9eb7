"""`HeadStatistics`: what the heads of a model do, head by head, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hopfield.heads.tally import BINS, KINDS, MEANS, Tally
from hopfield.phases import HeadClass

Array = NDArray[np.float64]

DRAWS = 400  # of the bootstrap
BOUNDS = (1 / 2, 1 / 8, 1 / 32)  # of the classes, as shares of the visible patterns
UNIFORM_KL = 0.1  # nats from uniform, up to which a head of class I averages without weighting
SINK = 0.5  # mean weight of special patterns or of the first, from which a head looks at a sink
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Head:
    """One head of one call of attention; means are over its states.

    Attributes:
        layer: the number of the call, from 0, in the order in which the model makes them.
        module: the name of the module that calls.
        head: its number in the layer, from 0.
        cross: whether it reads another sequence than its own.
        beta: the inverse temperature of its scores.
        states: how many were looked at.
        visible: how many patterns a state sees.
        k: k̄, the median of the fewest patterns that hold 90 % of the weight; where the number of
            visible patterns varies, the median share times their mean number.
        share: the median of k as a share of the visible patterns, from 0 to 1.
        share_low: of its 95 % interval, by a bootstrap over groups of neighbouring sequences.
        share_high: likewise.
        quantiles: of that share: 5, 25, 50, 75 and 95 %.
        head_class: by the share: Ramsauer et al. 2020, section 3 and A.5.1.
        borderline: whether the interval reaches into another class.
        share_content: the median share without special patterns, over states that give the others
            more than a millionth of their weight; NaN where none does.
        class_content: the class by that share; where it is NaN, `head_class`.
        sink: whether most of the weight lies on special patterns, or on the first one.
        kind: what the head does, in words.
        one: the share of states with k = 1.
        entropy: of the weights, in nats.
        entropy_share: the entropy as a share of the largest possible.
        kl: Kullback-Leibler divergence from uniform weights, in nats.
        log_partition: of the scores.
        energy: of the states, eq. (2).
        jacobian: the Frobenius norm of diag p − p pᵀ.
        jacobian_beta: the same times β.
        heaviest: the weight of the heaviest pattern.
        special: the weight of special patterns.
        first: the weight of the first pattern.
        own: the weight of the pattern at the state's own place; NaN where there is none.
        previous: the weight of the one before; NaN likewise.
        induction: the weight of patterns that follow an earlier or later occurrence of the state's
            token, over states that have such; NaN where none has.
        induction_chance: the share of visible patterns that these are.
    """

    layer: int
    module: str
    head: int
    cross: bool
    beta: float
    states: int
    visible: float
    k: float
    share: float
    share_low: float
    share_high: float
    quantiles: tuple[float, ...]
    head_class: HeadClass
    borderline: bool
    share_content: float
    class_content: HeadClass
    sink: bool
    kind: str
    one: float
    entropy: float
    entropy_share: float
    kl: float
    log_partition: float
    energy: float
    jacobian: float
    jacobian_beta: float
    heaviest: float
    special: float
    first: float
    own: float
    previous: float
    induction: float
    induction_chance: float

    @property
    def name(self) -> str:
        """Such as 3.11: layer and head."""
        return f"{self.layer}.{self.head}"


@dataclass(frozen=True)
class HeadStatistics:
    """The heads of a model, and what was summed up of each call.

    Attributes:
        heads: by layer and number.
        tallies: of each call.
    """

    heads: Sequence[Head]
    tallies: Sequence[Tally]

    @classmethod
    def of(cls, tallies: Sequence[Tally], seed: int = 0) -> "HeadStatistics":
        """The statistics of what was summed up; `seed` is that of the bootstrap."""
        heads = [
            head
            for layer, tally in enumerate(tallies)
            for head in _heads(layer, tally, np.random.default_rng(seed))
        ]
        return cls(heads, tallies)

    @property
    def layers(self) -> list[list[Head]]:
        """The heads of each layer."""
        return [
            [head for head in self.heads if head.layer == layer]
            for layer in range(len(self.tallies))
        ]

    def counts(self) -> NDArray[np.int64]:
        """How many heads of each layer are in classes I to IV, `(L, 4)`."""
        return np.array(
            [[sum(h.head_class == c for h in heads) for c in HeadClass] for heads in self.layers]
        )

    def stretch(self) -> dict[str, tuple[int, float]]:
        """By kind of state (`KINDS`): how many, and the mean norm of their Jacobian, without β.

        Is it largest in metastable states and nothing near a stored pattern?
        """
        count = sum(tally.kinds.sum(0) for tally in self.tallies)
        total = sum(tally.stretch.sum(0) for tally in self.tallies)
        mean = total / np.maximum(count, 1)
        return {kind: (int(count[n]), float(mean[n])) for n, kind in enumerate(KINDS)}

    def jacobians(self) -> dict[HeadClass, tuple[float, float]]:
        """By class of heads the mean norm of the Jacobian of their states, without β and with it.

        Classes without heads are left out.
        """
        found = {}
        for head_class in HeadClass:
            own = [head for head in self.heads if head.head_class == head_class]
            if own:
                states = [head.states for head in own]
                norms = [(head.jacobian, head.jacobian_beta) for head in own]
                without, with_beta = np.average(norms, 0, states)
                found[head_class] = float(without), float(with_beta)
        return found

    def histogram(self, head: Head, bins: int = 64) -> NDArray[np.int64]:
        """How often the share of a head lies in each of `bins` equal parts of (0, 1]."""
        counts = self.tallies[head.layer].shares[:, head.head].sum(0)[1:]
        return counts.reshape(bins, BINS // bins).sum(1)

    def profile(self, head: Head) -> Array:
        """The mean weight at each distance, where patterns were visible; NaN elsewhere."""
        return self._profile(head, 0)

    def relative_profile(self, head: Head) -> Array:
        """The same as a multiple of what uniform weights would give there."""
        return self._profile(head, 1)

    def _profile(self, head: Head, beside: int) -> Array:
        tally = self.tallies[head.layer]
        by, weight = tally.reachable[beside], tally.profile[head.head]
        return np.divide(weight, by, out=np.full(len(by), np.nan), where=by > 0)


def class_of(share: float) -> HeadClass:
    """The class of a head whose median k is that share of the visible patterns."""
    return HeadClass(1 + sum(share <= bound for bound in BOUNDS))


def quantile(counts: Array, at: float) -> Array:
    """The quantile of a histogram of shares, `(..., 1025)`, as a share; NaN where it is empty."""
    cumulated = counts.cumsum(-1)
    total = cumulated[..., -1:]
    found = (cumulated >= at * total - 1e-9).argmax(-1) / BINS
    return np.where(total[..., 0] > 0, found, np.nan)


def _heads(layer: int, tally: Tally, random: np.random.Generator) -> list[Head]:
    there = tally.states > 0
    drawn = random.multinomial(there.sum(), np.full(there.sum(), 1 / there.sum()), DRAWS)
    states = int(tally.states.sum())
    mean = dict(zip(MEANS, tally.sums.sum(0).T / states, strict=True))
    matching = tally.matching.sum() / states
    shares, contents = tally.shares.sum(0), tally.contents.sum(0)
    found = []
    for head in range(tally.heads):
        own = {name: float(value[head]) for name, value in mean.items()}
        again = quantile(drawn @ tally.shares[there, head].astype(float), 0.5)
        low, high = np.quantile(again, [0.025, 0.975])
        share = float(quantile(shares[head], 0.5))
        content = float(quantile(np.where(np.arange(BINS + 1) > 0, contents[head], 0), 0.5))
        visible = own.pop("visible")
        matches, matched = own.pop("matches"), own.pop("matched")
        own.pop("k")
        sink = max(own["special"], own["first"]) > SINK
        if tally.cross:
            own |= {"own": np.nan, "previous": np.nan}
        head_class = class_of(share)
        found.append(
            Head(
                layer,
                tally.module,
                head,
                tally.cross,
                float(tally.beta[head]),
                states,
                visible,
                _k(share, visible),
                share,
                float(low),
                float(high),
                tuple(float(quantile(shares[head], at)) for at in QUANTILES),
                head_class,
                class_of(low) != class_of(high),
                content,
                head_class if np.isnan(content) else class_of(content),
                sink,
                _kind(head_class, own, sink),
                induction=matched / matching if matching else np.nan,
                induction_chance=matches / matching if matching else np.nan,
                **own,
            )
        )
    return found


def _k(share: float, visible: float) -> float:
    """The k of a share; exact where all states see the same number of patterns, 1024 at most."""
    if visible <= BINS and visible == round(visible):
        return max(1.0, float(np.floor(share * visible + 1e-6)))
    return max(1.0, float(np.round((share - 0.5 / BINS) * visible)))


def _kind(head_class: HeadClass, mean: dict[str, float], sink: bool) -> str:
    """What a head does, in words."""
    if head_class == HeadClass.I:
        return "near-uniform" if mean["kl"] <= UNIFORM_KL else "broad, weighted by content"
    if sink:
        return "sink"
    if head_class == HeadClass.IV:
        return "fixed points" if mean["one"] > 0.5 else "few patterns"
    return "metastable"


def arrays_of(tallies: Sequence[Tally]) -> dict[str, NDArray[Any]]:
    """Tallies as arrays, to be kept in a file."""
    found: dict[str, NDArray[Any]] = {}
    for number, tally in enumerate(tallies):
        found |= {f"{number}.{name}": np.asarray(value) for name, value in vars(tally).items()}
    return found


def tallies_of(arrays: dict[str, NDArray[Any]]) -> list[Tally]:
    """What `arrays_of` kept."""
    tallies: list[Tally] = []
    while f"{len(tallies)}.module" in arrays:
        own: dict[str, Any] = {f.name: arrays[f"{len(tallies)}.{f.name}"] for f in fields(Tally)}
        own |= {name: own[name].item() for name in ("module", "cross")}
        tallies.append(Tally(**own))
    return tallies
