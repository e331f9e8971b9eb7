"""The public-clone test of Emerson et al. 2017 (Nature Genetics 49:659)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, expit, log_expit, softmax

from hopfield.repertoire.baselines.baseline import Array, Baseline, Fitted, Groups, Rows
from hopfield.repertoire.baselines.linear import of_all_classes
from hopfield.repertoire.clones import fisher
from hopfield.repertoire.features import Features
from hopfield.repertoire.targets import Target

Counts = NDArray[np.int64]
SHARPEST = 1e8  # α + β, from where a beta-binomial is a binomial


class PublicClones(Baseline):
    """Clones that positives share, by Fisher's exact test; then how many of them one has.

    A clone is associated with a class if Fisher's one-sided test of its presence, in the class
    against the rest, has a p value up to a threshold: the grid. The number of associated clones
    among all clones of a repertoire is beta-binomial in the class and in the rest; the ratio of
    these two likelihoods, times that of the sizes, gives the odds. One class against the rest is
    all that is asked of two classes; of several each is, and the probabilities are scaled to sum to
    1.
    """

    name = "public clones"
    kinds = ("binary", "multiclass")
    grid = (1e-5, 1e-4, 1e-3, 1e-2, 5e-2)

    def _fit(
        self,
        features: Features,
        rows: Rows,
        target: Target,
        groups: Groups,
        grid: Sequence[float],
    ) -> Fitted:
        values = target.values[rows]
        classes = np.ones(1) if target.kind == "binary" else np.unique(values)
        models = [_against_rest(features, rows, values == c, grid) for c in classes]

        def predict(features: Features, rows: Rows) -> list[Array]:
            odds = np.stack([model(features, rows) for model in models], 2)
            if target.kind == "binary":
                return list(expit(np.concatenate([-odds, odds], 2)))
            shares = softmax(log_expit(odds), axis=2)
            return [of_all_classes(own, classes, target) for own in shares]

        return predict


@dataclass(frozen=True)
class BetaBinomial:
    """How many of n clones are associated, where the chance differs between repertoires."""

    alpha: float
    beta: float

    def log_likelihood(self, found: Counts, among: Counts) -> Array:
        """Of `found` clones among so many, `(n,)` each, less the logarithm of the binomial."""
        others = among - found
        return betaln(found + self.alpha, others + self.beta) - betaln(self.alpha, self.beta)

    @classmethod
    def fit(cls, found: Counts, among: Counts) -> "BetaBinomial":
        """By maximum likelihood.

        The mean is at least that of half a clone in all repertoires, so that what was never seen is
        not impossible.
        """
        total = max(int(among.sum()), 1)

        def of(logarithms: Array) -> "BetaBinomial":
            mean, sharpness = np.exp(logarithms)
            return cls(mean * sharpness, (1 - mean) * sharpness)

        start = np.log([(found.sum() + 0.5) / (total + 1), 1e4])
        best = minimize(
            lambda logarithms: -of(logarithms).log_likelihood(found, among).sum(),
            start,
            method="Nelder-Mead",
            bounds=[np.log([0.5 / (total + 1), 0.5]), np.log([1, SHARPEST])],
            options={"xatol": 1e-3, "fatol": 1e-4, "maxiter": 1000},
        )
        return of(best.x)


def _against_rest(
    features: Features, rows: Rows, positive: NDArray[np.bool_], grid: Sequence[float]
) -> Callable[[Features, Rows], Array]:
    """Log odds of a class against the rest for each threshold, `(T, m)`."""
    p = fisher(features.clones.presence, rows[positive], rows[~positive])
    associated = np.stack([p <= threshold for threshold in grid], 1).astype(np.int32)
    prior = np.log(positive.sum() / (~positive).sum())

    def counts(features: Features, rows: Rows) -> tuple[Counts, Counts]:
        return (features.clones.presence[rows] @ associated).T, features.receptors[rows]

    found, among = counts(features, rows)
    fits = [
        [BetaBinomial.fit(own[side], among[side]) for side in (positive, ~positive)]
        for own in found
    ]

    def odds(features: Features, rows: Rows) -> Array:
        found, among = counts(features, rows)
        return prior + np.stack(
            [
                inside.log_likelihood(own, among) - outside.log_likelihood(own, among)
                for own, (inside, outside) in zip(found, fits, strict=True)
            ]
        )

    return odds
