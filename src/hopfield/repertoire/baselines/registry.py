"""All baselines by name."""

from collections.abc import Callable

from hopfield.repertoire.baselines.baseline import Baseline
from hopfield.repertoire.baselines.confounders import Confounders
from hopfield.repertoire.baselines.kmer_regression import KmerRegression
from hopfield.repertoire.baselines.minmax_svm import MinMaxSVM
from hopfield.repertoire.baselines.public_clones import PublicClones
from hopfield.repertoire.features import Features
from hopfield.repertoire.targets import Target

BASELINES: dict[str, Callable[[int], Baseline]] = {
    KmerRegression.name: KmerRegression,
    MinMaxSVM.name: MinMaxSVM,
    PublicClones.name: PublicClones,
}


def baselines(features: Features, target: Target, seed: int = 0) -> dict[str, Baseline]:
    """Every baseline that can tell the target, by name, unfit; the confounders last.

    Args:
        features: whose confounders are to be looked at, one by one and all together.
        target: what they are to tell.
        seed: of their inner folds.
    """
    models = [make(seed) for make in BASELINES.values()]
    alone = [Confounders(which, seed) for which in (*features.confounders, None)]
    return {model.name: model for model in (*models, *alone) if target.kind in model.kinds}
