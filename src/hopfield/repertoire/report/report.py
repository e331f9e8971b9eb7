"""`RepertoireReport`: what a run found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.columns import said
from hopfield.repertoire.contenders import POOLING, Fit
from hopfield.repertoire.dataset import RepertoireDataset
from hopfield.repertoire.explanation import Explanation
from hopfield.repertoire.plan import Plan
from hopfield.repertoire.validation import FIGURE, Validation

PAGE = "report.html"
FINAL = "final model"


@dataclass(frozen=True, eq=False)
class RepertoireReport:
    """What `train` found; printed, it is a table of the models.

    Attributes:
        folder: with `report.html`, `results.json`, `predictions.tsv`, `sequences.tsv`, `data.tsv`
            and `model/`.
        cohort: all repertoires that were read, also those without a label.
        plan: what was to be told, how repertoires were split, and all settings.
        validations: of each target.
        batches: likewise, with each batch left out in turn; None where that cannot be done.
        classifier: the final model, of all repertoires with a label.
        fits: what is kept of each fit of our model: for each split, and the final model.
        explanations: what the answers of the final model rest on, for each target; of several
            classes for each of them.
    """

    folder: Path
    cohort: RepertoireDataset
    plan: Plan
    validations: tuple[Validation, ...]
    batches: tuple[Validation | None, ...]
    classifier: RepertoireClassifier
    fits: dict[str, Fit]
    explanations: tuple[Explanation, ...]

    @property
    def settings(self) -> dict[str, Any]:
        """All that the results depend on."""
        return self.plan.settings

    @property
    def redact(self) -> bool:
        """Whether names and sequences are left out of what is written."""
        return bool(self.settings["redact"])

    @property
    def chosen(self) -> dict[str, Mapping[str, Any]]:
        """The settings that inner folds chose, for each split and the final model."""
        candidates = self.settings["candidates"]
        return {name: candidates[fit.candidate] for name, fit in self.fits.items()}

    def seeded(self, place: int) -> dict[str, Sequence[int]]:
        """The k-mers that training began at for a target, for each split and the final model."""
        return {name: fit.kmers[place] if fit.kmers else () for name, fit in self.fits.items()}

    def batches_left_out(self, over: Validation) -> str:
        """How many batches were left out, of how many."""
        names = said(self.plan.study.data.metadata[self.settings["batch"]])
        return f"{len(over.metrics[POOLING].folds)} of {names.drop_nulls().n_unique()} batches"

    def findings(self) -> list[list[str]]:
        """What the figures mean, in sentences, for each target."""
        pairs = zip(self.validations, self.batches, strict=True)
        return [[*one.findings(), *self._without_batches(one, over)] for one, over in pairs]

    def _without_batches(self, one: Validation, over: Validation | None) -> list[str]:
        if over is None:
            return []
        return [
            f"With {self.batches_left_out(over)} left out, one at a time, the "
            f"{FIGURE[one.target.kind]} of {POOLING} for {one.target.name} is "
            f"{over.said(over.headline(POOLING))}; in the folds "
            f"{one.said(one.headline(POOLING))}."
        ]

    def __str__(self) -> str:
        lines = []
        for one, findings in zip(self.validations, self.findings(), strict=True):
            count, width = one.metrics[POOLING].pooled.repertoires, max(map(len, one.metrics))
            lines += [
                f"{one.target.name} of {count} repertoires, each predicted by models that were "
                f"not trained on it: {FIGURE[one.target.kind]} with its interval of 95 %",
                "",
                *(f"{name:<{width}}  {one.said(one.headline(name))}" for name in one.metrics),
                "",
                *findings,
                "",
            ]
        return "\n".join([*lines, *self.plan.notes, "", f"report: {self.folder / PAGE}"])
