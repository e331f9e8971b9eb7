"""`gather`: the files of a cohort, read side by side; one that is bad does not stop the others."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypedDict, Unpack

from tqdm import tqdm

from hopfield import _check
from hopfield.errors import FileError
from hopfield.repertoire.files import stem, visible
from hopfield.repertoire.metadata import Metadata, listed
from hopfield.repertoire.reading import Reading, read

WORKERS = 8  # at most: each holds the text of a file
COPIES = "have the same content"


@dataclass(frozen=True)
class Problem:
    """Why a repertoire is left out.

    Attributes:
        id: of the repertoire.
        path: of its file; None if none was named.
        message: what is wrong with it.
    """

    id: str
    path: Path | None
    message: str

    def __str__(self) -> str:
        file = "" if self.path is None else f" ({str(self.path)!r})"
        return f"{self.id!r}{file}: {self.message}"


Outcome = Reading | Problem


class ReadOptions(TypedDict, total=False):
    """How a file is read.

    Attributes:
        format: one of `FORMATS`; by default that of each file is detected.
        cache: a folder that keeps what was read by the content of the files; what is in it stays
            on disk until it is used.
        longest: the most residues of a junction, 60 by default.
    """

    format: str | None
    cache: str | Path | None
    longest: int


class GatherOptions(ReadOptions, total=False):
    """How files are read.

    Attributes:
        progress: show a bar.
        workers: how many files are read at a time; by default one for each core, up to 8.
    """

    progress: bool
    workers: int | None


def gather(
    metadata: Metadata,
    *,
    progress: bool = False,
    workers: int | None = None,
    **how: Unpack[ReadOptions],
) -> list[Outcome]:
    """What was read of each repertoire, or why it was not.

    Args:
        metadata: which files; of a row with a fault it is not read.
        progress: see `GatherOptions`.
        workers: likewise.
        **how: likewise.

    Raises:
        OSError: the cache cannot be written.
    """
    if workers is None:
        workers = min(os.cpu_count() or 1, WORKERS)
    pool = ThreadPoolExecutor(_check.positive_int("workers", workers))
    try:
        names, files = metadata.frame["repertoire_id"], metadata.files
        shared = Counter(files)
        faults = [
            metadata.fault(row) or _shared(file, shared[file]) for row, file in enumerate(files)
        ]
        found = pool.map(partial(_read, **how), names, files, faults)
        return list(tqdm(found, "files", len(files), disable=not progress))
    finally:
        pool.shutdown(cancel_futures=True)


def _read(name: str, path: Path | None, fault: str | None, **how: Unpack[ReadOptions]) -> Outcome:
    if fault is not None:
        return Problem(name, path, fault)
    if path is None:
        return Problem(name, path, "no file is named for it, or called like it")
    try:
        if not path.is_file():
            return Problem(name, path, "it is no file" if path.exists() else _no_file(path))
        reading = read(path, **how)
    except FileError as error:
        return Problem(name, path, str(error).removeprefix(f"{path}: "))
    except OSError as error:
        if error.filename is not None and Path(error.filename) != path:
            raise  # the cache
        return Problem(name, path, error.strerror or str(error))
    return usable(name, reading)


def _shared(file: Path | None, rows: int) -> str | None:
    """What is wrong with a file that several rows name."""
    if file is None or rows == 1:
        return None
    return f"{rows} repertoires name its file: split it into a file for each"


def usable(name: str, reading: Reading) -> Outcome:
    """What was read, or a problem if it has no receptors."""
    if reading.repertoires:
        return reading
    if reading.rows:
        return Problem(
            name, reading.path, f"all of its rows are dropped: {counted(reading.dropped)}"
        )
    return Problem(
        name,
        reading.path,
        "it has a header, but no rows below it; a row for each receptor is expected: export it "
        "again, or leave it out",
    )


def copies(names: Iterable[str], outcomes: Iterable[Outcome]) -> list[str]:
    """What is to be said of repertoires whose files have the same content."""
    same: dict[str, list[str]] = {}
    for name, outcome in zip(names, outcomes, strict=True):
        if isinstance(outcome, Reading):
            same.setdefault(outcome.digest, []).append(name)
    return [
        f"{listed(own)} {COPIES}; if a model learns from one and is tested on "
        f"another, it looks too good"
        for own in same.values()
        if len(own) > 1
    ]


def counted(numbers: Mapping[str, int]) -> str:
    """Numbers as a message tells them."""
    return ", ".join(f"{name} {number:,}" for name, number in numbers.items())


def _no_file(path: Path) -> str:
    """That there is none, and which one is called alike, packed or not, in lower case or not."""
    there = [file.name for file in visible(path.parent)] if path.parent.is_dir() else []
    alike = [name for name in there if stem(name).lower() == stem(path.name).lower()]
    return "there is no such file" + (f", but {listed(alike)}" if alike else "")
