"""Twelve real human TRB repertoires, 6 of people with multiple sclerosis, through the whole tool.

They are those that `pip install pyimmunarch` brings (Apache-2.0). Written as AIRR files, they are
read, cross-validated beside all baselines and confounders, and reported. No claim is made: the sick
and the healthy were sequenced in different lanes, and the report says that the lane alone tells
them apart, which is what such a report is for.

It writes a folder with the files and `run/report.html`. For research use only.
"""

import argparse
from pathlib import Path

import polars as pl
import pyimmunarch
from polars.selectors import by_name

from hopfield.repertoire import RepertoireClassifier, train, write_table

DATA = Path(pyimmunarch.__path__[0]) / "_data"
COLUMNS = {
    "CDR3.aa": "junction_aa",
    "V.name": "v_call",
    "J.name": "j_call",
    "Clones": "duplicate_count",
}
ABOUT = {"Sample": "repertoire_id", "Sex": "sex", "Age": "age", "Status": "status", "Lane": "lane"}


def written(folder: Path, rows: int | None) -> Path:
    """The repertoires as AIRR files of up to so many rows; the path of their metadata."""
    receptors = pl.read_parquet(DATA / "immdata.parquet")
    for (sample,), some in receptors.group_by("Sample"):
        table = some.select(by_name(*COLUMNS)).rename(COLUMNS)
        write_table(table.head(rows or len(table)), folder / f"{sample}.tsv")
    about = pl.read_parquet(DATA / "immdata_meta.parquet").select(by_name(*ABOUT)).rename(ABOUT)
    metadata = folder / "metadata.tsv"
    write_table(about.with_columns(filename=pl.col("repertoire_id") + ".tsv"), metadata)
    return metadata


def main() -> None:
    """Write the files, train, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("real_repertoires"), help="folder")
    parser.add_argument("--quick", action="store_true", help="200 rows of each, one epoch")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    metadata = written(options.out, 200 if options.quick else None)
    report = train(
        metadata,
        "status",
        options.out / "run",
        positive="MS",
        batch="lane",
        folds=2 if options.quick else 3,
        inner_folds=0,
        classifier=RepertoireClassifier(epochs=1 if options.quick else 12),
        progress=not options.quick,
    )
    print(report)


if __name__ == "__main__":
    main()
