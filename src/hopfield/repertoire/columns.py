"""The columns of metadata: what they are called, and what their cells say."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import polars as pl

# In lower case, with _ for all but letters and digits. The first found is taken.
FILE = ("filename", "file_name", "file", "file_path", "filepath", "path", "fname")
ID = ("repertoire_id", "sample_id", "id", "sample_name", "sample", "name")
SUBJECT = (
    *("subject_id", "subject", "donor_id", "donor", "patient_id", "patient"),
    *("participant_id", "participant", "individual_id", "individual"),
)
BATCH = ("batch", "batch_id", "sequencing_run_id", "sequencing_run", "run_id", "run", "plate")
SEX = ("sex", "gender", "biological_sex")
AGE = ("age", "age_years", "age_at_sampling")

MISSING = (
    *("na", "n/a", "#n/a", "nan", "null", "unknown", "missing", "?", "~"),  # none may be a class
    *("not available", "not provided", "not collected"),
)
QUANTITY = r"^([<>≤≥]?=?)\s*(-?\d{1,15}(?:\.\d+)?(?:[eE][-+]?\d{1,2})?)\s*(\+?)$"  # also >89
NUMBER = r"^-?(0|[1-9]\d*)(\.\d+([eE][-+]?\d+)?)?$"  # 007 and 1E5 are names: of runs, of wells


def named(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The column that has the first of the names, such as `SUBJECT`; None if there is none."""
    plain = {re.sub(r"\W+", "_", column.lower()): column for column in reversed(columns)}
    return next((plain[name] for name in names if name in plain), None)


def said(column: pl.Series) -> pl.Series:
    """What the cells say, as text; null where they say nothing (`MISSING`)."""
    text = column.cast(pl.String).str.strip_chars()
    return text.set(text.str.to_lowercase().is_in(["", *MISSING]), None)


def unsaid(column: pl.Series) -> Iterator[str]:
    """A note for each word of a column of text that says nothing."""
    words = column.str.strip_chars().filter(said(column).is_null()).drop_nulls()
    for word, count in Counter(words.filter(words != "")).items():
        where = many(count, "row")
        yield f"column {column.name!r}: {word!r} is taken for an empty cell, in {where}"


def quantity(column: pl.Series) -> pl.Series:
    """The numbers that the cells say, that of `>89` or `89+` too; null where they say none."""
    return said(column).str.extract(QUANTITY, 2).cast(pl.Float64)


def unclear(column: pl.Series) -> Iterator[str]:
    """A note where cells of a column of numbers say something else; no cell is shown."""
    text, numbers = said(column), quantity(column)
    bounds = text.str.replace(QUANTITY, "$1$3").filter(numbers.is_not_null()) != ""
    if bounds.any():
        yield (
            f"Column {column.name!r}: of cells such as '>89' the number is taken, in "
            f"{many(int(bounds.sum()), 'repertoire')}."
        )
    if words := text.count() - numbers.count():
        yield (
            f"Column {column.name!r}: what is no number is taken for missing, in "
            f"{many(words, 'repertoire')}."
        )


def many(number: int, word: str) -> str:
    """A number of things, in words."""
    return f"{number:,} {word}" + "s" * (number != 1)


def typed(column: pl.Series) -> pl.Series:
    """What the cells say: numbers if all of them are, and nothing is lost by that."""
    text = said(column)
    if text.is_null().all() or not text.drop_nulls().str.contains(NUMBER).all():
        return text
    whole = not text.drop_nulls().str.contains(".", literal=True).any()
    numbers = text.cast(pl.Int64 if whole else pl.Float64, strict=False)
    same = text.null_count() == numbers.null_count() and text.n_unique() == numbers.n_unique()
    return numbers if same else text
