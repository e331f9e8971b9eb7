"""`hopfield heads COMMAND`: each command is a function of `hopfield.heads`."""

from hopfield.cli.heads import compare, probe, replace, watch

COMMANDS = {"probe": probe, "compare": compare, "replace": replace, "watch": watch}
