"""Forget patterns."""

import argparse
from pathlib import Path

from hopfield.cli.memory.options import FILES, add_memory, tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_memory(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("id", type=int, nargs="*", default=[], metavar="ID", help="of a pattern")
    which.add_argument("--ids", type=Path, metavar="FILE", help=f"of ids: {FILES}")


def run(options: argparse.Namespace) -> None:
    """Run `hopfield.memory.files.removing.remove` and print what is left."""
    from hopfield.memory import Memory
    from hopfield.memory.files.removing import remove

    with Memory.open(options.path) as memory:
        tell(options, remove(memory, options.id if options.ids is None else options.ids))
