"""`Metadata`: which file holds which repertoire, and what is known of it."""

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import polars as pl

from hopfield._text import encodable
from hopfield.errors import ArgumentError, FileError
from hopfield.repertoire.cells import UTF16, cells
from hopfield.repertoire.columns import FILE, ID, many, named, said, typed, unsaid
from hopfield.repertoire.files import (
    PACKED,
    TABLES,
    TRUTH_TABLE,
    check_regular,
    is_metadata,
    is_table,
    stem,
    visible,
)
from hopfield.repertoire.reading.formats import choose
from hopfield.repertoire.reading.lines import Delimited

HEADER = 2**26  # bytes of an expanded file in which its header is looked for


@dataclass(frozen=True)
class Fault:
    """What is wrong with some rows of metadata.

    Attributes:
        rows: their places.
        of_each: what is to be said of one of them, beside its id and file.
        of_all: the same of all, in one line.
    """

    rows: frozenset[int]
    of_each: str
    of_all: str


@dataclass(frozen=True, eq=False)
class Metadata:
    """Which file holds which repertoire, and what is known of it.

    Attributes:
        frame: a row for each repertoire: `repertoire_id` and `filename` (text), then all else as
            text or numbers; null where nothing is said.
        files: where they lie; None where no file is named.
        notes: which words were taken for empty cells.
        faults: rows without an id of their own, and files outside the folder.
    """

    frame: pl.DataFrame
    files: tuple[Path | None, ...]
    notes: tuple[str, ...]
    faults: tuple[Fault, ...] = ()

    def fault(self, row: int) -> str | None:
        """What is wrong with a row; None if nothing is."""
        return "; ".join(one.of_each for one in self.faults if row in one.rows) or None


def read_metadata(
    path: str | Path,
    *,
    id_column: str | None = None,
    file_column: str | None = None,
    outside: bool = False,
) -> Metadata:
    """Read metadata: a table, an AIRR document (see `cells`), or what lies in a folder.

    A folder is read by its `metadata.*`; if it has none, each table in it is a repertoire of which
    nothing is known, in the order of their names. So is one file of receptors.

    Args:
        path: of the file or folder.
        id_column: the names of the repertoires; by default the first of `ID` that is there, or
            else the names of their files without endings.
        file_column: the files, relative to the folder; by default the first of `FILE` that is
            there, or else those in the folder that are called like the ids.
        outside: whether files may lie outside the folder.

    Raises:
        ArgumentError: ids that are missing or not unique, files outside the folder, a column that
            is not there, or metadata that is not what it should be.
        OSError: it cannot be opened.
    """
    known = metadata_as_it_is(path, id_column, file_column, outside)
    if known.faults:
        raise ArgumentError(known.faults[0].of_all)
    return known


def metadata_as_it_is(
    path: str | Path, id_column: str | None, file_column: str | None, outside: bool
) -> Metadata:
    """The same with its `faults`, of which none is an error; see `read_metadata`."""
    path = Path(path)
    if not path.is_dir():
        check_regular(path)
        if not path.stat().st_size:
            raise FileError(
                f"{path} is empty; metadata (a header and a row for each repertoire) or a table of "
                f"receptors is expected"
            )
        if is_repertoire(path):
            return _of_names([path.name], path.parent, outside=True)
        return _of_cells(path, id_column, file_column, outside)
    found = [file for file in visible(path) if is_metadata(file)]
    if len(found) > 1:
        raise ArgumentError(
            f"{path} has several files of metadata, {listed(file.name for file in found)}; "
            f"give the path of one"
        )
    if found:
        return _of_cells(found[0], id_column, file_column, outside)
    return _of_names([file.name for file in visible(path) if is_table(file)], path, outside)


