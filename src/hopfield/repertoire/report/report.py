"""`RepertoireReport`: what a run found."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.dataset import RepertoireDataset
from hopfield.repertoire.explanation import Explanation
from hopfield.repertoire.plan import Plan
from hopfield.repertoire.validation import Validation, interval

PAGE = "report.html"
FINAL = "final model"


@dataclass(frozen=True, eq=False)
class RepertoireReport:
    """What `train` found; printed, it is a table of the models.

    Attributes:
        folder: with `report.html`, `results.json`, `predictions.tsv`, `sequences.tsv`, `data.tsv`
            and `model/`.
        cohort: all repertoires that were read, also those without a label.
        plan: what was to be told, and how repertoires were split.
        validations: of each target.
        batches: likewise, with each batch left out in turn; None where that cannot be done.
        classifier: the final model, of all repertoires with a label.
        chosen: the settings that inner folds chose, for each split and for the final model.
        seeded: k-mers that training began at, for each target; for each split and the final model.
        explanations: what the answers of the final model rest on, for each target; of several
            classes for each of them.
        settings: all that the results depend on.
        redact: whether names and sequences are left out of what is written.
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
    settings: dict[str, Any]
    redact: bool

    def __str__(self) -> str:
        lines = []
        for one in self.validations:
            width = max(map(len, one.metrics))
            lines += [f"{name:<{width}}  {interval(one.headline(name))}" for name in one.metrics]
            lines += ["", *one.findings(), ""]
        return "\n".join([*lines, f"report: {self.folder / PAGE}"])
