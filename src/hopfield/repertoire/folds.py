"""Folds: repertoires split for cross-validation, with those of one group kept together."""

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from hopfield.repertoire.targets import Target

Rows = NDArray[np.int64]


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
