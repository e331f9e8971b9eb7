"""Classify immune repertoires."""

from hopfield.cli.repertoire.main import COMMANDS

__all__ = ["COMMANDS"]
