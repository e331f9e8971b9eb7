"""What became of the heads of a model while it learned: their statistics by step, and in short."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hopfield.errors import ArgumentError, FileError
from hopfield.phases import HeadClass

QUANTILES = (5, 25, 50, 75, 95)
BINS = 32  # of k as a share of the visible patterns; the bounds of classes lie between bins
LAST_BIN = {HeadClass.IV: 1, HeadClass.III: 4, HeadClass.II: 16, HeadClass.I: 32}
NAMES = ("step", "loss", "layer", "module", "head", "class")
MEANS = ("visible", "k", "entropy", "kl", "jacobian", "jacobian_beta", "heaviest", "special")
COLUMNS = (*NAMES, *(f"k{q:02}" for q in QUANTILES), *MEANS, "k_shares")


@dataclass(frozen=True)
class History:
    """Statistics of M heads at T steps.

    Attributes:
        step: `(T,)`, rising.
        loss: `(T,)`, NaN where it is not known.
        layer: `(M,)`, of each head: the number of the call of attention, from 0.
        module: `(M,)`, the module of that call.
        head: `(M,)`, its number in the layer.
        head_class: `(T, M)`, a `HeadClass` as a number.
        k: `(T, M, 5)`, the quantiles at 5, 25, 50, 75 and 95 % of k as a share of the visible
            patterns, over states.
        k_shares: `(T, M, 32)`, how many states have a k of so many 32nds, rounded up.
        means: by the names in `MEANS`, `(T, M)` each: means over states.
    """

    step: NDArray[np.int64]
    loss: NDArray[np.float64]
    layer: NDArray[np.int64]
    module: tuple[str, ...]
    head: NDArray[np.int64]
    head_class: NDArray[np.int64]
    k: NDArray[np.float64]
    k_shares: NDArray[np.int64]
    means: dict[str, NDArray[np.float64]]

    @classmethod
    def read(cls, path: str | Path) -> "History":
        """Read what `HeadClassCallback` wrote.

        Raises:
            FileError: the file is no such table, or does not have all heads at each step.
        """
        rows = read_table(Path(path), COLUMNS)
        if not rows:
            raise FileError(f"{path} has no rows yet")
        heads = [(row["layer"], row["module"], row["head"]) for row in rows]
        count = len(dict.fromkeys(heads))
        if len(rows) % count or heads != heads[:count] * (len(rows) // count):
            raise FileError(f"{path} does not hold the same {count} heads at each step")

        def of(name: str) -> NDArray[np.float64]:
            return np.array([float(row[name] or "nan") for row in rows]).reshape(-1, count)

        shares = np.array([row["k_shares"].split() for row in rows], dtype=np.int64)
        return cls(
            of("step")[:, 0].astype(np.int64),
            of("loss")[:, 0],
            of("layer")[0].astype(np.int64),
            tuple(module for _, module, _ in heads[:count]),
            of("head")[0].astype(np.int64),
            of("class").astype(np.int64),
            np.stack([of(f"k{q:02}") for q in QUANTILES], -1),
            shares.reshape(-1, count, BINS),
            {name: of(name) for name in MEANS},
        )

    def settled(self, margin: float = 0.1) -> NDArray[np.int64]:
        """Classes that do not flicker, `(T, M)`.

        A head keeps its class until the median of k is beyond the bound of that class by `margin`
        of the bound; then it has the class of the median.

        Args:
            margin: 0 gives `head_class`.

        Raises:
            ArgumentError: the margin is not in [0, 1).
        """
        if not 0 <= margin < 1:
            raise ArgumentError(f"margin is {margin!r}; a share in [0, 1) is expected")
        upper = np.array([np.inf, 1 / 2, 1 / 8, 1 / 32])  # of classes I to IV
        lower = np.array([1 / 2, 1 / 8, 1 / 32, -np.inf])
        median = self.k[..., QUANTILES.index(50)]
        settled = self.head_class.copy()
        for before, now, k in zip(settled, settled[1:], median[1:], strict=True):
            inside = (k > lower[before - 1] * (1 - margin)) & (
                k <= upper[before - 1] * (1 + margin)
            )
            now[inside] = before[inside]
        return settled

    def class_counts(self) -> NDArray[np.int64]:
        """How many heads are in classes I to IV, `(T, 4)`."""
        return (self.head_class[..., None] == np.arange(1, 5)).sum(1)

    def share_leaving(self, margin: float = 0.1) -> float:
        """The share of the heads in class I at the first step that are not there at the last.

        Args:
            margin: of `settled`.

        Returns:
            NaN if no head begins in class I.
        """
        settled = self.settled(margin)
        begins = settled[0] == HeadClass.I
        return float((settled[-1, begins] != HeadClass.I).mean()) if begins.any() else float("nan")

    def switched_at(self, margin: float = 0.1) -> NDArray[np.int64]:
        """The step from which each head has the class of the end, `(M,)`; −1: it always had.

        Args:
            margin: of `settled`.
        """
        settled = self.settled(margin)
        other = settled != settled[-1]
        last = len(other) - 1 - other[::-1].argmax(0)  # the last probe in another class
        return np.where(other.any(0), self.step[np.minimum(last + 1, len(other) - 1)], -1)


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a table that grows; a last one that was cut short is left out.

    Raises:
        FileError: the file cannot be read, or is another table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = file.read().splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path} cannot be read ({error}); a CSV file is expected") from error
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
    reader = csv.DictReader(lines)
    found = tuple(reader.fieldnames or ())
    if found != tuple(columns):
        raise FileError(
            f"{path} has the columns {', '.join(found) or '(none)'}; {', '.join(columns)} are "
            f"expected; name another file, or delete this one"
        )
    rows = list(reader)
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise FileError(f"{path}, line {number}: it does not have {len(columns)} columns")
    return rows


def shares_of(counts: Mapping[int, int]) -> str:  # pragma: no cover - replaced below
    raise NotImplementedError
