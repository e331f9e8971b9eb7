"""`described`: what a column of the metadata holds, in words."""

from collections.abc import Iterable

import numpy as np
import polars as pl

from hopfield.errors import ArgumentError
from hopfield.repertoire.columns import AGE, BATCH, SUBJECT, many, named, said
from hopfield.repertoire.targets import Target

SHOWN = 8  # classes in a line


def described(column: pl.Series) -> str:
    """Subjects, batches, or a label and how many repertoires have it."""
    values = said(column).drop_nulls()
    without = len(column) - len(values)
    return _what(column, values) + (f"; {without} without" if without else "")


def _what(column: pl.Series, values: pl.Series) -> str:
    distinct = values.n_unique()
    if not distinct:
        return "empty"
    if distinct == 1:
        return f"{values[0]!r} only"
    if named([column.name], SUBJECT):
        several = (values.value_counts()["count"] > 1).sum()
        return f"{many(distinct, 'subject')}, {several} of them with several repertoires"
    if named([column.name], BATCH):
        counts = values.value_counts(sort=True).iter_rows()
        return f"{distinct} batches, {_shown(counts)}"
    try:
        kind = "regression" if named([column.name], AGE) else None
        target = Target.of(column.name, column, kind)
    except ArgumentError as error:
        return f"no label ({error})"
    if target.kind == "regression":
        known = target.values[target.labelled]
        return f"a quantity from {known.min():g} to {known.max():g}, median {np.median(known):g}"
    counts = ((name, int((target.values == i).sum())) for i, name in enumerate(target.classes))
    if target.kind == "binary":
        return f"two classes, {_shown(counts)}; {target.classes[1]!r} is the positive one"
    return f"{distinct} classes, {_shown(counts)}"


def _shown(counts: Iterable[tuple[str, int]]) -> str:
    """How often each is there."""
    counts = list(counts)
    more = ", …" if len(counts) > SHOWN else ""
    return ", ".join(f"{name!r} {count}" for name, count in counts[:SHOWN]) + more
