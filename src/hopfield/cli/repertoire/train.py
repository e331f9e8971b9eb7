"""Train a classifier of repertoires, compare it with others by cross-validation, write a report."""

import argparse
from pathlib import Path
from typing import Any

from hopfield.cli.repertoire.cohort import add_cohort_options, cohort_options

RESUMES = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--metadata", type=Path, required=True, help="table, document or folder")
    parser.add_argument(
        "--label", action="append", required=True, help="column to predict; may be given again"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder; what was stopped goes on")
    parser.add_argument("--kind", help="binary, multiclass or regression (by the values)")
    parser.add_argument("--positive", metavar="VALUE", help="of two values the positive one")
    parser.add_argument("--strict", action="store_true", help="fail if a repertoire is left out")
    group = parser.add_argument_group("validation")
    group.add_argument("--folds", type=int, default=5, help="of the cross-validation (5)")
    group.add_argument("--split-column", metavar="NAME", help="of train and test, in place of it")
    for name, what in (("subject", "is never split"), ("batch", "is left out in turn")):
        group.add_argument(
            f"--{name}-column", default="auto", metavar="NAME", help=f"each {what} (usual names)"
        )
        group.add_argument(f"--no-{name}", action="store_true", help="though there is a column")
    group.add_argument(
        "--shuffle-labels", type=int, metavar="SEED", help="to look for leaks: AUC must be 0.5"
    )
    add_run_options(parser)
    add_cohort_options(parser)


def run(options: argparse.Namespace) -> None:
    """Run `hopfield.repertoire.run.train` and print what it found."""
    from hopfield.repertoire.dataset import RepertoireDataset
    from hopfield.repertoire.run import train

    chosen = run_options(options)
    chosen["classifier"].training()  # before files are read
    data = RepertoireDataset.from_metadata(
        options.metadata, strict=options.strict, **cohort_options(options)
    )
    report = train(
        data,
        options.label,
        options.out,
        kind=options.kind,
        positive=options.positive,
        folds=options.folds,
        split=options.split_column,
        subject=None if options.no_subject else options.subject_column,
        batch=None if options.no_batch else options.batch_column,
        shuffle_labels=options.shuffle_labels,
        **chosen,
    )
    print_first(report)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """How models are fit, and what is written of them."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--inner-folds", type=int, default=3, help="that choose settings; 0 for none (3)"
    )
    group.add_argument("--epochs", type=int, default=12, help="at most (12)")
    group.add_argument("--batch-size", type=int, default=4, help="repertoires in an update (4)")
    group.add_argument("--learning-rate", type=float, default=3e-3, help="of Adam (0.003)")
    group.add_argument("--most-kmers", type=int, default=32, help="that training starts at (32)")
    group.add_argument("--approximate", type=float, help="share of receptors in gradients (all)")
    group.add_argument("--device", default="auto", help="cpu, cuda … (a GPU where there is one)")
    group.add_argument("--seed", type=int, default=0, help="of folds and models (0)")
    group.add_argument(
        "--redact", action="store_true", help="write no names of people, and no sequences"
    )


def run_options(options: argparse.Namespace) -> dict[str, Any]:
    """What was chosen, as arguments of `train`."""
    from hopfield.repertoire.classifier import RepertoireClassifier

    names = ("epochs", "learning_rate", "most_kmers", "approximate", "device")
    chosen = {name: getattr(options, name) for name in names}
    return {
        "classifier": RepertoireClassifier(batch=options.batch_size, **chosen),
        "inner_folds": options.inner_folds,
        "redact": options.redact,
        "seed": options.seed,
        "progress": True,
    }


def print_first(report: object) -> None:
    """Print a report; of several processes the first alone does."""
    import os

    if os.environ.get("RANK", "0") == "0":
        print(report)
