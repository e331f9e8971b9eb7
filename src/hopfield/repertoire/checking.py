"""`check`: what would be read of a cohort, what dropped and changed, and why."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import polars as pl

from hopfield import _check
from hopfield._text import printable
from hopfield.errors import ArgumentError
from hopfield.repertoire.account import CHANGED, DROPPED, account, table
from hopfield.repertoire.columns import many
from hopfield.repertoire.described import described
from hopfield.repertoire.gather import GatherOptions, Problem, copies, counted, gather
from hopfield.repertoire.locus import at_locus, loci, only_locus
from hopfield.repertoire.metadata import listed, metadata_as_it_is
from hopfield.repertoire.reading import Reading
from hopfield.repertoire.repertoire import LOCI
from hopfield.repertoire.targets import target_in

MANY = 20  # files, of more than which only those are listed of which there is something to say


@dataclass(frozen=True, eq=False)
class Check:
    """What would be read of a cohort; printed, it is a report.

    Attributes:
        path: of the metadata, folder or file.
        files: of the repertoires; None where no file is named.
        table: what became of each repertoire; see `table`.
        loci: how many receptors there are of each.
        usable: how many repertoires can be used.
        columns: what the columns of the metadata hold: labels, subjects, batches.
        notes: what else is to be known.
        problems: what stands in the way; none if the whole cohort can be used as it is.
    """

    path: Path
    files: tuple[Path | None, ...]
    table: pl.DataFrame
    loci: dict[str, int]
    usable: int
    columns: dict[str, str]
    notes: tuple[str, ...]
    problems: tuple[str, ...]

    def __str__(self) -> str:
        total = f"{self.path}: {self.usable} of {len(self.table)} repertoires can be used"
        if self.problems:
            total += f", {many(len(self.problems), 'problem')}"
        sections = {
            "Problems": self.problems,
            "Files": _files(self.table),
            "Dropped": _reasons(self.table, DROPPED),
            "Changed": _reasons(self.table, CHANGED),
            "Receptors": [counted(self.loci)] if self.loci else [],
            "Metadata": [f"{printable(name)}: {what}" for name, what in self.columns.items()],
            "Notes": self.notes,
        }
        told = [
            "\n".join([title, *(f"  {printable(line)}" for line in lines)])
            for title, lines in sections.items()
            if lines
        ]
        return "\n\n".join([printable(total), *told])


def check(
    path: str | Path,
    *,
    labels: Sequence[str] = (),
    locus: str | None = None,
    id_column: str | None = None,
    file_column: str | None = None,
    outside: bool = False,
    **how: Unpack[GatherOptions],
) -> Check:
    """Read a cohort and tell what became of every row, without raising for what is in the files.

    Nor for ids that are missing or not unique, and files outside the folder: they are problems.

    Args:
        path: of the metadata, a folder, or one file of receptors.
        labels: columns that are to be labels.
        locus: one of `LOCI`; may be left out where the cohort has one only.
        id_column: see `read_metadata`.
        file_column: likewise.
        outside: likewise.
        **how: see `GatherOptions`.

    Raises:
        ArgumentError: a label is no column, or the metadata is wrong; see `read_metadata`.
        OSError: there is no such file, or it cannot be opened.
    """
    if locus is not None:
        _check.choice("locus", locus, LOCI)
    known = metadata_as_it_is(path, id_column, file_column, outside)
    columns = known.frame.columns[2:]
    if unknown := [label for label in labels if label not in columns]:
        raise ArgumentError(
            f"{path} has no column {unknown[0]!r} to be a label, but {listed(columns) or 'none'}"
        )
    names = known.frame["repertoire_id"]
    found = gather(known, **how)
    present = loci(found)
    problems: list[str] = []
    if present and locus is None:
        try:
            locus = only_locus(present)
        except ArgumentError as error:
            problems.append(str(error))
    if locus is not None:
        found = [at_locus(name, one, locus) for name, one in zip(names, found, strict=True)]
    used = [isinstance(one, Reading) for one in found]
    frame = known.frame.filter(used)
    problems += [str(one) for one in found if isinstance(one, Problem)]
    problems += copies(names, found)
    problems += [message for label in labels if (message := _no_label(frame, label))]
    of_files = Counter(note for one in found if isinstance(one, Reading) for note in one.notes)
    return Check(
        path=Path(path),
        files=known.files,
        table=table([account(name, one) for name, one in zip(names, found, strict=True)]),
        loci=present,
        usable=sum(used),
        columns={column.name: described(column) for column in frame[:, 2:]},
        notes=(*known.notes, *(f"{note} (in {many(n, 'file')})" for note, n in of_files.items())),
        problems=tuple(problems),
    )


def _no_label(frame: pl.DataFrame, column: str) -> str | None:
    """Why a column is no label."""
    try:
        target_in(frame, column)
    except ArgumentError as error:
        return str(error)
    return None


def _files(frame: pl.DataFrame) -> list[str]:
    """A line for each repertoire, of many only where something dropped or is wrong, and the sum."""
    reasons = [name for name in frame.columns if name.startswith(DROPPED)]
    numbers = frame.select(
        "rows",
        pl.when(pl.col("rows").is_not_null())
        .then(pl.sum_horizontal(pl.lit(0), *reasons))
        .alias("dropped"),
        "receptors",
        "count",
    )
    every = pl.concat(
        [frame.select("repertoire_id", "filename", "format"), numbers], how="horizontal"
    )
    fine = (numbers["dropped"] == 0).fill_null(False)
    shown = every.filter(~fine) if len(frame) > MANY else every
    total = pl.concat([pl.DataFrame({"repertoire_id": ["total"]}), numbers.sum()], how="horizontal")
    columns = [_aligned(column) for column in pl.concat([shown, total], how="diagonal")]
    lines = ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]
    if others := len(every) - len(shown):
        lines.append(f"{many(others, 'other')}: nothing dropped, no problem")
    return lines


def _aligned(column: pl.Series) -> list[str]:
    """Cells of one width, under their name."""
    numeric = column.dtype.is_numeric()
    texts = ["" if cell is None else f"{cell:,}" if numeric else printable(cell) for cell in column]
    width = max(map(len, [column.name, *texts]))
    return [cell.rjust(width) if numeric else cell.ljust(width) for cell in [column.name, *texts]]


def _reasons(frame: pl.DataFrame, kind: str) -> list[str]:
    """Of each reason how many rows, and in how many files."""
    return [
        f"{column.name.removeprefix(kind)}: {many(int(column.sum()), 'row')} in "
        f"{many(int((column > 0).sum()), 'file')}"
        for column in frame
        if column.name.startswith(kind)
    ]
