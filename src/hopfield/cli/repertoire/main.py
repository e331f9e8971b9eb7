"""`hopfield repertoire COMMAND`: each command is a function of `hopfield.repertoire`."""

from hopfield.cli.repertoire import check, reproduce, simulate, train

COMMANDS = {"simulate": simulate, "check": check, "train": train, "reproduce": reproduce}
