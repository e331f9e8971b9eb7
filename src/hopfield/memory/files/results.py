"""`write_results`: tensors, batch after batch, to a file that may be larger than memory."""

import json
import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hopfield import _check
from hopfield.files.whole import check_writable, written_whole
from hopfield.memory.files.columns import choose

Results = Mapping[str, Tensor]
Write = Callable[[Results], object]
SAFETENSORS = {torch.float32: "F32", torch.int64: "I64", torch.bool: "BOOL"}
ALIGNED = 8


def write_results(
    path: str | PathLike[str], rows: int, batches: Iterable[Results]
) -> tuple[Path, ...]:
    """Write results whole or not at all, in the format of the ending.

    A `.safetensors` file has a tensor, and a `.parquet` file a column, for each. A `.npy` file has
    the first of them; the others lie beside it: `found.npy`, `found.ids.npy` …

    Args:
        path: of the file.
        rows: how many there are in all batches together.
        batches: tensors `(n,)` or `(n, v)` by name: float32, int64 or bool; at least one batch.

    Returns:
        The files.

    Raises:
        FileError: no such format, or no place to write to.
        OSError: the disk is full.
        MissingExtraError: Parquet without pyarrow.
    """
    path = Path(path)
    check_results(path)
    rest = iter(batches)
    first = next(rest)
    try:
        with choose(path, WRITERS)(path, rows, first) as write:
            write(first)
            for batch in rest:
                write(batch)
    except OSError as error:
        if error.filename is None and error.errno is not None:  # what could not be written
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    others = [*first][1:] if choose(path, WRITERS) is _npy else []
    return (path, *(beside(path, name) for name in others))


def check_results(path: Path) -> None:
    """Results can be written there; to be asked before long work.

    Raises:
        FileError: no such format, or no place to write to.
        MissingExtraError: Parquet without pyarrow.
    """
    if choose(path, WRITERS) is _parquet:
        _check.extra("pyarrow", "memory")
    check_writable(path)


def beside(path: Path, name: str) -> Path:
    """Where one of the others lies."""
    return path.with_suffix(f".{name}{path.suffix}")


@contextmanager
def _npy(path: Path, rows: int, like: Results) -> Iterator[Write]:
    with ExitStack() as stack:
        files = {}
        for number, (name, tensor) in enumerate(like.items()):
            part = stack.enter_context(written_whole(beside(path, name) if number else path))
            files[name] = stack.enter_context(part.open("wb"))
            kind = np.lib.format.dtype_to_descr(tensor.numpy().dtype)
            head = {"descr": kind, "fortran_order": False, "shape": (rows, *tensor.shape[1:])}
            np.lib.format.write_array_header_1_0(files[name], head)

        def write(batch: Results) -> None:
            for name, tensor in batch.items():
                files[name].write(_bytes(tensor))

        yield write


@contextmanager
def _safetensors(path: Path, rows: int, like: Results) -> Iterator[Write]:
    head, end = {}, 0
    for name, tensor in like.items():
        shape = [rows, *tensor.shape[1:]]
        start, end = end, end + rows * math.prod(tensor.shape[1:]) * tensor.dtype.itemsize
        head[name] = {
            "dtype": SAFETENSORS[tensor.dtype],
            "shape": shape,
            "data_offsets": [start, end],
        }
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % ALIGNED)
    at = {name: 8 + len(text) + one["data_offsets"][0] for name, one in head.items()}
    with written_whole(path) as part, part.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)

        def write(batch: Results) -> None:
            for name, tensor in batch.items():
                file.seek(at[name])
                at[name] += file.write(_bytes(tensor))

        yield write


@contextmanager
def _parquet(path: Path, rows: int, like: Results) -> Iterator[Write]:
    arrow = _check.extra("pyarrow", "memory")
    parquet = _check.extra("pyarrow.parquet", "memory")

    def table(batch: Results) -> Any:
        columns = {}
        for name, tensor in batch.items():
            flat = arrow.array(tensor.flatten().numpy())
            lists = arrow.FixedSizeListArray.from_arrays
            columns[name] = flat if tensor.dim() == 1 else lists(flat, tensor.shape[1])
        return arrow.table(columns)

    with written_whole(path) as part, parquet.ParquetWriter(part, table(like).schema) as writer:
        yield lambda batch: writer.write_table(table(batch))


def _bytes(tensor: Tensor) -> bytes:
    return tensor.contiguous().numpy().tobytes()


WRITERS: dict[str, Callable[[Path, int, Results], AbstractContextManager[Write]]] = {
    ".npy": _npy,
    ".safetensors": _safetensors,
    ".parquet": _parquet,
}
