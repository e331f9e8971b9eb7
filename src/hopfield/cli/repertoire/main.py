"""`hopfield repertoire COMMAND`: each command is a function of `hopfield.repertoire`."""

from hopfield.cli.repertoire import check, explain, predict, reproduce, simulate, train

COMMANDS = {
    "simulate": simulate,
    "check": check,
    "train": train,
    "predict": predict,
    "explain": explain,
    "reproduce": reproduce,
}
