"""Make a memory, empty or of the patterns of files."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hopfield.cli.memory.options import (
    FILES,
    add_memory,
    add_vectors_options,
    tell,
    vectors_options,
)

if TYPE_CHECKING:
    from hopfield.separation import Separation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_memory(parser)
    width = parser.add_mutually_exclusive_group(required=True)
    width.add_argument("--dim", type=int, help="width of patterns and states")
    width.add_argument(
        "--from",
        dest="files",
        type=Path,
        action="append",
        metavar="FILE",
        help=f"of patterns to store: {FILES}; may be given again",
    )
    parser.add_argument(
        "--beta", type=beta, metavar="auto|NUMBER", help="inverse temperature (1/√d)"
    )
    parser.add_argument(
        "--similarity", default="dot", choices=["dot", "euclidean", "cosine"], help="(dot)"
    )
    parser.add_argument(
        "--separation",
        type=separation,
        default="softmax",
        metavar="softmax|softmax1|topk:K",
        help="of scores (softmax)",
    )
    parser.add_argument(
        "--dtype", default="float32", choices=["float32", "bfloat16"], help="stored (float32)"
    )
    parser.add_argument(
        "--scan",
        default="exact",
        choices=["exact", "int8"],
        help="int8: first codes in a quarter of the bytes, with a proved bound (exact)",
    )
    add_vectors_options(parser)


def run(options: argparse.Namespace) -> None:
    """Run `hopfield.memory.files.creating.create` and print what was made."""
    from hopfield.memory.files.creating import create

    names = ("dim", "files", "beta", "similarity", "separation", "dtype", "scan")
    chosen = {name: getattr(options, name) for name in names}
    tell(options, create(options.path, progress=True, **chosen, **vectors_options(options)))


def beta(text: str) -> float | str:
    """A number, or auto."""
    return text if text == "auto" else float(text)


def separation(text: str) -> "str | Separation":
    """The name of a separation, or top-k with its k."""
    from hopfield.separation import TopK

    name, colon, k = text.partition(":")
    return TopK(int(k)) if (name, colon) == ("topk", ":") else text
