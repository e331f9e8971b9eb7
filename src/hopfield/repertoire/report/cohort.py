"""The sections of a page on what was given: the cohort, and what was read."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from hopfield.repertoire.account import CHANGED, DROPPED
from hopfield.repertoire.columns import AGE, SEX, named, quantity, said
from hopfield.repertoire.report.report import RepertoireReport
from hopfield.repertoire.screen import Rows
from hopfield.repertoire.targets import Target
from hopfield.report import Section, Table

SHOWN = 50  # rows of a table of problems


def cohort(report: RepertoireReport) -> Section:
    """Labels, subjects, depth, age, sex and batches."""
    study, batch = report.plan.study, report.settings["batch"]
    subjects = np.arange(len(study.data)) if study.groups is None else study.groups
    sizes = np.array([len(one) for one in study.data])
    depths = np.array([int(one.counts.sum()) for one in study.data])
    people = _people(study.data.metadata)
    tables = []
    for target in study.targets:
        rows = [
            [
                name,
                len(members),
                len(np.unique(subjects[members])),
                _spread(sizes[members]),
                _spread(depths[members]),
                *(of_some(members) for of_some in people.values()),
            ]
            for name, members in _members(target).items()
        ]
        tables.append(
            Table(
                [target.name, "repertoires", "subjects", "distinct receptors", "depth", *people],
                rows,
                f"{target.name}: repertoires of each label. Quantities as median (least to most); "
                f"depth is the sum of all counts.",
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


def _people(metadata: pl.DataFrame) -> dict[str, Callable[[Rows], str]]:
    """The age and sex of some repertoires, by the names of their columns, where these are there."""
    found: dict[str, Callable[[Rows], str]] = {}
    if (age := named(metadata.columns, AGE)) is not None:
        years = quantity(metadata[age])
        found[age] = lambda rows: _spread(years[rows].drop_nulls().to_numpy())
    if (sex := named(metadata.columns, SEX)) is not None:
        names = said(metadata[sex]).fill_null("not known")
        found[sex] = lambda rows: ", ".join(
            f"{count} {name}" for name, count in sorted(Counter(names[rows]).items())
        )
    return found


def _members(target: Target) -> dict[str, Rows]:
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
        return "none"
    return f"{np.median(values):,.0f} ({values.min():,.12g} to {values.max():,.12g})"


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
            "Public clones seed no model here: they are sequences, which its weights would show.",
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
