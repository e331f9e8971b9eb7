"""Write small segments into large ones, and give back the bytes of what was removed."""

import argparse

from hopfield.cli.memory.options import add_memory, tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_memory(parser)


def run(options: argparse.Namespace) -> None:
    """Run `hopfield.memory.files.upkeep.compact` and print the memory before and after."""
    from hopfield.memory import Memory
    from hopfield.memory.files.upkeep import compact

    with Memory.open(options.path) as memory:
        tell(options, compact(memory, progress=True))
