"""The CMV task of Emerson et al. 2017 (Nature Genetics 49:659), on the files of who has them."""

import gzip
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from hopfield.errors import ArgumentError
from hopfield.repertoire.dataset import RepertoireDataset
from hopfield.repertoire.files import PACKED
from hopfield.repertoire.report import RepertoireReport
from hopfield.repertoire.run import train

PUBLISHED = (
    "Not run by us, who do not have these files. Published AUCs: DeepRC .83, on other splits "
    "(Widrich et al. 2020); the public-clone test about .93 on cohort 2 (Emerson et al. 2017)."
)
STATUS, SPLIT = "cmv", "emerson_split"
COHORTS = {"HIP": "train", "Keck": "test"}  # 1 and 2, by how the names of samples begin
TAGS = {  # what the tags of a sample say; what a model inferred ("Inferred CMV +") is no status
    STATUS: r"cytomegalovirus\s*([+-])",
    "age": r"\b(\d+) years\b",
    "sex": r"\b(female|male)\b",
}
WORDS = {"+": "positive", "-": "negative"}
LONGEST_LINE = 2**20


def reproduce_cmv(
    data: str | Path, out: str | Path, *, cache: str | Path | None = None, **how: Any
) -> RepertoireReport:
    """Learn the CMV status from cohort 1 (samples HIP…), and tell that of cohort 2 (Keck…).

    Args:
        data: the folder of the files, immunoSEQ version 2, plain or gz, as Adaptive Biotechnologies
            hands them out; or the path of metadata with a column `cmv`. Without one the status is
            taken from the tags of the samples, columns of the files: "Cytomegalovirus +".
        out: the folder to write to.
        cache: a folder that keeps what was read.
        **how: as for `train`.

    Raises:
        ArgumentError: a cohort has no sample with a status, or as for `train`.
        FileError: no repertoire can be read.
    """
    progress = bool(how.get("progress", False))
    dataset = RepertoireDataset.from_metadata(data, locus="TRB", cache=cache, progress=progress)
    if STATUS not in dataset.metadata.columns:
        tags = [_tags(reading.path) for reading in dataset.readings if reading is not None]
        found = {name: [_said(pattern, own) for own in tags] for name, pattern in TAGS.items()}
        columns = {name: pl.Series(name, column, pl.String) for name, column in found.items()}
        dataset = replace(dataset, metadata=dataset.metadata.with_columns(**columns))
    cohorts = [
        next((split for start, split in COHORTS.items() if name.startswith(start)), None)
        for name in dataset.ids
    ]
    split = pl.Series(SPLIT, cohorts, pl.String)
    known = dataset.metadata[STATUS].is_not_null()
    for start, name in COHORTS.items():
        if not (known & (split == name).fill_null(False)).any():
            raise ArgumentError(
                f"{data} has no sample {start}… with a CMV status, in a column {STATUS!r} of its "
                f"metadata or in the tags of its files ('Cytomegalovirus +')"
            )
    dataset = replace(
        dataset,
        metadata=dataset.metadata.with_columns(split),
        notes=(*dataset.notes, PUBLISHED),
    )
    return train(dataset.subset(split.is_not_null().to_numpy()), STATUS, out, split=SPLIT, **how)


def _tags(path: Path) -> str:
    """What the first row of a file says in columns of tags."""
    opened = gzip.open if path.name.lower().endswith(PACKED) else open
    with opened(path, "rt", encoding="utf-8-sig", errors="replace") as file:
        header, row = (file.readline(LONGEST_LINE).rstrip("\r\n").split("\t") for _ in range(2))
    return ",".join(cell for name, cell in zip(header, row, strict=False) if "tags" in name)


def _said(pattern: str, tags: str) -> str | None:
    """The one thing that tags say of a pattern."""
    said = re.findall(pattern, tags, re.IGNORECASE)
    found = {WORDS.get(one, one.lower()) for one in said}
    return found.pop() if len(found) == 1 else None
