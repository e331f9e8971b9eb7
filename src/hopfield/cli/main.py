"""`hopfield COMMAND`: each command is a function of the library."""

import argparse
import sys
import warnings

from hopfield._text import printable
from hopfield.cli import claims, demo, heads, repertoire
from hopfield.cli.commands import add_commands
from hopfield.errors import HopfieldError

COMMANDS = {"demo": demo, "claims": claims, "repertoire": repertoire, "heads": heads}


def main(arguments: list[str] | None = None) -> int:
    """Run a command: 0 if it went well, 1 with a message if it did not, 2 for bad usage."""
    parser = argparse.ArgumentParser(prog="hopfield", description="Modern Hopfield networks.")
    add_commands(parser, COMMANDS)
    options = parser.parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show  # type: ignore[assignment]
            options.run(options)
    except (HopfieldError, OSError) as error:
        print(f"hopfield: {printable(told(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"hopfield: {options.stopped}", file=sys.stderr)
        return 130
    return 0


def told(error: Exception) -> str:
    """What went wrong; of an error of the system its file and reason, without its number."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def show(message: Warning | str, *_: object) -> None:
    """A warning as users read it, without the line of code that gave it."""
    print(f"hopfield: {printable(str(message))}", file=sys.stderr)
