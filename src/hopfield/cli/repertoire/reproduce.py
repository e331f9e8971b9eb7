"""Run a published task on the files of a user who has them."""

import argparse
from pathlib import Path

from hopfield.cli.repertoire.train import add_run_options, print_first, run_options

RESUMES = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("task", choices=["cmv"], help="cmv: Emerson et al. 2017")
    parser.add_argument("--data", type=Path, required=True, help="its files, or metadata")
    parser.add_argument(
        "--out", type=Path, default=Path("cmv"), help="folder; what was stopped goes on (cmv)"
    )
    parser.add_argument("--cache", type=Path, help="folder that keeps what was read for next time")
    add_run_options(parser)


def run(options: argparse.Namespace) -> None:
    """Run `hopfield.repertoire.cmv.reproduce_cmv` and print what it found."""
    from hopfield.repertoire.cmv import PUBLISHED, reproduce_cmv

    report = reproduce_cmv(options.data, options.out, cache=options.cache, **run_options(options))
    print_first(f"{report}\n{PUBLISHED}")
