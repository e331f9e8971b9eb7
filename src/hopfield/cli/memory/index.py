"""Sort the patterns into lists, so that retrieval need not compare all of them."""

import argparse

from hopfield.cli.memory.options import add_memory, tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_memory(parser)
    parser.add_argument("--lists", type=int, help="how many (4 √N)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random (0)")


def run(options: argparse.Namespace) -> None:
    """Run `Memory.build_index` and print what the memory is."""
    from hopfield.memory import Memory

    with Memory.open(options.path) as memory:
        memory.build_index(options.lists, seed=options.seed, progress=True)
        tell(options, memory.info())
