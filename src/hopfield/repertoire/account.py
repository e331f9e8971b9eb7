"""The account of repertoires: what was read, dropped and changed, as a table."""

from collections.abc import Iterable

import polars as pl

from hopfield.repertoire.gather import Outcome, Problem
from hopfield.repertoire.repertoire import Repertoire

Row = dict[str, str | int | None]
DROPPED, CHANGED = "dropped: ", "changed: "  # how the columns of reasons begin

TEXT = ("repertoire_id", "filename", "format")
NUMBERS = ("rows", "receptors", "count")


def account(name: str, outcome: Outcome) -> Row:
    """What became of one repertoire: a row of `table`."""
    path = outcome.path
    row: Row = {"repertoire_id": name, "filename": None if path is None else path.name}
    if isinstance(outcome, Problem):
        return row | {"problem": outcome.message}
    return (
        row
        | {"format": outcome.format, "rows": outcome.rows}
        | amount(outcome.repertoires.values())
        | {DROPPED + reason: rows for reason, rows in outcome.dropped.items()}
        | {CHANGED + what: rows for what, rows in outcome.changed.items()}
    )


def amount(repertoires: Iterable[Repertoire]) -> Row:
    """How many receptors there are, and how often they were seen."""
    repertoires = list(repertoires)
    return {
        "receptors": sum(map(len, repertoires)),
        "count": sum(int(repertoire.counts.sum()) for repertoire in repertoires),
    }


def table(rows: list[Row]) -> pl.DataFrame:
    """The accounts of repertoires, one row each.

    Returns:
        `repertoire_id`, `filename`, `format`, `rows` of the file, distinct `receptors` that are
        kept, the sum of their `count`, how many rows were dropped and changed for each reason
        (`dropped: …`, `changed: …`), and `problem` where a repertoire is left out.
    """
    found = dict.fromkeys(name for row in rows for name in row)
    kinds = {kind: [name for name in found if name.startswith(kind)] for kind in (DROPPED, CHANGED)}
    reasons = [*kinds[DROPPED], *kinds[CHANGED]]
    names = [*TEXT, *NUMBERS, *reasons, *(("problem",) if "problem" in found else ())]
    schema = {name: pl.String if name in (*TEXT, "problem") else pl.Int64 for name in names}
    read = pl.col("rows").is_not_null()
    return pl.DataFrame(rows, schema).with_columns(
        pl.when(read).then(pl.col(name).fill_null(0)) for name in reasons
    )
