"""`Differences`: what sets the heads of two models, or of two checkpoints of one, apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hopfield.heads.statistics import DRAWS, Head, HeadStatistics, quantile
from hopfield.heads.tally import Tally

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """Of two medians of k, as shares of the visible patterns, or of two means of such medians.

    Attributes:
        value: that of the second less that of the first.
        low: of its interval of 95 %, by a bootstrap over groups of neighbouring sequences.
        high: likewise.
    """

    value: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return not self.low <= 0 <= self.high


@dataclass(frozen=True)
class Pair:
    """A head of two checkpoints."""

    first: Head
    second: Head
    difference: Difference

    @property
    def changed(self) -> bool:
        """Whether its class is another."""
        return self.first.head_class != self.second.head_class


@dataclass(frozen=True)
class Level:
    """A layer of each model, at about the same depth.

    Attributes:
        first: the heads of the first.
        second: the heads of the second.
        depth: of the first, from 0 to 1.
        difference: of the means over their heads.
    """

    first: Sequence[Head]
    second: Sequence[Head]
    depth: float
    difference: Difference


@dataclass(frozen=True)
class Differences:
    """What sets two models apart.

    Attributes:
        heads: in pairs; none where layers or their numbers of heads differ.
        levels: layers in pairs, by depth; calls that read another sequence are left out.
        paired: whether both saw the same sequences, so that these are drawn together.
    """

    heads: Sequence[Pair]
    levels: Sequence[Level]
    paired: bool

    @classmethod
    def of(
        cls, first: HeadStatistics, second: HeadStatistics, *, paired: bool, seed: int = 0
    ) -> "Differences":
        """The differences.

        Args:
            first: the statistics of one model.
            second: of the other.
            paired: whether both saw the same sequences.
            seed: of the bootstrap.
        """
        random = np.random.default_rng(seed)
        drawn = _drawn(first, random)
        again = drawn if paired else _drawn(second, random)
        medians = [_medians(tally, drawn) for tally in first.tallies]
        others = [_medians(tally, again) for tally in second.tallies]
        levels = []
        for one, other, depth in _by_depth(first, second):
            means = medians[one].mean(-1), others[other].mean(-1)
            own = first.layers[one], second.layers[other]
            value = mean_share(own[1]) - mean_share(own[0])
            levels.append(Level(*own, depth, _difference(value, *means)))
        pairs = []
        if _shape(first) == _shape(second):
            for head, twin in zip(first.heads, second.heads, strict=True):
                place = (slice(None), head.head)
                bounds = medians[head.layer][place], others[head.layer][place]
                pairs.append(Pair(head, twin, _difference(twin.share - head.share, *bounds)))
        return cls(pairs, levels, paired)

    def findings(self) -> list[str]:
        """What they say, in sentences; the models are called A and B."""
        said = []
        if self.heads:
            changed = [pair for pair in self.heads if pair.changed]
            moves: dict[str, int] = {}
            for pair in changed:
                move = f"{pair.first.head_class.name} to {pair.second.head_class.name}"
                moves[move] = moves.get(move, 0) + 1
            shown = ", ".join(f"{count} from {move}" for move, count in sorted(moves.items()))
            clear = sum(pair.difference.clear for pair in self.heads)
            said.append(
                f"{len(changed)} of {len(self.heads)} heads are in another class in B"
                f"{': ' * bool(shown)}{shown}. k / N differs by more than chance explains in "
                f"{clear}: 0 is not in the interval of the difference."
            )
        else:
            said.append("The models have different layers or heads: layers are compared by depth.")
        largest = max(self.levels, key=lambda level: abs(level.difference.value))
        change = largest.difference
        first, second = mean_share(largest.first), mean_share(largest.second)
        said.append(
            f"The layers differ most at a depth of {largest.depth:.0%}: the mean of k / N is "
            f"{first:.3f} in A and {second:.3f} in B, a difference of {change.value:+.3f} "
            f"({change.low:+.3f} to {change.high:+.3f})."
        )
        if not self.paired:
            said.append(
                "A and B saw different sequences, so that texts are part of each difference."
            )
        return said


def mean_share(heads: Sequence[Head]) -> float:
    """The mean over heads of the median share."""
    return float(np.mean([head.share for head in heads]))


def _drawn(statistics: HeadStatistics, random: np.random.Generator) -> Array:
    """How often each group is drawn, `(DRAWS, G)`."""
    there = statistics.tallies[0].states > 0
    drawn = np.zeros((DRAWS, len(there)))
    count = int(there.sum())
    drawn[:, there] = random.multinomial(count, np.full(count, 1 / count), DRAWS)
    return drawn


def _medians(tally: Tally, drawn: Array) -> Array:
    """The median share of each head in each draw, `(DRAWS, H)`."""
    shares = tally.shares.astype(float)
    return np.stack([quantile(drawn @ shares[:, h], 0.5) for h in range(tally.heads)], -1)


def _difference(value: float, first: Array, second: Array) -> Difference:
    low, high = np.quantile(second - first, [0.025, 0.975])
    return Difference(value, float(low), float(high))


def _shape(statistics: HeadStatistics) -> list[tuple[int, bool]]:
    return [(tally.heads, tally.cross) for tally in statistics.tallies]


def _by_depth(first: HeadStatistics, second: HeadStatistics) -> list[tuple[int, int, float]]:
    """Each layer of the model with fewer, the nearest one of the other, the depth of the first."""
    own, others = ([n for n, t in enumerate(s.tallies) if not t.cross] for s in (first, second))
    fewer = min(len(own), len(others))
    pairs = []
    for n in range(fewer):
        depth = n / max(fewer - 1, 1)
        one, other = (layers[round(depth * (len(layers) - 1))] for layers in (own, others))
        pairs.append((one, other, own.index(one) / max(len(own) - 1, 1)))
    return pairs
