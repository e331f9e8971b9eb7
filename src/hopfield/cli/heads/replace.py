"""Replace as many heads of a model as a budget of harm allows, and save the smaller model."""

import argparse
from pathlib import Path

from hopfield.cli.heads.options import add_source_options, read_source

RESUMES = True
KINDS = ["gaussian", "uniform", "mean", "zero"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_source_options(parser)
    parser.add_argument("--save", type=Path, required=True, help="folder; what was stopped goes on")
    parser.add_argument(
        "--loss-budget",
        type=float,
        required=True,
        help="the most that the loss may rise, or 1 − cosine of embeddings, in the mean",
    )
    parser.add_argument(
        "--measure",
        choices=["auto", "causal", "masked", "embedding"],
        default="auto",
        help="of harm (the loss that the model was trained with, or else its embedding)",
    )
    parser.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=KINDS, help="what may replace a head (all)"
    )
    parser.add_argument("--epochs", type=int, default=0, help="of fine-tuning replacements (0)")


def run(options: argparse.Namespace) -> None:
    """Run `hopfield.heads.replacement.replace` and print what it found."""
    from hopfield.heads.replacement import replace

    source, sequences = read_source(options)
    smaller = replace(
        source,
        sequences,
        options.save,
        budget=options.loss_budget,
        measure=options.measure,
        kinds=options.kinds,
        epochs=options.epochs,
        batch_size=options.batch_size,
        max_length=options.max_length,
        seed=options.seed,
        progress=True,
    )
    print(smaller)
