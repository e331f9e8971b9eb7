"""The options that commands of a memory share, and how they tell what was done."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FILES = ".npy, .safetensors or .parquet"


def add_memory(parser: argparse.ArgumentParser) -> None:
    """The memory, and the form in which is told what was done."""
    parser.add_argument("path", type=Path, help="folder of the memory")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def add_vectors_options(parser: argparse.ArgumentParser) -> None:
    """Where patterns and what belongs to them are found in files."""
    group = parser.add_argument_group("files of patterns")
    group.add_argument("--column", metavar="NAME", help="of the vectors (the only one there is)")
    for name, what, usual in (
        ("values", "what patterns read out, vectors or labels", "values or labels"),
        ("ids", "whole numbers that no other pattern has", "ids"),
    ):
        group.add_argument(
            f"--{name}",
            metavar="COLUMN|FILE",
            help=f"{what}: a column, or a .npy file ({usual} of a .safetensors file)",
        )


def vectors_options(options: argparse.Namespace) -> dict[str, Any]:
    """What was chosen, as arguments of `hopfield.memory.files.adding.open_files`."""
    return {name: getattr(options, name) for name in ("column", "values", "ids")}


def tell(options: argparse.Namespace, result: "DataclassInstance") -> None:
    """Print what a command did."""
    print(json.dumps(asdict(result)) if options.json else result)
