"""Logistic regression on gapped k-mers: the screen that seeds our model, without the pooling."""

from collections.abc import Sequence
from itertools import product

import numpy as np

from hopfield.repertoire.baselines.baseline import Array, Baseline, Fitted, Groups, Rows
from hopfield.repertoire.baselines.linear import PENALTIES, linear
from hopfield.repertoire.features import Features
from hopfield.repertoire.screen import screen
from hopfield.repertoire.targets import Target

Settings = tuple[int, float]  # how many k-mers, and the inverse penalty


class KmerRegression(Baseline):
    """Logistic (or ridge) regression on the gapped k-mers that the screen of its rows chose."""

    name = "gapped k-mers"
    grid = tuple(product((1, 4, 16, 64), PENALTIES))

    def _fit(
        self,
        features: Features,
        rows: Rows,
        target: Target,
        groups: Groups,
        grid: Sequence[Settings],
    ) -> Fitted:
        most = max(number for number, _ in grid)
        chosen = screen(features.rates, target, rows, most).features
        if not len(chosen):
            chosen = np.zeros(1, np.int64)  # none varies, so that any tells as little
        columns, values = _columns(features, rows, chosen), target.values[rows]
        models = [linear(columns[:, :number], values, target, c) for number, c in grid]

        def predict(features: Features, rows: Rows) -> list[Array]:
            columns = _columns(features, rows, chosen)
            pairs = zip(grid, models, strict=True)
            return [model(columns[:, :number]) for (number, _), model in pairs]

        return predict


def _columns(features: Features, rows: Rows, chosen: Rows) -> Array:
    return features.rates[rows][:, chosen].toarray()
