"""Records of small changes, one after the other: each is a safetensors file in itself."""

import json
import struct
from collections.abc import Iterator

import safetensors.torch
from torch import Tensor

from hopfield.memory.contents import Contents
from hopfield.memory.segment import Segment, coded


def added(rows: Segment) -> bytes:
    """The record of patterns that came."""
    kept = (name for name in rows.tensors() if name not in ("codes", "scales", "errors", "order"))
    return safetensors.torch.save({name: getattr(rows, name).contiguous() for name in kept})


def removed(ids: Tensor) -> bytes:
    """The record of patterns that went."""
    return safetensors.torch.save({"removed": ids.contiguous()})


def replay(log: bytes, contents: Contents) -> Contents:
    """The contents after the changes of a log.

    Raises:
        ValueError: what was removed is not there.
    """
    for record in _records(log):
        tensors = safetensors.torch.load(record)
        if "removed" in tensors:
            place = contents.find(tensors["removed"])
            if bool((place.row < 0).any()):
                raise ValueError("it removes patterns that are not there")
            contents = contents.without(place)
        else:
            contents = contents.added(coded(Segment(**tensors), contents.form))
    return contents


def _records(log: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(log):
        (size,) = struct.unpack_from("<Q", log, at)
        head = json.loads(log[at + 8 : at + 8 + size])
        ends = [one["data_offsets"][1] for name, one in head.items() if name != "__metadata__"]
        end = at + 8 + size + max(ends)
        yield log[at:end]
        at = end
