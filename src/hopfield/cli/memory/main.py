"""`hopfield memory COMMAND`: each command is a function of `hopfield.memory`."""

from hopfield.cli.memory import add, check, compact, create, index, info, remove, retrieve

COMMANDS = {
    "create": create,
    "add": add,
    "retrieve": retrieve,
    "remove": remove,
    "info": info,
    "check": check,
    "compact": compact,
    "index": index,
}
