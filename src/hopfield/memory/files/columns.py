"""`Columns`: a file of named columns, read in blocks; it may be larger than memory."""

import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hopfield import _check
from hopfield._text import one_line
from hopfield.errors import FileError
from hopfield.reduction.inputs import tiles

T = TypeVar("T")
FLOATING = ("float16", "float32", "float64", "bfloat16")
WHOLE = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")  # fit in int64
SAFETENSORS = {
    **{"F16": "<f2", "F32": "<f4", "F64": "<f8", "BOOL": "?"},
    **{f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "IU" for size in (1, 2, 4, 8)},
}
BFLOAT16 = "<i2"  # NumPy has none: its bits
ONLY = ""  # the name of the array of a .npy file


@dataclass(frozen=True)
class Column:
    """What is known of a column before it is read.

    Attributes:
        shape: `(n, …)`.
        dtype: its name, such as "float32"; another name where it holds no numbers.
    """

    shape: tuple[int, ...]
    dtype: str

    @property
    def holds_vectors(self) -> bool:
        """Whether it is `(n, d)` and floating."""
        return len(self.shape) == 2 and self.shape[1] > 0 and self.dtype in FLOATING

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}"


class Columns(Protocol):
    """An open file.

    Attributes:
        path: of the file.
        known: its columns by name.
    """

    path: Path
    known: dict[str, Column]

    def blocks(self, names: Sequence[str], rows: int) -> Iterator[dict[str, Tensor]]:
        """Some columns from the first row to the last, at most so many rows at a time."""
        ...


def open_columns(path: Path) -> Columns:
    """The columns of a `.npy`, `.safetensors` or `.parquet` file.

    Raises:
        FileError: it has another ending, is damaged, or holds objects.
        OSError: it cannot be opened.
        MissingExtraError: Parquet without pyarrow.
    """
    opened = choose(path, OPENED)
    with path.open("rb"):  # what the system refuses is told in its own words
        pass
    return opened(path)


def choose(path: Path, formats: dict[str, T]) -> T:
    """What belongs to the ending of a file.

    Raises:
        FileError: none of them has it.
    """
    ending = path.suffix.lower()
    if ending not in formats:
        raise FileError(f"{path} ends in none of {', '.join(formats)}; these formats are known")
    return formats[ending]


class Arrays:
    """Arrays in a file, mapped; `others` have dtypes that nothing reads."""

    def __init__(
        self,
        path: Path,
        arrays: dict[str, tuple[str, NDArray[Any]]],
        others: Mapping[str, Column] = MappingProxyType({}),
    ) -> None:
        self.path = path
        self.known = {name: Column(array.shape, dtype) for name, (dtype, array) in arrays.items()}
        self.known |= others
        self._arrays = arrays

    def block(self, name: str, which: slice) -> Tensor:
        """Some rows of a column, copied."""
        dtype, array = self._arrays[name]
        native = np.array(array[which], array.dtype.newbyteorder("="))
        tensor = torch.from_numpy(native)
        return tensor.view(torch.bfloat16) if dtype == "bfloat16" else tensor

    def blocks(self, names: Sequence[str], rows: int) -> Iterator[dict[str, Tensor]]:
        for which in tiles(self.known[names[0]].shape[0], rows):
            yield {name: self.block(name, which) for name in names}


def npy(path: Path) -> Arrays:
    """The array of a `.npy` file.

    Raises:
        FileError: it is damaged, or holds objects.
        OSError: it cannot be opened.
    """
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, EOFError, SyntaxError) as error:
        raise FileError(f"{path} is damaged, or no array of numbers: {one_line(error)}") from error
    return Arrays(path, {ONLY: (str(array.dtype.newbyteorder("=")), array)})


