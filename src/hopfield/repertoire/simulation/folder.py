"""`Folder`: a simulated cohort on disk; a simulation that was stopped goes on there."""

import hashlib
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from hopfield.errors import FileError
from hopfield.files.claim import claim
from hopfield.repertoire.files import TRUTH_TABLE
from hopfield.repertoire.reading.table import write_table
from hopfield.repertoire.repertoire import Repertoire
from hopfield.repertoire.simulation.cohort import TRUTH, Cohort, Made, name_of

SETTINGS = "simulation.json"
EMPTY = (  # columns that an AIRR file must have, and may leave empty
    "sequence",
    "rev_comp",
    "d_call",
    "sequence_alignment",
    "germline_alignment",
    "junction",
    "v_cigar",
    "d_cigar",
    "j_cigar",
)


@dataclass(frozen=True)
class Folder:
    """A simulated cohort on disk.

    `simulation.json` holds the settings, `repertoires/` the AIRR files, `truth/` what each of them
    has implanted; `metadata.tsv` and `truth.tsv` come last.
    """

    path: Path
    gz: bool

    def claim(self, cohort: Cohort) -> None:
        """Make the folder, or see that it holds this cohort.

        Raises:
            ArgumentError: it holds something else.
            FileError: its settings are damaged.
        """
        settings = described(cohort) | {"background": described(cohort.source), "gz": self.gz}
        claim(self.path, SETTINGS, settings, "simulation")

    def has(self, i: int) -> bool:
        """Whether the repertoire of number `i` is written."""
        return (self.path / self.filename(i)).exists()

    def keep(self, i: int, made: Made) -> None:
        """Write a repertoire; its truth comes first, so that one that is there has its truth."""
        for name in ("repertoires", "truth"):
            (self.path / name).mkdir(exist_ok=True)
        write_table(made.truth, self._truth(i))
        write_table(airr(made.repertoire), self.path / self.filename(i))

    def finish(self, cohort: Cohort, repertoires: int) -> Path:
        """Write the metadata and the truth of all; the path of the metadata."""
        numbers = range(repertoires)
        write_table(pl.concat(map(self._implanted, numbers)), self.path / TRUTH_TABLE)
        metadata = cohort.metadata(repertoires).insert_column(
            1, pl.Series("filename", [self.filename(i) for i in numbers])
        )
        write_table(metadata, self.path / "metadata.tsv")
        return self.path / "metadata.tsv"

    def filename(self, i: int) -> str:
        """Of the AIRR file, in the folder."""
        return f"repertoires/{name_of(i)}.tsv{'.gz' * self.gz}"

    def _implanted(self, i: int) -> pl.DataFrame:
        """The truth of the repertoire of number `i`, as it is written."""
        path = self._truth(i)
        try:
            return pl.read_csv(path.read_bytes(), separator="\t", schema=TRUTH)
        except pl.exceptions.PolarsError as error:
            raise FileError(
                f"{path} is damaged; remove it and {self.path / self.filename(i)}, and start again"
            ) from error

    def _truth(self, i: int) -> Path:
        return self.path / "truth" / f"{name_of(i)}.tsv"


def airr(repertoire: Repertoire) -> pl.DataFrame:
    """The table of the AIRR rearrangement schema: one row for each receptor, its required columns.

    https://docs.airr-community.org/en/stable/datarep/rearrangements.html
    """
    receptors = repertoire.frame()
    return receptors.select(
        pl.int_range(1, pl.len() + 1).alias("sequence_id"),
        "junction_aa",
        "v_call",
        "j_call",
        "duplicate_count",
        productive=pl.lit("T"),
        locus=pl.lit(repertoire.locus),
        **{name: pl.lit(None) for name in EMPTY},
    )


def described(value: Any) -> Any:
    """Settings as JSON has them; arrays by their digest."""
    if isinstance(value, np.ndarray):
        return hashlib.sha256(f"{value.dtype} {value.shape}".encode() + value.tobytes()).hexdigest()
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: described(getattr(value, field.name)) for field in fields(value)}
        return {"kind": type(value).__name__} | parts
    if isinstance(value, tuple):
        return [described(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value
