"""`hopfield COMMAND`: each command is a function of the library."""

import argparse
import sys

from hopfield.cli import demo
from hopfield.errors import HopfieldError

COMMANDS = {"demo": demo}


def main(arguments: list[str] | None = None) -> int:
    """Run a command: 0 if it went well, 1 with a message if it did not, 2 for bad usage."""
    parser = argparse.ArgumentParser(prog="hopfield", description="Modern Hopfield networks.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        summary = (module.__doc__ or "").partition("\n")[0]
        command = commands.add_parser(name, help=summary, description=summary)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except (HopfieldError, OSError) as error:
        print(f"hopfield: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("hopfield: stopped", file=sys.stderr)
        return 130
    return 0
