"""`read_vectors`: patterns in files, with values and ids, in batches of a bounded size."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor

from hopfield.errors import ArgumentError, DtypeError, FileError
from hopfield.memory.files.columns import (
    FLOATING,
    ONLY,
    WHOLE,
    Arrays,
    Column,
    Columns,
    open_columns,
)
from hopfield.memory.files.columns import npy as open_npy
from hopfield.memory.segment import ValueKind

DEFAULTS = {"values": ("values", "labels"), "ids": ("ids",)}  # of a .safetensors file


@dataclass(frozen=True)
class Batch:
    """Some rows of a file.

    Attributes:
        start: the row of the first.
        patterns: `(n, d)`, floating.
        values: `(n, v)`, floating, or `(n,)`, labels; or None.
        ids: `(n,)`, whole numbers; or None.
    """

    start: int
    patterns: Tensor
    values: Tensor | None = None
    ids: Tensor | None = None

    def __len__(self) -> int:
        return len(self.patterns)


@dataclass(frozen=True)
class Vectors:
    """Patterns in a file, read as they are asked for.

    Attributes:
        columns: the file.
        names: its columns: of "patterns", and of "values" and "ids" if it has them.
        beside: files of their own for "values" and "ids".
    """

    columns: Columns
    names: dict[str, str]
    beside: dict[str, Arrays]

    @property
    def path(self) -> Path:
        """Where the patterns are."""
        return self.columns.path

    def __len__(self) -> int:
        return self._shape[0]

    @property
    def dim(self) -> int:
        """The width d."""
        return self._shape[1]

    @property
    def value_kind(self) -> ValueKind:
        """The kind that the values have in a memory."""
        columns = self.beside.get("values", self.columns)
        name = ONLY if columns is not self.columns else self.names.get("values")
        if name is None:
            return None
        one = columns.known[name]
        return (one.shape[1:] or (1,)) if one.dtype in FLOATING else "labels"

    @property
    def _shape(self) -> tuple[int, ...]:
        return self.columns.known[self.names["patterns"]].shape

    def batches(self, rows: int) -> Iterator[Batch]:
        """All patterns in order, at most so many at a time; one empty batch of an empty file.

        Raises:
            FileError: the file is damaged, or has missing values.
        """
        if len(self) == 0:
            yield Batch(0, torch.empty(0, self.dim))
            return
        start = 0
        for block in self.columns.blocks([*self.names.values()], rows):
            found = {role: block[name] for role, name in self.names.items()}
            stop = start + len(found["patterns"])
            for role, file in self.beside.items():
                found[role] = file.block(ONLY, slice(start, stop))
            yield Batch(start, **found)
            start = stop


@contextmanager
def located(batch: Batch, vectors: Vectors) -> Iterator[None]:
    """What is wrong with a batch has a note that says where it lies."""
    try:
        yield
    except (ArgumentError, DtypeError) as error:
        error.add_note(f"in {vectors.path}, rows {batch.start} to {batch.start + len(batch) - 1}")
        raise


def read_vectors(
    path: str | PathLike[str],
    *,
    column: str | None = None,
    values: str | PathLike[str] | None = None,
    ids: str | PathLike[str] | None = None,
) -> Vectors:
    """Patterns with what belongs to them, from a `.npy`, `.safetensors` or `.parquet` file.

    Args:
        path: of the file.
        column: of the patterns: `(n, d)`, or in Parquet lists of one length; by default "patterns",
            or the only one that holds vectors.
        values: a column, or a `.npy` file of its own; by default "values" or "labels" of a
            `.safetensors` file that has them.
        ids: the same; by default "ids".

    Raises:
        FileError: the file is damaged, or holds something else; the message says what.
        OSError: it cannot be opened.
        MissingExtraError: Parquet without pyarrow.
    """
    columns = open_columns(Path(path))
    names = {"patterns": _vectors_column(columns, column)}
    rows = columns.known[names["patterns"]].shape[0]
    beside = {}
    for role, given in {"values": values, "ids": ids}.items():
        if given is not None and Path(given).suffix.lower() == ".npy":
            file = beside[role] = open_npy(Path(given))
            _check_fits(role, file, ONLY, rows)
        elif (name := _named(columns, role, given)) is not None:
            names[role] = name
            _check_fits(role, columns, name, rows)
    return Vectors(columns, names, beside)


def read_states(path: str | PathLike[str], *, column: str | None = None) -> Vectors:
    """The same of states, to which nothing else belongs."""
    columns = open_columns(Path(path))
    return Vectors(columns, {"patterns": _vectors_column(columns, column)}, {})


def read_ids(path: str | PathLike[str]) -> Tensor:
    """Ids, `(n,)`, from the same formats: the column "ids", or the only one.

    Raises:
        FileError: the file is damaged, or holds something else.
        OSError: it cannot be opened.
        MissingExtraError: Parquet without pyarrow.
    """
    columns = open_columns(Path(path))
    names = [*columns.known]
    name = names[0] if len(names) == 1 else _column(columns, "ids")
    shape = columns.known[name].shape
    _check_fits("ids", columns, name, shape[0] if shape else 0)
    found = [block[name] for block in columns.blocks([name], max(1, shape[0]))]
    return torch.cat(found) if found else torch.empty(0, dtype=torch.int64)


def _vectors_column(columns: Columns, column: str | None) -> str:
    if column is not None:
        return _floating(columns, _column(columns, column))
    if "patterns" in columns.known:
        return _floating(columns, "patterns")
    found = [name for name, one in columns.known.items() if one.holds_vectors]
    if len(found) > 1:
        raise FileError(
            f"{columns.path} has several columns of vectors: {', '.join(found)}; choose one with "
            f"column (--column)"
        )
    if not found:
        raise FileError(
            f"{columns.path} holds no vectors: {_listed(columns)}; floating, (n, d), is expected, "
            f"(1, d) for a single one"
        )
    return found[0]


def _floating(columns: Columns, name: str) -> str:
    if not columns.known[name].holds_vectors:
        raise FileError(
            f"{columns.path}: column {name!r} is {columns.known[name]}; vectors, floating, (n, d), "
            f"are expected"
        )
    return name


def _column(columns: Columns, name: str) -> str:
    if name not in columns.known:
        raise FileError(f"{columns.path} has no column {name!r}: {_listed(columns)}")
    return name


def _named(columns: Columns, role: str, given: str | PathLike[str] | None) -> str | None:
    """The column of values or ids, if there is one."""
    if given is not None:
        if str(given) not in columns.known:
            raise FileError(
                f"{columns.path} has no column {str(given)!r} for {role}: {_listed(columns)}; a "
                f"file of their own ends in .npy"
            )
        return str(given)
    defaults = DEFAULTS[role] if isinstance(columns, Arrays) else ()
    return next((name for name in defaults if name in columns.known), None)


def _check_fits(role: str, columns: Columns, name: str, rows: int) -> None:
    one = columns.known[name]
    where = f"{columns.path}: {role}" if name == ONLY else f"{columns.path}: column {name!r}"
    if not _fits(role, one):
        wanted = "whole numbers, (n,)"
        wanted += ", or floating, (n, v)," if role == "values" else ","
        raise FileError(f"{where} is {one}; {wanted} are expected (int64 at most)")
    if one.shape[0] != rows:
        raise FileError(f"{where} has {one.shape[0]} rows for {rows} patterns")


def _fits(role: str, column: Column) -> bool:
    lists = len(column.shape) == 1 and column.dtype in WHOLE
    if role == "ids":
        return lists
    return lists or (len(column.shape) in (1, 2) and column.dtype in FLOATING)


def _listed(columns: Columns) -> str:
    if not columns.known:
        return "it is empty"
    return "it has " + ", ".join(f"{name} {one}".lstrip() for name, one in columns.known.items())
