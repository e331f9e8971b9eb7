"""Say what each head does with the states of a text, and write a report."""

import argparse
from pathlib import Path

from hopfield.cli.heads.options import add_source_options, read_source

RESUMES = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_source_options(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder; what was stopped goes on")
    parser.add_argument("--mode", choices=["side", "exact", "sample"], help="(by the texts)")
    parser.add_argument(
        "--sample", type=int, default=32, help="states of a sequence, in mode sample (32)"
    )
    parser.add_argument(
        "--converge", action="store_true", help="is one step of attention the retrieval?"
    )
    parser.add_argument(
        "--gradients", action="store_true", help="the gradient of a loss, by kind of state"
    )
    parser.add_argument(
        "--space",
        action="store_true",
        help="how far keys are apart, and which part of the model wrote what heads read",
    )


def run(options: argparse.Namespace) -> None:
    """Run `hopfield.heads.report.look` and print what it found."""
    from hopfield.heads.report import look

    source, sequences = read_source(options)
    report = look(
        source,
        sequences,
        options.out,
        mode=options.mode,
        sample=options.sample,
        batch_size=options.batch_size,
        seed=options.seed,
        analyses=[
            *["convergence"] * options.converge,
            *["gradients"] * options.gradients,
            *["space", "flow"] * options.space,
        ],
        progress=True,
    )
    print(report)
