"""Retrieve from the states of a file; few are printed state by state, of many a summary."""

import argparse
from pathlib import Path

from hopfield.cli.memory.options import FILES, add_memory, tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_memory(parser)
    parser.add_argument("file", type=Path, metavar="FILE", help=f"of states: {FILES}")
    parser.add_argument("--column", metavar="NAME", help="of the states (the only one there is)")
    parser.add_argument("--steps", type=int, default=1, help="associations at most (1)")
    parser.add_argument("--tol", type=float, help="movement of a state that has converged (none)")
    parser.add_argument(
        "--rtol", type=float, help="of a memory with --scan int8: proved error, in pattern lengths"
    )
    parser.add_argument(
        "--lists", type=int, help="ask the index: compare so many lists (all patterns)"
    )
    parser.add_argument("--samples", type=int, help="and so many patterns of other lists")
    parser.add_argument("--k", type=int, help="also the patterns that states then rest on most")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help=f"{FILES}; of .npy each array in a file"
    )


def run(options: argparse.Namespace) -> None:
    """Run `hopfield.memory.files.retrieving.retrieve_file` and print what was found."""
    from hopfield.memory import Memory, Probe
    from hopfield.memory.files.retrieving import retrieve_file

    names = ("column", "steps", "tol", "rtol", "k", "out")
    chosen = {name: getattr(options, name) for name in names}
    asked = {name: getattr(options, name) for name in ("lists", "samples")}
    asked = {name: value for name, value in asked.items() if value is not None}
    chosen["index"] = Probe(**asked) if asked else None
    with Memory.open(options.path) as memory:
        tell(options, retrieve_file(memory, options.file, progress=True, **chosen))
