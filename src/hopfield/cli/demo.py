"""Retrieve handwritten digits, see the three phases, and check the theorems on them."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder to write to (demo)")
    parser.add_argument("--seed", type=int, default=0, help="of the split and the noise (0)")


def run(options: argparse.Namespace) -> None:
    """Run `hopfield.demo.demo` and print what it found."""
    from hopfield.demo import demo

    result = demo(options.out, seed=options.seed, progress=True)
    print(result)
