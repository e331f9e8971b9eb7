"""Set the heads of two models, or of two checkpoints of one, side by side."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    for name in ("first", "second"):
        parser.add_argument(name, type=Path, help="folder that `hopfield heads probe` wrote to")
    parser.add_argument(
        "--out", type=Path, default=Path("comparison"), help="folder to write to (comparison)"
    )


def run(options: argparse.Namespace) -> None:
    """Run `hopfield.heads.compare.compare` and print what it found."""
    from hopfield.heads.compare import compare

    print(compare(options.first, options.second, options.out))
