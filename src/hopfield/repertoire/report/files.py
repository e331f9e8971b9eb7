"""The files of a run: the page, predictions, what was read, and all figures as JSON."""

import json
import math
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from hopfield.files.whole import written_whole
from hopfield.repertoire import kmers
from hopfield.repertoire.reading import write_table
from hopfield.repertoire.report import explanation
from hopfield.repertoire.report.page import page
from hopfield.repertoire.report.report import PAGE, RepertoireReport
from hopfield.repertoire.validation import Validation
from hopfield.report import Section


def write(report: RepertoireReport) -> None:
    """Write `predictions.tsv`, `results.json` and `report.html`.

    And, where nothing is redacted, `data.tsv` and `sequences.tsv`.
    """
    folder = report.folder
    write_table(predictions(report), folder / "predictions.tsv")
    if not report.redact:
        write_table(report.cohort.summary(), folder / "data.tsv")
        write_table(sequences(report), folder / "sequences.tsv")
    with written_whole(folder / "results.json") as part:
        text = json.dumps(results(report), indent=1, ensure_ascii=False, allow_nan=False)
        part.write_text(text + "\n", "utf-8")
    page(report, explained(report)).save(folder / PAGE)


def sequences(report: RepertoireReport) -> pl.DataFrame:
    """The receptors that the final model goes by, ranked, for each target and class."""
    return pl.concat(
        found.sequences.with_columns(
            target=pl.lit(found.target, pl.String), output=pl.lit(found.output, pl.String)
        )
        for found in report.explanations
    )


def explained(report: RepertoireReport) -> list[Section]:
    """What the answers of the final model rest on, as sections."""
    return [
        replace(section, title=f"{', '.join(names)}: {section.title}")
        for found in report.explanations
        for names in [dict.fromkeys([found.target, found.output])]
        for section in explanation.sections(found.redacted() if report.redact else found)
    ]


def predictions(report: RepertoireReport) -> pl.DataFrame:
    """What each model predicts of repertoires that it was not trained on.

    Returns:
        A row for each test repertoire: `repertoire_id` (its number if redacted), `split`,
        then of each target its label, and for each model the probability of the positive class, of
        each of several classes, or the quantity.
    """
    data = report.plan.study.data
    numbers = pl.Series("repertoire_id", range(1, len(data) + 1))
    names = numbers if report.redact else data.metadata["repertoire_id"]
    fold = report.validations[0].fold
    splits = [one.name for one in report.plan.splits]
    columns = [names, pl.Series("split", [splits[i] if i >= 0 else None for i in fold])]
    for one in report.validations:
        target = one.target
        if target.kind == "regression":
            columns.append(pl.Series(target.name, target.values, nan_to_null=True))
        else:
            label = [None if np.isnan(v) else target.classes[int(v)] for v in target.values]
            columns.append(pl.Series(target.name, label, pl.String))
        for model, told in one.predictions.items():
            columns += _columns(f"{target.name}: {model}", target.classes, told)
    return pl.DataFrame(columns).filter(fold >= 0)


def results(report: RepertoireReport) -> dict[str, Any]:
    """All figures, as JSON has them."""
    return {
        "what": "hopfield repertoire report; for research use only",
        "settings": report.settings,
        "notes": report.plan.notes,
        "targets": [
            {
                "name": one.target.name,
                "findings": findings,
                "splits": _figures(one),
                "batches": None if over is None else _figures(over),
                "seeded": {
                    name: [kmers.name(feature) for feature in features]
                    for name, features in report.seeded(place).items()
                },
            }
            for place, (one, over, findings) in enumerate(
                zip(report.validations, report.batches, report.findings(), strict=True)
            )
        ],
        "fits": {
            name: {
                "settings": report.chosen[name],
                "epoch": fit.epoch,
                "validation loss": plain(fit.loss),
            }
            for name, fit in report.fits.items()
        },
    }


def _figures(one: Validation) -> dict[str, Any]:
    """The figures of each model."""
    return {
        model: {
            "metrics": plain(found),
            "ours minus it": plain(one.differences.get(model)),
            "seconds": plain(one.seconds.get(model)),
        }
        for model, found in one.metrics.items()
    }


def plain(value: Any) -> Any:
    """Dataclasses and arrays as JSON has them; null where a figure is missing."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value if not isinstance(value, float) or math.isfinite(value) else None


def _columns(name: str, classes: tuple[str, ...], told: Any) -> list[pl.Series]:
    if told.ndim == 1:
        return [pl.Series(name, told)]
    if len(classes) == 2:
        return [pl.Series(name, told[:, 1])]
    return [pl.Series(f"{name}: {one}", told[:, i]) for i, one in enumerate(classes)]
