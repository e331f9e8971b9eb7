"""`write_table`: tables that a spreadsheet opens without taking text for formulas."""

import gzip
from pathlib import Path

import polars as pl

from hopfield.repertoire.reading.whole import written_whole

FORMULA = r"^[=+\-@\t\r]"  # how a cell begins that a spreadsheet may compute


def write_table(frame: pl.DataFrame, path: str | Path) -> None:
    """Write tab-separated text, by gzip if the name ends in .gz, whole or not at all.

    A `'` is put before text that begins with `=`, `+`, `-`, `@`, a tab or CR, names of columns
    included; negative numbers stay as they are.

    Args:
        frame: columns of text, numbers or booleans.
        path: of the file, in a folder that is there.
    """
    path = Path(path)
    safe = frame.with_columns(
        pl.col(pl.String, pl.Categorical, pl.Enum).cast(pl.String).str.replace(FORMULA, "'$0")
    )
    safe.columns = pl.Series(frame.columns, dtype=pl.String).str.replace(FORMULA, "'$0").to_list()
    text = safe.write_csv(separator="\t").encode()
    with written_whole(path) as part:  # the same table is the same bytes, whenever it is written
        part.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)
