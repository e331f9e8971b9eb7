"""Rank the receptors and motifs that a model's answers rest on; for research use only."""

import argparse
from pathlib import Path

from hopfield.cli.repertoire.cohort import add_cohort_options, cohort_options
from hopfield.cli.repertoire.predict import add_model_and_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_model_and_path(parser)
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        help="TSV of ranked receptors; a page of motifs and a TSV of associations go beside it",
    )
    parser.add_argument("--motifs", type=Path, help="folder for matrices and logos, each a file")
    parser.add_argument("--top", type=int, default=50_000, help="receptors at most (50000)")
    parser.add_argument("--target", help="of several that the model predicts (the first)")
    parser.add_argument("--class", dest="output", help="that is explained (of two the positive)")
    parser.add_argument(
        "--redact", action="store_true", help="write no names of repertoires, and no sequences"
    )
    parser.add_argument("--strict", action="store_true", help="fail if a repertoire is left out")
    add_cohort_options(parser)


def run(options: argparse.Namespace) -> None:
    """Run `hopfield.repertoire.explanation.explain` and write what it found."""
    from hopfield import _check
    from hopfield.files.whole import check_writable, make_folder
    from hopfield.repertoire.explanation import explain
    from hopfield.repertoire.files import check_spared
    from hopfield.repertoire.prediction import loaded, read_for
    from hopfield.repertoire.report.explanation import write, write_motifs

    check_writable(options.out)
    if options.motifs is not None:
        make_folder(options.motifs)  # before the work, lest it be lost
    classifier = loaded(options.model, options.device)
    names = [task.name for task in classifier.tasks_.tasks]
    if options.target is not None:
        _check.choice("--target", options.target, names)
    data = read_for(classifier, options.path, strict=options.strict, **cohort_options(options))
    check_spared(options.out, options.path, data.files)
    found = explain(
        classifier,
        data,
        task=0 if options.target is None else names.index(options.target),
        output=options.output,
        top=options.top,
        progress=True,
    )
    found = found.redacted() if options.redact else found
    written = write(found, options.out)
    if options.motifs is not None:
        write_motifs(found, options.motifs)
    print(found)
    print(f"for research use only: {', '.join(map(str, written))}")
