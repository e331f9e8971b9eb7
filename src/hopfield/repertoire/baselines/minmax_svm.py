"""A support vector machine with the MinMax kernel on k-mers."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.svm import SVC, SVR

from hopfield.repertoire.baselines.baseline import (
    Array,
    Baseline,
    Fitted,
    Groups,
    Rows,
    inner_folds,
)
from hopfield.repertoire.features import Features
from hopfield.repertoire.targets import Target

Model = Callable[[Features, Rows], Array]


class MinMaxSVM(Baseline):
    """SVC (or SVR) with the MinMax kernel between shares of contiguous k-mers.

    The grid is C, for a kernel that is scaled to a mean distance of 1. Decisions become
    probabilities by `calibrated`, fit on those of inner folds.
    """

    name = "MinMax SVM"
    grid = (0.1, 1.0, 10.0, 100.0)

    def _fit(
        self,
        features: Features,
        rows: Rows,
        target: Target,
        groups: Groups,
        grid: Sequence[float],
    ) -> Fitted:
        if target.kind == "regression":
            models = [_regression(features, rows, target, c) for c in grid]
        else:
            pairs = inner_folds(target, rows, groups, self.seed)
            models = [_classification(features, rows, target, c, pairs) for c in grid]
        return lambda features, rows: [model(features, rows) for model in models]


def calibrated(decisions: Array, labels: NDArray[np.int64]) -> Callable[[Array], Array]:
    """Probabilities `softmax(t · decisions + b)` with t > 0, fit to labels.

    This is Platt's scaling for any number of classes, with his softened labels; t > 0 because a
    machine whose decisions are wrong more often than not knows nothing that could be turned round.

    Args:
        decisions: `(n, C)`, of repertoires that the machine was not trained on.
        labels: `(n,)`.

    Returns:
        What turns decisions `(m, C)` into probabilities `(m, C)`.
    """
    classes = decisions.shape[1]
    sizes = np.bincount(labels, minlength=classes)[:, None]
    right = np.eye(classes, dtype=bool)
    soft = np.where(right, (sizes + 1) / (sizes + 2), 1 / (sizes + 2) / (classes - 1))[labels]
    scale = decisions.std() or 1.0

    def loss(parameters: Array) -> tuple[float, Array]:
        scores = log_softmax(parameters[0] * decisions / scale + parameters[1:], axis=1)
        excess = np.exp(scores) - soft
        slope = (excess * decisions / scale).sum()
        return -(soft * scores).sum(), np.array([slope, *excess.sum(0)])

    bounds = [(1e-3, None), *[(None, None)] * classes]
    found = minimize(loss, np.array([1.0, *[0.0] * classes]), jac=True, bounds=bounds).x
    return lambda new: softmax(found[0] * new / scale + found[1:], axis=1)


def _classification(
    features: Features, rows: Rows, target: Target, c: float, pairs: list[tuple[Rows, Rows]]
) -> Model:
    if pairs:
        held = np.concatenate([test for _, test in pairs])
        machines = [_machine(features, train, target, c) for train, _ in pairs]
        decisions = [
            machine(features, test) for machine, (_, test) in zip(machines, pairs, strict=True)
        ]
        probabilities = calibrated(np.vstack(decisions), target.values[held].astype(np.int64))
    else:
        probabilities = partial(softmax, axis=1)
    machine = _machine(features, rows, target, c)
    return lambda features, rows: probabilities(machine(features, rows))


def _machine(features: Features, rows: Rows, target: Target, c: float) -> Model:
    """Decisions `(m, C)`; the row's least for a class that the training rows lack."""
    fitted = SVC(C=c * _scale(features, rows), kernel="precomputed")
    fitted.fit(features.minmax[np.ix_(rows, rows)], target.values[rows])

    def decisions(features: Features, new: Rows) -> Array:
        found = fitted.decision_function(features.minmax[np.ix_(new, rows)])
        if found.ndim == 1:
            found = np.stack([np.zeros(len(new)), found], 1)
        wide = np.repeat(found.min(1, keepdims=True), len(target.classes), 1)
        wide[:, fitted.classes_.astype(np.int64)] = found
        return wide

    return decisions


def _regression(features: Features, rows: Rows, target: Target, c: float) -> Model:
    values = target.values[rows]
    middle, spread = values.mean(), values.std()
    fitted = SVR(C=c * _scale(features, rows), kernel="precomputed")
    fitted.fit(features.minmax[np.ix_(rows, rows)], (values - middle) / spread)
    return lambda features, new: (
        middle + spread * fitted.predict(features.minmax[np.ix_(new, rows)])
    )


def _scale(features: Features, rows: Rows) -> float:
    """By what the kernel is to be multiplied, so that the mean distance is 1."""
    return float(1 / max(1 - features.minmax[np.ix_(rows, rows)].mean(), 1e-6))
