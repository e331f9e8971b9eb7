"""`Split`: repertoires to learn from, and others to be told; folds, batches, a given split."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hopfield.errors import ArgumentError
from hopfield.repertoire.columns import said
from hopfield.repertoire.folds import FEWEST, folds
from hopfield.repertoire.screen import Rows
from hopfield.repertoire.targets import Target

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """Repertoires to learn from, and others to be told.

    Attributes:
        name: such as "fold 1".
        train: rows to learn from.
        test: rows that are told.
    """

    name: str
    train: Rows
    test: Rows

    def poor(self, targets: Sequence[Target], fewest: int = FEWEST) -> str:
        """Why nothing can be learned from the training rows; empty if something can."""
        for target in targets:
            values = target.values[self.train]
            values = values[~np.isnan(values)]
            if len(values) < fewest or len(np.unique(values)) < 2:
                return (
                    f"{self.name}: of its {len(self.train)} training repertoires {len(values)} "
                    f"have a label of {target.name!r}, with {len(np.unique(values))} distinct "
                    f"values; at least {fewest} with 2 are needed"
                )
        return ""

    def unseen(self, targets: Sequence[Target]) -> list[str]:
        """Classes of the test rows that no training row has, such as `diagnosis 'positive'`."""
        return [
            f"{target.name} {name!r}"
            for target in targets
            for place, name in enumerate(target.classes)
            if (target.values[self.test] == place).any()
            and not (target.values[self.train] == place).any()
        ]


def fold_numbers(
    targets: Sequence[Target], rows: Rows, groups: Numbers | None, k: int, seed: int
) -> Numbers:
    """In which fold each repertoire is tested, `(R,)`; −1 where in none.

    The classes of the first target are spread evenly, then those of the next among the repertoires
    that are left. See `folds`. All are −1 where two folds cannot be made.
    """
    own = np.arange(len(targets[0])) if groups is None else groups
    numbers = np.full(len(own), -1)
    for target in targets:
        left = rows[target.labelled[rows] & (numbers[rows] < 0)]
        pairs = folds(target, left, groups, k, seed) if len(left) else []
        for number, (_, test) in enumerate(pairs):
            numbers[np.isin(own, own[test])] = number
    count = numbers.max() + 1
    if count < 2:
        return np.full(len(own), -1)
    numbers = np.where(numbers < 0, own % count, numbers)  # too few for folds of their own
    numbers[np.setdiff1d(np.arange(len(own)), rows)] = -1
    return numbers


def of_numbers(numbers: Numbers, name: str = "fold") -> list[Split]:
    """A split for each fold."""
    there = np.unique(numbers[numbers >= 0])
    return [
        Split(
            f"{name} {number + 1}",
            np.flatnonzero((numbers >= 0) & (numbers != number)),
            np.flatnonzero(numbers == number),
        )
        for number in there
    ]


def of_batches(column: pl.Series, groups: Numbers | None) -> list[Split]:
    """Each batch left out in turn; nothing of its groups is learned from.

    Repertoires whose batch is not known have no part.
    """
    names = said(column)
    rows = np.flatnonzero(names.is_not_null())
    found = []
    for name in names.drop_nulls().unique().sort():
        test = np.flatnonzero((names == name).fill_null(False))
        found.append(Split(f"without {name}", _apart(rows, test, groups), test))
    return found


def of_column(column: pl.Series, groups: Numbers | None) -> Split:
    """The split that a column gives: its cells say "train", "test" or nothing.

    Nothing of the groups of the test rows is learned from.

    Raises:
        ArgumentError: they say something else, or one of the two is missing.
    """
    names = said(column).str.to_lowercase()
    there = names.drop_nulls().unique(maintain_order=True)
    if set(there) != {"train", "test"}:
        shown = ", ".join(map(repr, there.head(5)))
        raise ArgumentError(
            f"column {column.name!r} has {shown}; 'train' and 'test' are expected, both of them"
        )
    train, test = (np.flatnonzero((names == name).fill_null(False)) for name in ("train", "test"))
    return Split("test", _apart(train, test, groups), test)


def told_in(splits: Iterable[Split], size: int) -> Numbers:
    """The number of the split in which each of the repertoires is told, `(R,)`; −1 if in none."""
    numbers = np.full(size, -1)
    for number, split in enumerate(splits):
        numbers[split.test] = number
    return numbers


def _apart(rows: Rows, test: Rows, groups: Numbers | None) -> Rows:
    """The rows that have no group in common with the test rows."""
    if groups is None:
        return np.setdiff1d(rows, test)
    return rows[~np.isin(groups[rows], groups[test])]
