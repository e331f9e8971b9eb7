"""The ensemble: several models' predictions as one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from hopfield.repertoire.baselines.baseline import LEAST

Array = NDArray[np.float64]


def ensemble(members: Sequence[Array]) -> Array:
    """The mean of logits: of two classes, of the log odds; of more, of the log probabilities.

    Args:
        members: probabilities `(n, C)` of each model, which count as at least 1e-6; or quantities
            `(n,)`, whose mean is taken.

    Returns:
        Probabilities `(n, C)`, or the quantity `(n,)`.
    """
    stacked = np.stack(members)
    if stacked.ndim == 2:
        return stacked.mean(0)
    return softmax(np.log(np.maximum(stacked, LEAST)).mean(0), axis=1)
