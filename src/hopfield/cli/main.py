"""`hopfield COMMAND`: each command is a function of the library."""

import argparse
import json
import os
import sys
import warnings
from io import TextIOWrapper

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
    141 is for output that nobody reads to its end, as of all programs that a pipe stops. With
    `--json`, where a command has it, what did not go well is an object, too.
    """
    if isinstance(sys.stdout, TextIOWrapper):  # what the terminal cannot show is no reason to fail
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            return run(sys.argv[1:] if arguments is None else arguments)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as error:
        # What is left to be written must not fail again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 141
        print(f"hopfield: what was to be printed: {error.strerror}", file=sys.stderr)
        return 1


def run(arguments: list[str]) -> int:
    """The command, with all that it may raise but for output that cannot be written."""
    parser = argparse.ArgumentParser(prog="hopfield", description="Modern Hopfield networks.")
    add_commands(parser, COMMANDS)
    if any("\0" in argument for argument in arguments):
        parser.error("an argument has the character NUL, which no path may have")
    options = parser.parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show  # type: ignore[assignment]
            options.run(options)
    except BrokenPipeError:
        raise
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
