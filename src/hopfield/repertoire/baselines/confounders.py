"""What goes with a label without being its cause, alone: age, batch, depth, gene usage."""

from collections.abc import Sequence

import numpy as np

from hopfield import _check
from hopfield.repertoire.baselines.baseline import Array, Baseline, Fitted, Groups, Rows
from hopfield.repertoire.baselines.linear import PENALTIES, linear
from hopfield.repertoire.features import Features
from hopfield.repertoire.targets import Target


class Confounders(Baseline):
    """Logistic (or ridge) regression on one of `Features.confounders`, or on all of them.

    Args:
        which: the name of one; by default all.
        seed: of the inner folds.
    """

    grid = PENALTIES

    def __init__(self, which: str | None = None, seed: int = 0) -> None:
        super().__init__(seed)
        self.which = which
        self.name = "all confounders" if which is None else f"{which} alone"

    def _fit(
        self,
        features: Features,
        rows: Rows,
        target: Target,
        groups: Groups,
        grid: Sequence[float],
    ) -> Fitted:
        columns, values = self._columns(features, rows), target.values[rows]
        models = [linear(columns, values, target, c) for c in grid]
        return lambda features, rows: [model(self._columns(features, rows)) for model in models]

    def _columns(self, features: Features, rows: Rows) -> Array:
        if self.which is None:
            return np.hstack(list(features.confounders.values()))[rows]
        _check.choice("which", self.which, features.confounders)
        return features.confounders[self.which][rows]
