"""A table on disk that grows while something runs, and goes on with it."""

import csv
import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

from hopfield.errors import FileError
from hopfield.files.whole import written_whole


class GrowingTable:
    """A CSV file with a column `step`, to which rows are added.

    Rows are on disk when `add` returns, so that a run that is stopped keeps what it had.

    Args:
        path: of the file, in a folder that is there.
        columns: their names.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path, self.columns = path, tuple(columns)

    def go_on_from(self, step: int) -> None:
        """Make the file, or forget the rows of that step and of later ones, which will come again.

        Raises:
            FileError: the file is no such table.
        """
        rows = read_rows(self.path, self.columns) if self.path.exists() else []
        with written_whole(self.path) as part, part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(row for row in rows if int(row["step"]) < step)

    def add(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Write rows at the end."""
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns).writerows(rows)


def read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of such a table, packed by gzip or not, without a last one that was cut short.

    Raises:
        FileError: the file cannot be read, or is another table.
    """
    unpacked = gzip.open if path.suffix == ".gz" else open
    try:
        with unpacked(path, "rt", newline="", encoding="utf-8") as file:
            lines = file.read().splitlines(keepends=True)
    except (EOFError, OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path} cannot be read ({error}); a CSV file is expected") from error
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
    reader = csv.DictReader(lines)
    found = tuple(reader.fieldnames or ())
    if found != tuple(columns):
        raise FileError(
            f"{path} has the columns {', '.join(found) or '(none)'}; {', '.join(columns)} are "
            f"expected; name another file, or remove this one"
        )
    rows = list(reader)
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values() or not row["step"].isdecimal():
            raise FileError(
                f"{path}, line {number}, is damaged: {len(columns)} columns and a step are expected"
            )
    return rows