def listed(names: Iterable[str], most: int = 10) -> str:
    """Names as a message lists them: quoted, control characters escaped, not too many."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more


def is_repertoire(path: Path) -> bool:
    """Whether a file has receptors, by its header; what is packed has."""
    try:
        choose(_header(path), None)
    except FileError:
        return path.name.lower().endswith(PACKED)
    return True


def _header(path: Path) -> tuple[str, ...]:
    """The names of the columns, in lower case; those of text in UTF-16, too, which `read` names."""
    with path.open("rb") as file:
        if file.peek().startswith(UTF16):
            text = file.read(HEADER).decode("utf-16", "replace")
            return Delimited.open(io.BufferedReader(io.BytesIO(text.encode())), HEADER).header
        return Delimited.open(file, HEADER).header


def _of_cells(
    path: Path, id_column: str | None, file_column: str | None, outside: bool
) -> Metadata:
    written = cells(path)
    files_in = _column(written, path, file_column, FILE)
    ids_in = _column(written, path, id_column, ID)
    if files_in is not None:
        files = said(written[files_in])
    elif ids_in is not None:
        files = _called_like(written[ids_in], path)
    else:
        raise ArgumentError(
            f"{path} has no column of files (such as filename) and none of ids (such as "
            f"repertoire_id), but {listed(written.columns)}; name them with file_column "
            f"(--file-column) and id_column (--id-column)"
        )
    if ids_in is None or ids_in == files_in:
        ids = files.map_elements(stem, pl.String)
    else:
        ids = written[ids_in].str.strip_chars()
    others = written.drop(name for name in {ids_in, files_in} if name is not None)
    if taken := {"repertoire_id", "filename"}.intersection(others.columns):
        raise ArgumentError(f"{path} has another column called {min(taken)!r}; rename it")
    notes = tuple(chain.from_iterable(unsaid(column) for column in others))
    return _told(ids, files, map(typed, others), path, outside, notes)


def _of_names(names: list[str], folder: Path, outside: bool) -> Metadata:
    if not names:
        raise ArgumentError(
            f"{folder} has neither metadata nor a table ({', '.join(TABLES)}; plain or gz)"
        )
    files = pl.Series(map(encodable, names))
    return _told(files.map_elements(stem, pl.String), files, (), folder, outside, ())


def _column(
    written: pl.DataFrame, path: Path, name: str | None, names: Sequence[str]
) -> str | None:
    """The column that was asked for, or else the first of the names that is not empty."""
    if name is None:
        return named([column.name for column in written if not _empty(column).all()], names)
    if name not in written.columns:
        raise ArgumentError(f"{path} has no column {name!r}, but {listed(written.columns)}")
    return name


def _empty(column: pl.Series) -> pl.Series:
    return column.is_null() | (column.str.strip_chars() == "")


def _called_like(ids: pl.Series, path: Path) -> pl.Series:
    """The tables of the folder whose names, without endings, are the ids."""
    tables: dict[str, list[str]] = {}
    for file in visible(path.parent):
        if is_table(file):
            tables.setdefault(stem(file.name), []).append(file.name)
    found = [tables.get(name.strip(), []) for name in ids]
    if not any(found):
        raise ArgumentError(
            f"{path} has no column of files (such as filename), and no table in its folder is "
            f"called like its ids ({listed(ids.head(3))}); name the column with file_column "
            f"(--file-column)"
        )
    if several := [names for names in found if len(names) > 1]:
        raise ArgumentError(
            f"{path} has no column of files (such as filename), and {listed(several[0])} are "
            f"called alike; add one"
        )
    return pl.Series([names[0] if names else None for names in found], dtype=pl.String)


def _told(
    ids: pl.Series,
    files: pl.Series,
    others: Iterable[pl.Series],
    path: Path,
    outside: bool,
    notes: tuple[str, ...],
) -> Metadata:
    """Metadata; its faults are ids that are missing or not unique, and files outside the folder."""
    ids = ids.fill_null("")
    frame = pl.DataFrame([ids.rename("repertoire_id"), files.rename("filename"), *others])
    folder = path if path.is_dir() else path.parent
    places = frame["filename"].str.replace_all("\\", "/", literal=True)
    found = tuple(None if place is None else folder / place for place in places)
    faults = [*_faults_of_ids(frame, path), *(() if outside else _away(found, folder, path))]
    return Metadata(frame, found, (*notes, *_unnamed(found, path)), tuple(faults))


def _away(found: Sequence[Path | None], folder: Path, path: Path) -> Iterator[Fault]:
    """Files that lie outside the folder."""
    root = os.path.realpath(folder)
    away = {i: str(file) for i, file in enumerate(found) if file and not _lies_in(root, file)}
    if away:
        allowed = "outside=True (--outside) allows it"
        yield Fault(
            frozenset(away),
            f"it lies outside the folder of the metadata; {allowed}",
            f"{path}: {len(away)} files lie outside its folder, {listed(away.values(), 3)}; "
            f"{allowed}",
        )


def _lies_in(root: str, file: Path) -> bool:
    return Path(os.path.realpath(file)).is_relative_to(root)


def _unnamed(found: Iterable[Path | None], path: Path) -> Iterator[str]:
    """A note on the tables beside the metadata at `path` that it does not name."""
    if not path.is_dir():
        named_files = {path, *found}
        beside = (file for file in visible(path.parent) if file not in named_files)
        if names := [file.name for file in beside if is_table(file) and file.name != TRUTH_TABLE]:
            yield f"{many(len(names), 'table')} in its folder without a row: {listed(names)}"


def _faults_of_ids(frame: pl.DataFrame, path: Path) -> Iterator[Fault]:
    """Ids that are missing, or not unique."""
    ids, files = frame["repertoire_id"], frame["filename"].fill_null("no file")
    missing, repeated = ids == "", ids.is_duplicated() & (ids != "")
    if missing.any():
        yield Fault(
            _places(missing),
            "it has no id",
            f"{path}: {missing.sum()} of {len(ids)} repertoires have no id, those of "
            f"{listed(files.filter(missing))}",
        )
    if repeated.any():
        names = ids.filter(repeated).unique(maintain_order=True)
        join = "a repertoire is one file: join them, or leave all but one out"
        way = "" if path.is_dir() else "; id_column (--id-column) may be the column of files"
        yield Fault(
            _places(repeated),
            f"its id is not unique; {join}{way}",
            f"{path}: ids are not unique, {listed(names)}; {names[0]!r} has the files "
            f"{listed(files.filter(ids == names[0]))}; {join}{way}",
        )


def _places(rows: pl.Series) -> frozenset[int]:
    return frozenset(rows.arg_true())
