"""`History`: what became of the heads of a model while it learned, and that in short."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hopfield.errors import ArgumentError, FileError
from hopfield.heads.growing import read_rows
from hopfield.heads.statistics import BOUNDS, QUANTILES, HeadStatistics
from hopfield.phases import HeadClass

BINS = 32  # of k as a share of the visible patterns; the bounds of the classes lie between bins
MARGIN = 0.1
NAMES = ("step", "loss", "layer", "module", "head", "class", "kind", "k")
SHARES = tuple(f"share_{round(100 * at):02}" for at in QUANTILES)
MEANS = (
    *("visible", "one", "entropy", "entropy_share", "kl", "jacobian", "jacobian_beta"),
    *("heaviest", "special", "first", "own", "previous", "induction"),
)
COLUMNS = (*NAMES, *SHARES, *MEANS, "counts")


def rows_at(step: int, loss: float | None, found: HeadStatistics) -> list[dict[str, object]]:
    """Rows of the table, one for each head; what is not known is left empty."""
    rows = []
    for head in found.heads:
        numbers = dict(zip(SHARES, head.quantiles, strict=True))
        numbers |= {name: getattr(head, name) for name in MEANS}
        numbers |= {"loss": math.nan if loss is None else loss, "k": head.k}
        row: dict[str, object] = {
            name: "" if math.isnan(number) else f"{number:.6g}" for name, number in numbers.items()
        }
        row |= {"step": step, "layer": head.layer, "module": head.module, "head": head.head}
        row |= {"class": int(head.head_class), "kind": head.kind}
        row["counts"] = " ".join(map(str, found.histogram(head, BINS)))
        rows.append(row)
    return rows


@dataclass(frozen=True)
class History:
    """Statistics of M heads at T steps.

    Attributes:
        step: `(T,)`, rising.
        loss: `(T,)`, NaN where it is not known.
        layer: `(M,)`, the number of each head's call of attention, from 0.
        module: of each head, the name of the module that calls.
        head: `(M,)`, its number in the layer.
        head_class: `(T, M)`, a `HeadClass` as a number.
        share: `(T, M, 5)`, of k as a share of the visible patterns the quantiles at 5, 25, 50, 75
            and 95 %, over states.
        counts: `(T, M, 32)`, how many states have a k of so many 32nds of the visible patterns,
            rounded up.
        mean: `(T, M)` each, by the names in `MEANS`; see `Head`.
    """

    step: NDArray[np.int64]
    loss: NDArray[np.float64]
    layer: NDArray[np.int64]
    module: tuple[str, ...]
    head: NDArray[np.int64]
    head_class: NDArray[np.int64]
    share: NDArray[np.float64]
    counts: NDArray[np.int64]
    mean: dict[str, NDArray[np.float64]]

    @classmethod
    def read(cls, path: str | Path) -> "History":
        """Read the table that `HeadClassCallback` or `watch` wrote.

        Raises:
            FileError: the file is no such table, is empty, or lacks some head at some step.
        """
        rows = sorted(read_rows(Path(path), COLUMNS), key=lambda row: int(row["step"]))
        heads = [(row["layer"], row["module"], row["head"]) for row in rows]
        count = len(set(heads))
        if not rows or heads != heads[:count] * (len(rows) // count):
            raise FileError(f"{path} does not hold the same heads at each step, or none")

        def of(name: str) -> NDArray[np.float64]:
            return np.array([float(row[name] or "nan") for row in rows]).reshape(-1, count)

        try:
            counts = np.array([row["counts"].split() for row in rows], np.int64)
            return cls(
                of("step")[:, 0].astype(np.int64),
                of("loss")[:, 0],
                of("layer")[0].astype(np.int64),
                tuple(module for _, module, _ in heads[:count]),
                of("head")[0].astype(np.int64),
                of("class").astype(np.int64),
                np.stack([of(name) for name in SHARES], -1),
                counts.reshape(-1, count, BINS),
                {name: of(name) for name in MEANS},
            )
        except ValueError as error:
            raise FileError(f"{path} is damaged: {error}") from error

    def settled(self, margin: float = MARGIN) -> NDArray[np.int64]:
        """Classes that do not flicker, `(T, M)`.

        A head keeps its class until the median of k lies beyond the bound of that class by more
        than `margin` of the bound; then it has the class of the median.

        Args:
            margin: 0 gives `head_class`.

        Raises:
            ArgumentError: the margin is not in [0, 1).
        """
        if not 0 <= margin < 1:
            raise ArgumentError(f"margin is {margin!r}; a share in [0, 1) is expected")
        highest = np.array([np.inf, *BOUNDS]) * (1 + margin)  # of classes I to IV
        lowest = np.array([*BOUNDS, -np.inf]) * (1 - margin)
        median = self.share[..., QUANTILES.index(0.5)]
        settled = self.head_class.copy()
        for t in range(1, len(settled)):
            before = settled[t - 1]
            stays = (median[t] > lowest[before - 1]) & (median[t] <= highest[before - 1])
            settled[t, stays] = before[stays]
        return settled

    def class_counts(self) -> NDArray[np.int64]:
        """How many heads are in classes I to IV, `(T, 4)`."""
        return np.stack([(self.head_class == one).sum(-1) for one in HeadClass], -1)

    def share_leaving(self, margin: float = MARGIN) -> float:
        """Of the heads in class I at the first step, the share that is in another at the last.

        Args:
            margin: see `settled`.

        Returns:
            NaN if no head begins in class I.
        """
        settled = self.settled(margin)
        begins = settled[0] == HeadClass.I
        return float((settled[-1, begins] != HeadClass.I).mean()) if begins.any() else math.nan

    def switched_at(self, margin: float = MARGIN) -> NDArray[np.int64]:
        """The first step from which on each head has the class of the end, `(M,)`.

        Args:
            margin: see `settled`.

        Returns:
            −1 for a head that never has another class.
        """
        settled = self.settled(margin)
        other = settled != settled[-1]
        last = len(other) - 1 - other[::-1].argmax(0)  # look that finds another class
        return np.where(other.any(0), self.step[np.minimum(last + 1, len(other) - 1)], -1)

    def switches(self) -> dict[int, list[str]]:
        """For each layer the steps of `switched_at` in order, or "always"."""
        switched = self.switched_at()
        return {
            int(layer): [
                "always" if one < 0 else str(one) for one in sorted(switched[self.layer == layer])
            ]
            for layer in np.unique(self.layer)
        }

    def said(self) -> list[str]:
        """What became of the heads, in sentences with numbers."""
        counts = [" / ".join(map(str, own)) for own in self.class_counts()[[0, -1]]]
        leaving = self.share_leaving()
        return [
            f"{len(self.head)} head{'s' * (len(self.head) != 1)}, {len(self.step)} "
            f"look{'s' * (len(self.step) != 1)} from step {self.step[0]} to {self.step[-1]}.",
            f"Heads in classes I / II / III / IV: {counts[0]} at first, {counts[1]} at last.",
            f"Of those that begin in class I, {leaving:.0%} leave it (with a margin of "
            f"{MARGIN:.0%} between classes)."
            if not math.isnan(leaving)
            else "No head begins in class I.",
        ]

    def __str__(self) -> str:
        layers = [f"  layer {layer}: {', '.join(own)}" for layer, own in self.switches().items()]
        return "\n".join([*self.said(), "Step from which on a head has its last class:", *layers])
