"""Store the patterns of files; all are checked before the first is stored."""

import argparse
from pathlib import Path

from hopfield.cli.memory.options import (
    FILES,
    add_memory,
    add_vectors_options,
    tell,
    vectors_options,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_memory(parser)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help=FILES)
    add_vectors_options(parser)


def run(options: argparse.Namespace) -> None:
    """Run `hopfield.memory.files.adding.add_files` and print what was added."""
    from hopfield.memory import Memory
    from hopfield.memory.files.adding import add_files, open_files

    with Memory.open(options.path) as memory:
        files = open_files(options.files, **vectors_options(options))
        tell(options, add_files(memory, files, progress=True))
