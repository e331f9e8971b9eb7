"""A segment as a safetensors file: written in a stream, mapped without a copy."""

import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hopfield._text import one_line
from hopfield.errors import MemoryCorrupt
from hopfield.memory.contents import Held
from hopfield.memory.form import Form
from hopfield.memory.segment import Segment, ValueKind
from hopfield.memory.store import disk
from hopfield.reduction.inputs import tiles

ALIGNED = 64  # bytes; vector loads are fastest from there
BYTES_AT_ONCE = 2**24
NAMES = {
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int8: "I8",
}


def write(path: Path, parts: Sequence[Held]) -> tuple[int, str, int]:
    """The rows of segments that are there, as one file: size, SHA-256, rows.

    Rows go from the parts to the file in blocks, so that they need not fit into memory.
    """
    rows = sum(map(len, parts))
    ids = torch.cat([held.ids for held in parts])
    rising = bool((ids[1:] > ids[:-1]).all())
    shapes: dict[str, tuple[torch.dtype, tuple[int, ...]]] = {
        name: (tensor.dtype, tuple(tensor.shape[1:]))
        for name, tensor in parts[0].segment.tensors().items()
        if name != "order"
    }
    if not rising:
        shapes["order"] = (torch.int64, ())
    head, at = {}, 0
    for name, (dtype, shape) in shapes.items():
        size = rows * dtype.itemsize * torch.Size(shape).numel()
        offsets = [at, at + size]
        head[name] = {"dtype": NAMES[dtype], "shape": [rows, *shape], "data_offsets": offsets}
        at += size
    text = json.dumps(head).encode()
    text += b" " * (-(8 + len(text)) % ALIGNED)

    def chunks() -> Iterator[disk.Bytes]:
        yield struct.pack("<Q", len(text)) + text
        for name in shapes:
            if name == "order":
                yield _bytes(ids.argsort(stable=True))
                continue
            for held in parts:
                tensor = getattr(held.segment, name)
                step = max(1, BYTES_AT_ONCE // (tensor[:1].nbytes or 1))
                for which in tiles(len(tensor), step):
                    block = tensor[which]
                    yield _bytes(block if held.removed is None else block[~held.removed[which]])

    size, digest = disk.write_new(path, chunks())
    return size, digest, rows


def _bytes(tensor: Tensor) -> memoryview:
    flat = tensor.contiguous().flatten()
    return flat.view(torch.uint8).numpy().data if len(flat) else memoryview(b"")


def mapped(path: Path, form: Form, rows: int, size: int, kind: ValueKind) -> Segment:
    """The segment in a file, mapped: pages come from the disk as they are read.

    Raises:
        MemoryCorrupt: the file is not what the manifest says.
        FileNotFoundError: there is none.
    """
    if path.stat().st_size != size:
        raise MemoryCorrupt(
            f"{path} has {path.stat().st_size} bytes, not the {size} of the manifest; restore it "
            f"from a copy of the memory"
        )
    wanted = {
        "patterns": (form.dtype, (rows, form.dim)),
        "ids": (torch.int64, (rows,)),
        "half_norms": (torch.float32, (rows,)),
    }
    if kind is not None:
        wanted["values"] = (
            (torch.int64, (rows,)) if kind == "labels" else (torch.float32, (rows, *kind))
        )
    if form.scan == "int8":
        wanted["codes"] = (torch.int8, (rows, form.dim))
        wanted["scales"] = wanted["errors"] = (torch.float32, (rows,))
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        path.stat()  # it may be gone, which says something else: another process replaced it
        raise MemoryCorrupt(f"{path} is damaged ({one_line(error)})") from error
    if "order" in tensors:
        wanted["order"] = (torch.int64, (rows,))
    found = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}
    if found != wanted:
        raise MemoryCorrupt(f"{path} holds {found}; the manifest says {wanted}")
    return Segment(**tensors)
