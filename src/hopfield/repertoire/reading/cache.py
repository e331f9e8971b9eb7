"""Readings kept in a folder: tensors as safetensors, all else as JSON in their metadata."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import fields
from importlib import metadata
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hopfield.files.whole import make_folder, written_whole
from hopfield.repertoire.reading.reading import Reading
from hopfield.repertoire.repertoire import Repertoire

VERSION = 3  # of the form of entries, and of the rules of reading
TENSORS = ("residues", "lengths", "v", "j", "counts")


def entry(folder: Path, digest: str, form: str | None, longest: int) -> Path:
    """Where a reading is kept: named by all that it depends on."""
    key = json.dumps([VERSION, metadata.version("tidytcells"), digest, form, longest])
    return folder / f"{hashlib.sha256(key.encode()).hexdigest()}.safetensors"


def save(entry: Path, reading: Reading) -> None:
    """Keep a reading."""
    tensors = {
        f"{locus}.{name}": tensor
        for locus, repertoire in reading.repertoires.items()
        for name, tensor in repertoire.arrays().items()
    }
    genes = {
        locus: (repertoire.v_genes, repertoire.j_genes)
        for locus, repertoire in reading.repertoires.items()
    }
    of_path = ("path", "repertoires")
    account = {f.name: getattr(reading, f.name) for f in fields(reading) if f.name not in of_path}
    text = json.dumps({"genes": genes, "account": account})
    make_folder(entry.parent)
    with written_whole(entry) as part:
        save_file(tensors, part, {"reading": text, "checksum": _checksum(text, tensors)})


def load(entry: Path, path: Path) -> Reading | None:
    """The reading that is kept for a file, its tensors mapped to memory; none if it is damaged."""
    try:
        with safe_open(entry, "pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            said = stored.metadata()
        if said["checksum"] != _checksum(said["reading"], tensors):
            return None
    except (OSError, SafetensorError, KeyError, TypeError):  # missing, cut off, of another program
        return None
    reading = json.loads(said["reading"])
    account = reading["account"] | {"notes": tuple(reading["account"]["notes"])}
    repertoires = {}
    for locus, (v_genes, j_genes) in reading["genes"].items():
        own = {name: tensors[f"{locus}.{name}"] for name in TENSORS}
        repertoires[locus] = Repertoire(
            locus=locus, v_genes=tuple(v_genes), j_genes=tuple(j_genes), **own
        )
    return Reading(path=path, repertoires=repertoires, **account)


def _checksum(text: str, tensors: Mapping[str, Tensor]) -> str:
    checksum = zlib.crc32(text.encode())
    for name in sorted(tensors):
        checksum = zlib.crc32(tensors[name].numpy().data, checksum)
    return str(checksum)
