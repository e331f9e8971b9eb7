"""Read every byte of a memory, and compare it with its checksum."""

import argparse

from hopfield.cli.memory.options import add_memory, tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_memory(parser)


def run(options: argparse.Namespace) -> None:
    """Run `hopfield.memory.files.upkeep.check` and print what was read."""
    from hopfield.memory.files.upkeep import check

    tell(options, check(options.path, progress=True))
