"""`hopfield repertoire COMMAND`: each command is a function of `hopfield.repertoire`."""

from hopfield.cli.repertoire import check, simulate

COMMANDS = {"simulate": simulate, "check": check}
