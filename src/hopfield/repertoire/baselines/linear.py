"""Logistic regression, or ridge regression of a quantity, on standardised columns."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hopfield.repertoire.targets import Target

Array = NDArray[np.float64]
PENALTIES = (0.003, 0.03, 0.3, 3.0)  # C, the inverse of the penalty: the smallest is the simplest


def linear(
    columns: Array, values: Array, target: Target, inverse_penalty: float
) -> Callable[[Array], Array]:
    """Fit a linear model with a quadratic penalty.

    Args:
        columns: `(n, k)`, of the training rows; standardised here.
        values: `(n,)`, their labels.
        target: whose labels these are.
        inverse_penalty: C of scikit-learn, 1/α.

    Returns:
        What turns columns `(m, k)` into probabilities `(m, C)`, or a quantity `(m,)`.
    """
    if target.kind == "regression":
        ridge = make_pipeline(StandardScaler(), Ridge(1 / inverse_penalty)).fit(columns, values)
        return ridge.predict
    logistic = LogisticRegression(C=inverse_penalty, max_iter=10_000)
    model = make_pipeline(StandardScaler(), logistic).fit(columns, values)
    return lambda new: of_all_classes(model.predict_proba(new), model.classes_, target)


def of_all_classes(probabilities: Array, classes: Array, target: Target) -> Array:
    """Probabilities of the classes of a training set, with 0 for those that it lacked."""
    wide = np.zeros((len(probabilities), len(target.classes)))
    wide[:, classes.astype(np.int64)] = probabilities
    return wide
