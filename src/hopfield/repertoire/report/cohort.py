"""The sections of a page on what was given: the cohort, and what was read."""

from typing import Any

import numpy as np

from hopfield.repertoire.account import CHANGED, DROPPED
from hopfield.repertoire.columns import said
from hopfield.repertoire.report.report import RepertoireReport
from hopfield.repertoire.targets import Target
from hopfield.report import Section, Table

SHOWN = 50  # rows of a table of problems


def cohort(report: RepertoireReport) -> Section:
    """Labels, subjects, batches and depth."""
    study, batch = report.plan.study, report.settings["batch"]
    subjects = np.arange(len(study.data)) if study.groups is None else study.groups
    sizes = np.array([len(one) for one in study.data])
    depths = np.array([int(one.counts.sum()) for one in study.data])
    tables = []
    for target in study.targets:
        rows = [
            [
                name,
                len(members),
                len(np.unique(subjects[members])),
                _spread(sizes[members]),
                _spread(depths[members]),
            ]
            for name, members in _members(target).items()
        ]
        tables.append(
            Table(
                [target.name, "repertoires", "subjects", "distinct receptors", "depth"],
                rows,
                f"{target.name}: repertoires of each label. Receptors and depth (the sum of all "
                f"counts) as median (least to most).",
            )
        )
        if batch is not None:
            names = said(study.data.metadata[batch]).fill_null("not known")
            batches = names.unique().sort().to_list()
            counts = [
                [name, *(int((names[members.tolist()] == one).sum()) for one in batches)]
                for name, members in _members(target).items()
            ]
            tables.append(
                Table([target.name, *batches], counts, f"{target.name} by {batch}: repertoires.")
            )
    return Section("Cohort", tables=tables)


def _members(target: Target) -> dict[str, Any]:
    """Rows of each class, or of all with a quantity; and of those without a label."""
    if target.kind == "regression":
        values = target.values[target.labelled]
        found = {f"from {values.min():g} to {values.max():g}": np.flatnonzero(target.labelled)}
    else:
        found = {
            name: np.flatnonzero(target.values == place)
            for place, name in enumerate(target.classes)
        }
    unknown = np.flatnonzero(~target.labelled)
    return found | ({"no label": unknown} if len(unknown) else {})


def _spread(values: Any) -> str:
    if not len(values):
        return ""
    return f"{np.median(values):,.0f} ({values.min():,} to {values.max():,})"


def reading(report: RepertoireReport) -> Section:
    """What was read, and what became of it."""
    data, summary = report.cohort, report.cohort.summary()
    kinds = {"dropped": DROPPED, "changed": CHANGED}
    rows: list[list[object]] = [
        [f"{word}: {column.name.removeprefix(kind)}", column.sum(), int((column > 0).sum())]
        for word, kind in kinds.items()
        for column in summary
        if column.name.startswith(kind)
    ]
    read: list[list[object]] = [
        ["rows read", summary["rows"].sum(), summary["rows"].count()],
        ["distinct receptors kept", summary["receptors"].sum(), len(summary)],
    ]
    tables = [Table(["what", "rows", "files"], [*read, *rows], "What became of all rows.")]
    sentences = [
        f"{len(data) + len(data.problems)} repertoires were given, {len(data)} could be used."
    ]
    if report.redact:
        sentences += [
            "This report is redacted: names of repertoires and subjects, receptors, what became of "
            "each file and why some could not be used are left out.",
            "The weights of the model may still show parts of receptors that training began at.",
        ]
    else:
        sentences += [
            "Nothing else was dropped than what is listed. What became of the rows of each file is "
            "in data.tsv.",
            *data.notes,
        ]
        left_out = [[one.id, one.message] for one in data.problems[:SHOWN]]
        caption = f"{len(data.problems)} could not be used; the first {SHOWN} at most are shown."
        if left_out:
            tables.append(Table(["repertoire", "why it is left out"], left_out, caption))
    return Section("Data", sentences, tables)
