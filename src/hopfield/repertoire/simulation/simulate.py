"""`simulated`, `simulate`: a cohort of repertoires, some of which carry a signal, and the truth."""

from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import polars as pl
from tqdm import tqdm

from hopfield.repertoire.repertoire import Repertoire
from hopfield.repertoire.simulation.cohort import Cohort, Settings
from hopfield.repertoire.simulation.folder import Folder
from hopfield.repertoire.simulation.receptors import number_of


@dataclass(frozen=True, eq=False)
class Simulation:
    """A simulated cohort.

    Attributes:
        repertoires: in the order of `metadata`.
        metadata: `repertoire_id, diagnosis, subject_id, sex, age, batch`; the diagnosis
            is "positive" or "healthy".
        truth: `repertoire_id, junction_aa, v_call, j_call, motif, position` of the receptors that
            carry the signal; positions count from 1; 0 is a clone, all of it.
    """

    repertoires: list[Repertoire]
    metadata: pl.DataFrame
    truth: pl.DataFrame


def simulated(
    *, repertoires: int = 400, progress: bool = False, **settings: Unpack[Settings]
) -> Simulation:
    """Simulate a cohort in memory.

    Args:
        repertoires: how many.
        progress: show a bar.
        **settings: see `Settings`.

    Raises:
        ArgumentError: a setting makes no sense, or the signal finds no room.
    """
    cohort = Cohort(**settings)
    numbers = range(number_of("repertoires", repertoires))
    made = [cohort.make(i) for i in tqdm(numbers, "simulating", disable=not progress)]
    return Simulation(
        [one.repertoire for one in made],
        cohort.metadata(repertoires),
        pl.concat([one.truth for one in made]),
    )


def simulate(
    out: str | Path,
    *,
    repertoires: int = 400,
    gz: bool = False,
    progress: bool = False,
    **settings: Unpack[Settings],
) -> Path:
    """Simulate a cohort into a folder: `metadata.tsv`, `truth.tsv` and AIRR files.

    It writes what `simulated` makes, holding one repertoire at a time. Files are written whole or
    not at all, so it may be stopped; the same call goes on, and one with more `repertoires` adds to
    those that are there.

    Args:
        out: the folder; new, empty, or of a simulation with the same settings.
        repertoires: how many.
        gz: whether the AIRR files are packed.
        progress: show a bar.
        **settings: see `Settings`.

    Returns:
        The path of the metadata.

    Raises:
        ArgumentError: a setting makes no sense, the signal finds no room, or the folder holds
            something else.
    """
    cohort = Cohort(**settings)
    numbers = range(number_of("repertoires", repertoires))
    folder = Folder(Path(out), gz)
    folder.claim(cohort)
    for i in tqdm(numbers, "simulating", disable=not progress):
        if not folder.has(i):
            folder.keep(i, cohort.make(i))
    return folder.finish(cohort, repertoires)
