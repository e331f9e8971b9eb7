"""`Baseline`: what a model that ours is compared with does; its settings by inner folds."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from hopfield.errors import ArgumentError
from hopfield.repertoire.features import Features
from hopfield.repertoire.folds import FEWEST, folds
from hopfield.repertoire.targets import KINDS, Target

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
Groups = NDArray[np.int64] | None
Fitted = Callable[[Features, Rows], list[Array]]  # predictions of some rows, for each setting
LEAST = 1e-6  # a probability counts as at least this in a logarithm


class Baseline(ABC):
    """A model to compare with, fit on some rows of `Features`.

    Its settings are those of `grid` that predict inner folds of the training rows best, by the log
    loss or the squared error; the first where no inner folds can be made.

    Args:
        seed: of the inner folds.

    Attributes:
        name: as reports show it.
        kinds: of targets that it can predict.
        grid: settings, the simplest first.
    """

    name: str
    kinds: ClassVar[tuple[str, ...]] = KINDS
    grid: ClassVar[Sequence[Any]]

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._fitted: Fitted | None = None

    def fit(self, features: Features, rows: Rows, target: Target, groups: Groups = None) -> Self:
        """Learn from some rows alone.

        Args:
            features: of all R repertoires.
            rows: to learn from; those without a label are left out.
            target: of all R repertoires.
            groups: `(R,)`, repertoires that stay together in the inner folds.

        Raises:
            ArgumentError: it cannot predict such a target, or the rows have labels of one class
                alone.
        """
        if target.kind not in self.kinds:
            raise ArgumentError(
                f"{self.name} cannot predict target {target.name!r}, whose kind is {target.kind}; "
                f"it predicts {' and '.join(self.kinds)} targets"
            )
        rows = rows[target.labelled[rows]]
        if not _varied(target, rows):
            raise ArgumentError(
                f"the {len(rows)} training rows with a label of target {target.name!r} are all "
                f"alike; {self.name} needs at least two different labels"
            )
        loss = np.zeros(len(self.grid))
        for train, test in inner_folds(target, rows, groups, self.seed):
            fitted = self._fit(features, train, target, groups, self.grid)
            loss += [_loss(target, test, predicted) for predicted in fitted(features, test)]
        best = self.grid[int(loss.argmin())]
        self._fitted = self._fit(features, rows, target, groups, [best])
        return self

    def predict(self, features: Features, rows: Rows) -> Array:
        """Probabilities of the classes, `(n, C)`, or the quantity, `(n,)`, of some rows.

        Raises:
            ArgumentError: it was not fit.
        """
        if self._fitted is None:
            raise ArgumentError(f"{self.name} was not fit; call fit first")
        return self._fitted(features, rows)[0]

    @abstractmethod
    def _fit(
        self, features: Features, rows: Rows, target: Target, groups: Groups, grid: Sequence[Any]
    ) -> Fitted:
        """Fit with each of the settings on these rows, which have labels of more than one kind."""


def inner_folds(target: Target, rows: Rows, groups: Groups, seed: int) -> list[tuple[Rows, Rows]]:
    """Folds whose training rows are at least `FEWEST` and have more than one label."""
    pairs = folds(target, rows, groups, seed=seed)
    return [pair for pair in pairs if len(pair[0]) >= FEWEST and _varied(target, pair[0])]


def _varied(target: Target, rows: Rows) -> bool:
    return len(np.unique(target.values[rows])) > 1


def _loss(target: Target, rows: Rows, predicted: Array) -> float:
    values = target.values[rows]
    if target.kind == "regression":
        return float(np.square(predicted - values).sum())
    right = predicted[np.arange(len(rows)), values.astype(np.int64)]
    return float(-np.log(np.maximum(right, LEAST)).sum())
