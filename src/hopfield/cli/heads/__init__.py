"""See what the attention heads of a transformer do."""

from hopfield.cli.heads.main import COMMANDS

__all__ = ["COMMANDS"]
