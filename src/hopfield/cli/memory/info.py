"""Say what a memory is and holds."""

import argparse

from hopfield.cli.memory.options import add_memory, tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_memory(parser)


def run(options: argparse.Namespace) -> None:
    """Run `Memory.info` and print it."""
    from hopfield.memory import Memory

    tell(options, Memory.open(options.path).info())
