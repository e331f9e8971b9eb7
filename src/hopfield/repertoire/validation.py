"""How well models tell a target on the same splits, and what that means in words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hopfield.repertoire.baselines import BASELINES, KmerRegression, ensemble
from hopfield.repertoire.contenders import POOLING, RANDOM, Told
from hopfield.repertoire.intervals import Estimate, Paired
from hopfield.repertoire.metrics import FoldMetrics, judge_folds, paired
from hopfield.repertoire.splits import Numbers, Split, told_in
from hopfield.repertoire.targets import Target

Array = NDArray[np.float64]
ENSEMBLE = "ensemble"
MEMBERS = (POOLING, *BASELINES)  # of the ensemble, where they can tell the target
SEQUENCES = (POOLING, RANDOM, *BASELINES, ENSEMBLE)  # all that see sequences, as they are shown
CHANCE = {"binary": 0.5, "multiclass": 0.5, "regression": 0.0}
GUESSING = {"binary": "chance (0.5)", "multiclass": "chance (0.5)", "regression": "the mean (0)"}
FIGURE = {"binary": "AUC", "multiclass": "mean AUC", "regression": "R²"}


@dataclass(frozen=True, eq=False)
class Validation:
    """How well each model tells a target on the same splits.

    Attributes:
        target: of R repertoires.
        splits: folds, or batches, or the one that was given.
        fold: `(R,)`, the split in which each is told; −1 if in none.
        predictions: `(R, C)`, or `(R,)` of a quantity, by model, our pooling first; NaN where a
            repertoire was not told.
        metrics: by model.
        differences: our pooling minus each other model, on the same repertoires.
        seconds: that a model took in each split.
    """

    target: Target
    splits: tuple[Split, ...]
    fold: Numbers
    predictions: dict[str, Array]
    metrics: dict[str, FoldMetrics]
    differences: dict[str, Paired]
    seconds: dict[str, tuple[float, ...]]

    @classmethod
    def of(
        cls,
        target: Target,
        number: int,
        splits: Sequence[Split],
        told: Told,
    ) -> "Validation":
        """Judge what was told.

        Args:
            target: of all repertoires; some of those that are told have a label.
            number: of the target.
            splits: one at least.
            told: what each model tells in them; see `tell_all`.
        """
        predictions, seconds = {}, {}
        for model in [model for split, model in told if split == splits[0].name]:
            parts = [told[split.name, model] for split in splits]
            if str(number) in parts[0]:
                shape = parts[0][str(number)].shape[1:]
                predictions[model] = np.full((len(target), *shape), np.nan)
                for split, part in zip(splits, parts, strict=True):
                    predictions[model][split.test] = part[str(number)]
                seconds[model] = tuple(float(part["seconds"]) for part in parts)
        fold = told_in(splits, len(target))
        rows = fold >= 0
        together = np.full_like(predictions[POOLING], np.nan)
        members = [predictions[model][rows] for model in MEMBERS if model in predictions]
        together[rows] = ensemble(members)
        predictions[ENSEMBLE] = together
        models = (*(model for model in SEQUENCES if model in predictions), *predictions)
        predictions = {model: predictions[model] for model in models}
        own = target.subset(rows)
        return cls(
            target,
            tuple(splits),
            fold,
            predictions,
            {model: judge_folds(target, found, fold) for model, found in predictions.items()},
            {
                model: paired(own, predictions[POOLING][rows], found[rows])
                for model, found in predictions.items()
                if model != POOLING
            },
            seconds,
        )

    @property
    def confounders(self) -> list[str]:
        """The models that see no sequence."""
        return [model for model in self.metrics if model not in SEQUENCES]

    @property
    def suspects(self) -> list[str]:
        """Confounders that tell the target as well as our pooling, as far as can be told.

        Where our pooling is no better than chance, those that are.
        """
        if self.at_chance:
            return [name for name in self.confounders if self.beats_chance(name)]
        return [name for name in self.confounders if not self.differences[name].difference.low > 0]

    def headline(self, model: str) -> Estimate:
        """The pooled figure by which models are compared."""
        return self.metrics[model].pooled.headline

    @property
    def at_chance(self) -> bool:
        """Whether what our pooling tells cannot be told from guessing."""
        return not self.beats_chance(POOLING)

    def beats_chance(self, model: str) -> bool:
        """Whether what a model tells can be told from guessing."""
        return self.headline(model).low > CHANCE[self.target.kind]

    def said(self, estimate: Estimate) -> str:
        """A headline figure with its interval, as text, and what an R² below 0 means."""
        poor = self.target.kind == "regression" and estimate.value < 0
        return interval(estimate) + (", no better than the mean" if poor else "")

    def findings(self) -> tuple[str, ...]:
        """What the figures mean, in sentences."""
        return self._against_chance(), self._against_kmers(), *self._against_confounders()

    def _against_chance(self) -> str:
        name, kind = self.target.name, self.target.kind
        verdict = "is not shown to predict" if self.at_chance else "predicts"
        return (
            f"{POOLING} {verdict} {name} better than {GUESSING[kind]}: {FIGURE[kind]} "
            f"{interval(self.headline(POOLING))}, all test repertoires together."
        )

    def _against_kmers(self) -> str:
        kmers = KmerRegression.name
        difference = self.differences[kmers].difference
        figures = (
            f"{interval(self.headline(POOLING))} against {interval(self.headline(kmers))}; "
            f"difference {interval(difference)}"
        )
        if difference.low > 0:
            verdict = f"Pooling adds to the {kmers} that seed it"
        elif difference.high < 0:
            advice = " (use that)" if self.beats_chance(kmers) else ""
            verdict = f"Pooling is worse than regression on the {kmers} that seed it{advice}"
        else:
            verdict = f"Pooling adds nothing that can be shown here to the {kmers} that seed it"
        return f"{verdict}, for {self.target.name}: {FIGURE[self.target.kind]} {figures}."

    def _against_confounders(self) -> list[str]:
        guessing = GUESSING[self.target.kind]
        if not self.suspects and self.at_chance:
            return [f"No confounder is better than {guessing} either."]
        if not self.suspects:
            return [f"No confounder alone predicts {self.target.name} as well as the model."]
        shown = "; ".join(f"{name} {interval(self.headline(name))}" for name in self.suspects)
        if self.at_chance:
            return [
                f"WARNING: confounders predict {self.target.name} better than {guessing}: "
                f"{shown}. What a model finds in these repertoires may be that and not the immune "
                f"response."
            ]
        return [
            f"WARNING: confounders predict {self.target.name} as well as the model, as far as "
            f"these repertoires can show: {shown}; {POOLING} {interval(self.headline(POOLING))}. "
            f"What the model has found may be these and not the immune response."
        ]


def interval(estimate: Estimate) -> str:
    """A figure with its interval, as text."""
    if np.isnan(estimate.value):
        return f"none ({estimate.note})" if estimate.note else "none"
    if np.isnan(estimate.low):
        return f"{estimate.value:z.3f} (no interval: {estimate.note})"
    return f"{estimate.value:z.3f} ({estimate.low:z.3f} to {estimate.high:z.3f})"
