"""`hopfield COMMAND`: each command is a function of the library."""

import argparse
import json
import sys
import warnings

from hopfield._text import printable
from hopfield.cli import claims, demo, heads, memory, repertoire
from hopfield.cli.commands import add_commands
from hopfield.errors import HopfieldError, MemoryCorrupt, MemoryLockedError

COMMANDS = {
    "demo": demo,
    "claims": claims,
    "memory": memory,
    "repertoire": repertoire,
    "heads": heads,
}
STATUS: dict[type[Exception], int] = {MemoryCorrupt: 3, MemoryLockedError: 4}


def main(arguments: list[str] | None = None) -> int:
    """Run a command: 0 if it went well, 1 with a message if it did not, 2 for bad usage.

    3 is a memory that is damaged, 4 one that another process writes to; 130 is for being stopped.
    With `--json`, where a command has it, what did not go well is an object, too.
    """
    parser = argparse.ArgumentParser(prog="hopfield", description="Modern Hopfield networks.")
    add_commands(parser, COMMANDS)
    options = parser.parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show  # type: ignore[assignment]
            options.run(options)
    except (HopfieldError, OSError) as error:
        if getattr(options, "json", False):
            print(json.dumps({"error": type(error).__name__, "message": told(error)}))
        print(f"hopfield: {printable(told(error))}", file=sys.stderr)
        return next((code for kind, code in STATUS.items() if isinstance(error, kind)), 1)
    except KeyboardInterrupt as stopped:
        print(f"hopfield: {noted(options.stopped, stopped)}", file=sys.stderr)
        return 130
    return 0


def told(error: Exception) -> str:
    """What went wrong; of an error of the system its file and reason, without its number."""
    if isinstance(error, OSError) and error.filename is not None:
        return noted(f"{error.filename}: {error.strerror}", error)
    return noted(str(error), error)


def noted(text: str, error: BaseException) -> str:
    """The text with the notes of an error: where it was met, and what was done before."""
    return "; ".join([text, *getattr(error, "__notes__", [])])


def show(message: Warning | str, *_: object) -> None:
    """A warning as users read it, without the line of code that gave it."""
    print(f"hopfield: {printable(str(message))}", file=sys.stderr)
