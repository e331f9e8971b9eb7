"""`RepertoireDataset`: the repertoires of a cohort at one locus, and what is known of them."""

import hashlib
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack, overload

import numpy as np
import polars as pl
from polars.selectors import by_name, numeric

from hopfield import _check
from hopfield.errors import ArgumentError, DataWarning, FileError
from hopfield.repertoire.account import Row, account, amount, table
from hopfield.repertoire.columns import typed
from hopfield.repertoire.gather import GatherOptions, Outcome, Problem, copies, gather, usable
from hopfield.repertoire.locus import at_locus, loci, one_locus, only_locus
from hopfield.repertoire.metadata import Metadata, read_metadata
from hopfield.repertoire.reading import Reading, from_anndata
from hopfield.repertoire.repertoire import LOCI, Repertoire
from hopfield.repertoire.targets import Rows, Target, places, target_in

SHOWN = 3  # problems in a message


@dataclass(frozen=True, eq=False)
class RepertoireDataset(Sequence[Repertoire]):
    """The repertoires of a cohort at one locus, and what is known of them.

    `data[i]` is a `Repertoire`, a slice such as `data[:10]` a `RepertoireDataset`.

    Attributes:
        locus: one of `LOCI`.
        repertoires: R of them, none empty.
        metadata: R rows: `repertoire_id`, then what is known, as text or numbers; null where
            nothing is said.
        readings: the account of each file; None for repertoires that came from elsewhere.
        problems: repertoires that were left out, and why.
        notes: what else is to be known of the metadata.
    """

    locus: str
    repertoires: tuple[Repertoire, ...]
    metadata: pl.DataFrame
    readings: tuple[Reading | None, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def from_metadata(
        cls,
        path: str | Path,
        *,
        id_column: str | None = None,
        file_column: str | None = None,
        outside: bool = False,
        locus: str | None = None,
        strict: bool = False,
        **how: Unpack[GatherOptions],
    ) -> "RepertoireDataset":
        """Read a cohort by its metadata, or what lies in a folder, or one file of receptors.

        A file that cannot be read, or has no receptors of the locus, is left out with a warning and
        listed in `problems`.

        Args:
            path: of the metadata, folder or file; see `read_metadata`.
            id_column: see `read_metadata`.
            file_column: likewise.
            outside: likewise.
            locus: one of `LOCI`; may be left out where the cohort has one only.
            strict: an error instead of a warning where a repertoire is left out.
            **how: see `GatherOptions`.

        Raises:
            ArgumentError: the metadata is wrong (see `read_metadata`), no repertoire is left, or
                the cohort has several loci and none was chosen.
            FileError: a repertoire cannot be read or is empty, and `strict`.

        Warns:
            DataWarning: repertoires are left out, or several have the same content.
        """
        _check_locus(locus)
        known = read_metadata(path, id_column=id_column, file_column=file_column, outside=outside)
        return cls._of(known, gather(known, **how), locus, strict)

    @classmethod
    def from_folder(
        cls,
        folder: str | Path,
        *,
        outside: bool = False,
        locus: str | None = None,
        strict: bool = False,
        **how: Unpack[GatherOptions],
    ) -> "RepertoireDataset":
        """Read all tables of a folder, in the order of their names; nothing is known of them.

        Args:
            folder: its path; if it has a `metadata.*`, that is read as by `from_metadata`.
            outside: whether links may lead out of it.
            locus: see `from_metadata`.
            strict: likewise.
            **how: see `GatherOptions`.

        Raises:
            ArgumentError, FileError: as `from_metadata`.

        Warns:
            DataWarning: likewise.
        """
        if not Path(folder).is_dir():
            raise ArgumentError(f"{folder} is no folder")
        _check_locus(locus)
        known = read_metadata(folder, outside=outside)
        return cls._of(known, gather(known, **how), locus, strict)

    @classmethod
    def from_repertoires(
        cls, repertoires: Iterable[Repertoire], metadata: pl.DataFrame | None = None
    ) -> "RepertoireDataset":
        """Repertoires that are there already.

        Args:
            repertoires: R of them, of one locus, none empty.
            metadata: R rows; `repertoire_id` is the place if there is no such column.

        Raises:
            ArgumentError: the loci differ, a repertoire is empty, or ids are not unique.
        """
        repertoires = tuple(repertoires)
        locus = one_locus(repertoires)
        numbered = pl.DataFrame({"repertoire_id": range(len(repertoires))})
        frame = numbered if metadata is None else metadata
        if len(frame) != len(repertoires):
            raise ArgumentError(
                f"metadata has {len(frame)} rows for {len(repertoires)} repertoires"
            )
        if "repertoire_id" not in frame.columns:
            frame = pl.concat([numbered, frame], how="horizontal")
        frame = frame.select("repertoire_id", pl.exclude("repertoire_id")).with_columns(
            (~numeric() | by_name("repertoire_id")).cast(pl.String)
        )
        if frame["repertoire_id"].is_null().any() or frame["repertoire_id"].is_duplicated().any():
            raise ArgumentError("metadata has ids that are missing or not unique")
        return cls(locus, repertoires, frame, (None,) * len(repertoires))

    @classmethod
    def from_anndata(
        cls, adata: Any, sample: str, *, locus: str, longest: int = 60
    ) -> "RepertoireDataset":
        """The receptors of single cells, as scirpy keeps them, by sample.

        What `obs` says of all cells of a sample alike is known of the repertoire.

        Args:
            adata: an `AnnData` with receptors; see `hopfield.repertoire.reading.from_anndata`.
            sample: the column of `obs` that names the sample of a cell.
            locus: one of `LOCI`; cells have receptors of two.
            longest: the most residues of a junction.

        Raises:
            ArgumentError: no sample has receptors of the locus, or `adata` none at all.

        Warns:
            DataWarning: samples are left out.
        """
        _check_locus(locus)
        readings = from_anndata(adata, sample, longest=longest)
        found = [usable(name, reading) for name, reading in readings.items()]
        known = Metadata(_of_cells(adata.obs, sample, list(readings)), (None,) * len(readings), ())
        return cls._of(known, found, locus, strict=False)

    @classmethod
    def _of(
        cls, known: Metadata, found: Sequence[Outcome], locus: str | None, strict: bool
    ) -> "RepertoireDataset":
        """The repertoires that can be used of those that were found; for the methods above."""
        names = known.frame["repertoire_id"]
        _check_left_out(found, strict)
        if locus is None:
            locus = only_locus(loci(found))
        found = [at_locus(name, one, locus) for name, one in zip(names, found, strict=True)]
        _check_left_out(found, strict)
        problems = tuple(one for one in found if isinstance(one, Problem))
        readings = tuple(one for one in found if isinstance(one, Reading))
        frame = known.frame.filter([isinstance(one, Reading) for one in found])
        if problems:
            warnings.warn(_left_out(found), DataWarning, stacklevel=3)
        for message in copies(frame["repertoire_id"], readings):
            warnings.warn(message, DataWarning, stacklevel=3)
        repertoires = tuple(reading.repertoires[locus] for reading in readings)
        return cls(locus, repertoires, frame, readings, problems, known.notes)

    def __len__(self) -> int:
        return len(self.repertoires)

    @overload
    def __getitem__(self, place: int) -> Repertoire: ...

    @overload
    def __getitem__(self, place: slice) -> "RepertoireDataset": ...

    def __getitem__(self, place: int | slice) -> "Repertoire | RepertoireDataset":
        if isinstance(place, slice):
            return self.subset(np.arange(len(self))[place])
        return self.repertoires[place]

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of the repertoires, each once."""
        return tuple(self.metadata["repertoire_id"])

    @property
    def files(self) -> tuple[Path | None, ...]:
        """The files of the repertoires, those that were left out too; None where there is none."""
        return tuple(None if one is None else one.path for one in (*self.readings, *self.problems))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of ids and receptors, in order; where the files lie makes no difference."""
        state = hashlib.sha256(self.locus.encode())
        for name, repertoire in zip(self.ids, self, strict=True):
            state.update(repr((name, repertoire.v_genes, repertoire.j_genes)).encode())
            for column in repertoire.arrays().values():
                state.update(repr((column.dtype, len(column))).encode())
                state.update(column.numpy().data)
        return state.hexdigest()

    def subset(self, rows: Rows) -> "RepertoireDataset":
        """Some repertoires: their places, or True for those that are meant."""
        kept = places(rows, len(self)).tolist()
        return replace(
            self,
            repertoires=tuple(self.repertoires[i] for i in kept),
            metadata=self.metadata[kept],
            readings=tuple(self.readings[i] for i in kept),
        )

    def target(
        self,
        column: str,
        kind: str | None = None,
        positive: object = None,
        classes: Sequence[str] | None = None,
    ) -> Target:
        """A column of the metadata as a target; see `target_in`."""
        return target_in(self.metadata, column, kind, positive, classes)

    def summary(self) -> pl.DataFrame:
        """What was read, kept, dropped and changed of each repertoire; see `table`."""
        rows: list[Row] = []
        for name, reading, own in zip(self.ids, self.readings, self, strict=True):
            alone: Row = {"repertoire_id": name, **amount([own])}
            rows.append(alone if reading is None else account(name, reading))
        return table(rows)


def _of_cells(obs: Any, sample: str, names: list[str]) -> pl.DataFrame:
    """What a table of cells says of samples: the columns that are the same in all cells of one."""
    texts = {str(name): pl.Series(map(str, obs[name]), dtype=pl.String) for name in obs.columns}
    cells = pl.DataFrame(texts).rename({sample: "repertoire_id"})
    cells = cells.filter(pl.col("repertoire_id").is_in(names))
    samples = cells.group_by("repertoire_id", maintain_order=True)
    most = samples.n_unique().drop("repertoire_id").max()
    alike = [name for name in most.columns if most[name][0] == 1]
    first = samples.first().select("repertoire_id", *alike)
    return first.with_columns(typed(first[name]) for name in alike)


def _check_locus(locus: str | None) -> None:
    if locus is not None:
        _check.choice("locus", locus, LOCI)


def _check_left_out(found: Sequence[Outcome], strict: bool) -> None:
    """Something is left; all, if strict."""
    bad = [isinstance(one, Problem) for one in found]
    if all(bad) or (strict and any(bad)):
        raise FileError(_left_out(found))


def _left_out(found: Sequence[Outcome]) -> str:
    problems = [one for one in found if isinstance(one, Problem)]
    more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    return (
        f"{len(problems)} of {len(found)} repertoires are left out: "
        f"{'; '.join(map(str, problems[:SHOWN]))}{more}"
    )
