"""Folds: repertoires split for cross-validation, with those of one group kept together."""

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from hopfield.repertoire.targets import Target

Rows = NDArray[np.int64]
FEWEST = 4  # repertoires, from which anything is learned


def folds(
    target: Target, rows: Rows, groups: NDArray[np.int64] | None = None, k: int = 5, seed: int = 0
) -> list[tuple[Rows, Rows]]:
    """Training and test rows of each fold; classes are spread evenly.

    Args:
        target: of all R repertoires.
        rows: those to split; each has a label.
        groups: `(R,)`, repertoires with the same number stay together; by default each is alone.
        k: how many folds; fewer where a class (or all rows, for a quantity) has fewer groups.
        seed: of the split.

    Returns:
        As places among the R repertoires; nothing where two folds cannot be made.
    """
    own = np.arange(len(target)) if groups is None else groups
    values = target.values[rows]
    if target.kind == "regression":
        k = min(k, len(np.unique(own[rows])))
    else:
        k = min(k, *(len(np.unique(own[rows[values == c]])) for c in np.unique(values)))
    if k < 2:
        return []
    if target.kind == "regression":
        splitter = KFold if groups is None else GroupKFold
    else:
        splitter = StratifiedKFold if groups is None else StratifiedGroupKFold
    split = splitter(k, shuffle=True, random_state=seed).split
    together = None if groups is None else groups[rows]
    return [(rows[some], rows[rest]) for some, rest in split(rows, values, together)]


def group_numbers(groups: ArrayLike) -> NDArray[np.int64]:
    """A number for each group, `(R,)`; what has none is a group by itself."""
    names = pl.Series(np.asarray(groups).tolist(), strict=False).cast(pl.String)
    alone = pl.Series([f"row {place}" for place in range(len(names))])
    named = names.is_not_null() & ~names.is_in(["NaN", "nan"])
    kept = ("group " + names).zip_with(named, alone)
    return np.unique(kept.to_numpy(), return_inverse=True)[1]
