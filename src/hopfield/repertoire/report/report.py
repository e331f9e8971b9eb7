"""`RepertoireReport`: what a run found."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.contenders import POOLING
from hopfield.repertoire.dataset import RepertoireDataset
from hopfield.repertoire.explanation import Explanation
from hopfield.repertoire.plan import Plan
from hopfield.repertoire.validation import FIGURE, Validation, interval

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
        chosen: the settings that inner folds chose, for each split and for the final model.
        seeded: k-mers that training began at, for each target; for each split and the final model.
        explanations: what the answers of the final model rest on, for each target; of several
            classes for each of them.
    """

    folder: Path
    cohort: RepertoireDataset
    plan: Plan
    validations: tuple[Validation, ...]
    batches: tuple[Validation | None, ...]
    classifier: RepertoireClassifier
    chosen: dict[str, Mapping[str, Any]]
    seeded: tuple[dict[str, tuple[int, ...]], ...]
    explanations: tuple[Explanation, ...]

    @property
    def settings(self) -> dict[str, Any]:
        """All that the results depend on."""
        return self.plan.settings

    @property
    def redact(self) -> bool:
        """Whether names and sequences are left out of what is written."""
        return bool(self.settings["redact"])

    def __str__(self) -> str:
        lines = []
        for one in self.validations:
            told, width = one.metrics[POOLING].pooled.repertoires, max(map(len, one.metrics))
            lines += [
                f"{one.target.name} of {told} repertoires, each told by models that had not seen "
                f"it: {FIGURE[one.target.kind]} with its interval of 95 %",
                "",
                *(f"{name:<{width}}  {interval(one.headline(name))}" for name in one.metrics),
                "",
                *one.findings(),
                "",
            ]
        return "\n".join([*lines, *self.plan.notes, "", f"report: {self.folder / PAGE}"])