def _safetensors(path: Path) -> Arrays:
    try:
        with safe_open(path, "numpy"):  # checks the header, and against it the size of the file
            pass
    except SafetensorError as error:
        raise FileError(f"{path} is damaged, or no safetensors: {one_line(error)}") from error
    with path.open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        head = json.loads(file.read(size))
    head.pop("__metadata__", None)
    arrays: dict[str, tuple[str, NDArray[Any]]] = {}
    others = {}
    for name, one in head.items():
        shape, at = tuple(one["shape"]), 8 + size + one["data_offsets"][0]
        kind = one["dtype"]
        if kind == "BF16":
            arrays[name] = "bfloat16", np.memmap(path, BFLOAT16, "r", at, shape)
        elif kind in SAFETENSORS:
            array = np.memmap(path, SAFETENSORS[kind], "r", at, shape)
            arrays[name] = str(array.dtype.newbyteorder("=")), array
        else:
            others[name] = Column(shape, kind)
    return Arrays(path, arrays, others)


class Parquet:
    """Columns of a Parquet file; a column of lists of one length is `(n, length)`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._arrow = _check.extra("pyarrow", "memory")
        parquet = _check.extra("pyarrow.parquet", "memory")
        self._wrong = (self._arrow.ArrowException, OSError)
        try:
            self._file = parquet.ParquetFile(path, memory_map=True)
            schema = self._file.schema_arrow
            self.known = {field.name: self._column(field) for field in schema}
        except self._wrong as error:
            raise FileError(f"{path} is damaged, or no Parquet: {one_line(error)}") from error
        if len(self.known) < len(schema):
            raise FileError(f"{path} has columns of one name: {', '.join(schema.names)}")

    def _column(self, field: Any) -> Column:
        types, kind, rows = self._arrow.types, field.type, self._file.metadata.num_rows
        if types.is_fixed_size_list(kind):
            return Column((rows, kind.list_size), _named(kind.value_type))
        if types.is_list(kind) or types.is_large_list(kind):
            return Column((rows, self._width(field.name)), _named(kind.value_type))
        return Column((rows,), _named(kind))

    def _width(self, name: str) -> int:
        """Of the first list; whether the others are as long is seen when they are read."""
        for batch in self._file.iter_batches(1, columns=[name]):
            if len(batch) and batch.column(0).null_count == 0:
                return len(batch.column(0)[0])
        return 0

    def blocks(self, names: Sequence[str], rows: int) -> Iterator[dict[str, Tensor]]:
        try:
            for batch in self._file.iter_batches(rows, columns=[*names]):
                yield {name: self._tensor(name, batch.column(name)) for name in names}
        except self._wrong as error:
            raise FileError(f"{self.path} is damaged: {one_line(error)}") from error

    def _tensor(self, name: str, array: Any) -> Tensor:
        shape = self.known[name].shape[1:]
        nulls = array.null_count
        if shape and nulls == 0:
            if not self._arrow.types.is_fixed_size_list(array.type):
                self._check_lengths(name, array, shape[0])
            array = array.flatten()
            nulls = array.null_count
        if nulls:
            raise FileError(
                f"{self.path}: column {name!r} has {nulls} missing values (null) in a block of "
                f"rows; leave these rows out"
            )
        numbers = np.array(array.to_numpy(zero_copy_only=False))
        return torch.from_numpy(numbers).reshape(-1, *shape)

    def _check_lengths(self, name: str, array: Any, width: int) -> None:
        lengths = np.asarray(array.value_lengths())
        if (lengths != width).any():
            raise FileError(
                f"{self.path}: column {name!r} has lists of {lengths.min()} to {lengths.max()} "
                f"numbers, and the first has {width}; all must be of one length"
            )


def _named(kind: Any) -> str:
    return {"halffloat": "float16", "float": "float32", "double": "float64"}.get(
        str(kind), str(kind)
    )


OPENED: dict[str, Callable[[Path], Columns]] = {
    ".npy": npy,
    ".safetensors": _safetensors,
    ".parquet": Parquet,
}
