"""Rank the receptors and motifs that a model's answers rest on; for research use only."""

import argparse
from pathlib import Path

from hopfield.cli.repertoire.cohort import add_cohort_options, cohort_options
from hopfield.cli.repertoire.predict import add_model_and_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add_model_and_path(parser)
    parser.add_argument("-o", "--out", type=Path, required=True, help="TSV of ranked receptors")
    parser.add_argument(
        "--motifs", type=Path, metavar="PATH", help="page (.html), or folder of logos and matrices"
    )
    parser.add_argument("--top", type=int, default=50_000, help="receptors at most (50000)")
    parser.add_argument("--target", help="of several that the model tells (the first)")
    parser.add_argument("--class", dest="output", help="that is explained (of two the positive)")
    parser.add_argument(
        "--redact", action="store_true", help="write no names of repertoires, and no sequences"
    )
    parser.add_argument("--strict", action="store_true", help="fail if a repertoire is left out")
    add_cohort_options(parser)


def run(options: argparse.Namespace) -> None:
    """Run `hopfield.repertoire.explanation.explain` and write what it found."""
    from hopfield import _check
    from hopfield.repertoire.explanation import explain
    from hopfield.repertoire.prediction import loaded, read_for
    from hopfield.repertoire.reading import write_table
    from hopfield.repertoire.report.explanation import write

    classifier = loaded(options.model)
    names = [task.name for task in classifier.tasks_.tasks]
    if options.target is not None:
        _check.choice("--target", options.target, names)
    data = read_for(classifier, options.path, strict=options.strict, **cohort_options(options))
    found = explain(
        classifier,
        data,
        task=0 if options.target is None else names.index(options.target),
        output=options.output,
        top=options.top,
        progress=True,
    )
    found = found.redacted() if options.redact else found
    write_table(found.sequences, options.out)
    if options.motifs is not None:
        write(found, options.motifs)
    print(found)
    print(f"receptors: {options.out} (for research use only)")
