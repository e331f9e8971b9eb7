"""`write_table`: tables that a spreadsheet opens without taking text for formulas."""

import gzip
from pathlib import Path
from typing import Any

import polars as pl

from hopfield._text import printable
from hopfield.files.whole import written_whole

FORMULA = r"^[=+\-@]"  # how a cell begins that a spreadsheet may compute
CONTROL = {one: printable(one) for one in map(chr, (*range(32), *range(127, 160)))}


def write_table(frame: pl.DataFrame, path: str | Path) -> None:
    r"""Write tab-separated text, by gzip if the name ends in .gz, whole or not at all.

    A `'` is put before text that begins with `=`, `+`, `-` or `@`, and control characters are
    written as escapes (`\t`), in names of columns too; negative numbers stay as they are.

    Args:
        frame: columns of text, numbers or booleans.
        path: of the file, in a folder that is there.
    """
    path = Path(path)
    safe = frame.with_columns(_safe(pl.col(pl.String, pl.Categorical, pl.Enum).cast(pl.String)))
    safe.columns = _safe(pl.Series(frame.columns, dtype=pl.String)).to_list()
    text = safe.write_csv(separator="\t").encode()
    with written_whole(path) as part:  # the same table is the same bytes, whenever it is written
        part.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


def _safe(texts: Any) -> Any:
    """Texts, as a series or an expression, that neither a spreadsheet nor a terminal obeys."""
    return texts.str.replace_many(CONTROL).str.replace(FORMULA, "'$0")
