"""The command line: one file for each command, no logic."""

from hopfield.cli.main import main

__all__ = ["main"]
