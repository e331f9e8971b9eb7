"""Commands as parsers: a module with `add_arguments` and `run`, or a package with `COMMANDS`.

A module with `RESUMES` goes on where it was stopped, and says so.
"""

import argparse
from collections.abc import Mapping
from types import ModuleType


def add_commands(parser: argparse.ArgumentParser, modules: Mapping[str, ModuleType]) -> None:
    """A command for each module, called by its name.

    The first line of the text of the module is its summary; the rest stands below its options.
    """
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, module in modules.items():
        summary, _, rest = (module.__doc__ or "").partition("\n")
        command = commands.add_parser(name, help=summary, description=summary, epilog=rest)
        if hasattr(module, "COMMANDS"):
            add_commands(command, module.COMMANDS)
        else:
            module.add_arguments(command)
            goes_on = "; the same command goes on from there" * hasattr(module, "RESUMES")
            command.set_defaults(run=module.run, stopped=f"stopped{goes_on}")
