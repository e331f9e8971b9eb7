"""Say what a model predicts of new repertoires; for research use only."""

import argparse
from pathlib import Path

from hopfield.cli.repertoire.cohort import DEVICE, add_cohort_options, cohort_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_model_and_path(parser)
    parser.add_argument("-o", "--out", type=Path, required=True, help="TSV of predictions")
    parser.add_argument("--strict", action="store_true", help="fail if a repertoire is left out")
    add_cohort_options(parser)


def run(options: argparse.Namespace) -> None:
    """Run `hopfield.repertoire.prediction.predict` and write what it found."""
    import polars.selectors as cs

    from hopfield.files.whole import check_writable
    from hopfield.repertoire.files import check_spared
    from hopfield.repertoire.prediction import loaded, predict, read_for
    from hopfield.repertoire.reading import write_table

    check_writable(options.out)
    classifier = loaded(options.model, options.device)
    data = read_for(classifier, options.path, strict=options.strict, **cohort_options(options))
    check_spared(options.out, options.path, data.files)
    found = predict(classifier, data, progress=True)
    quantities = cs.float() & cs.starts_with("predicted: ")
    probabilities = cs.float() - quantities
    rounded = found.with_columns(probabilities.round(6), quantities.round_sig_figs(6))
    write_table(rounded, options.out)
    told = found["receptors"].is_not_null().sum()
    print(f"{told} of {len(found)} repertoires: {options.out} (for research use only)")


def add_model_and_path(parser: argparse.ArgumentParser) -> None:
    """The model, and what it is used on."""
    parser.add_argument("model", type=Path, help="folder of a model, such as run/model")
    parser.add_argument("path", type=Path, help="metadata, folder, or one file of receptors")
    parser.add_argument("--device", default="auto", help=DEVICE)
