"""The account of repertoires: what was read, dropped and changed, as a table."""

from collections.abc import Iterable

import polars as pl

from hopfield.repertoire.gather import Problem
from hopfield.repertoire.reading import Reading
from hopfield.repertoire.repertoire import Repertoire

Row = dict[str, str | int | None]
DROPPED, CHANGED = "dropped: ", "changed: "  # how the columns of reasons begin


def account(name: str, outcome: Reading | Problem | None, repertoires: Iterable[Repertoire]) -> Row:
    """What became of one repertoire: the row of `table`."""
    repertoires = list(repertoires)
    row: Row = {"repertoire_id": name, "filename": None, "format": None, "rows": None}
    row["receptors"] = sum(map(len, repertoires))
    row["count"] = sum(int(repertoire.counts.sum()) for repertoire in repertoires)
    if outcome is not None and outcome.path is not None:
        row["filename"] = outcome.path.name
    if isinstance(outcome, Reading):
        row |= {"format": outcome.format, "rows": outcome.rows}
        row |= {DROPPED + reason: rows for reason, rows in outcome.dropped.items()}
        row |= {CHANGED + what: rows for what, rows in outcome.changed.items()}
    if isinstance(outcome, Problem):
        row["problem"] = outcome.message
    return row


def table(rows: list[Row]) -> pl.DataFrame:
    """The accounts of repertoires, one row each.

    Returns:
        `repertoire_id`, `filename`, `format`, `rows` of the file, distinct `receptors` that are
        kept, the sum of their `count`, how many rows were dropped and changed for each reason
        (`dropped: …`, `changed: …`), and `problem` where a repertoire is left out.
    """
    text = ("repertoire_id", "filename", "format", "problem")
    found = dict.fromkeys(name for row in rows for name in row)
    order = sorted(
        found,
        key=lambda name: (name == "problem", name.startswith(CHANGED), name.startswith(DROPPED)),
    )
    schema = {name: pl.String if name in text else pl.Int64 for name in order}
    read = pl.col("rows").is_not_null()
    frame = pl.DataFrame(rows, schema)
    reasons = [name for name in schema if name.startswith((DROPPED, CHANGED))]
    return frame.with_columns(pl.when(read).then(pl.col(reasons).fill_null(0)))
