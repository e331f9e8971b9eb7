"""Say what would be read of a cohort, what dropped and changed, and why."""

import argparse
from pathlib import Path

from hopfield.cli.repertoire.cohort import add_cohort_options, cohort_options
from hopfield.errors import FileError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("path", type=Path, help="metadata, folder, or one file of receptors")
    parser.add_argument(
        "--label", action="append", default=[], help="column to predict; may be given again"
    )
    parser.add_argument("--strict", action="store_true", help="fail if there is any problem")
    parser.add_argument("-o", "--out", type=Path, help="write the table of files to this TSV")
    add_cohort_options(parser)


def run(options: argparse.Namespace) -> None:
    """Run `hopfield.repertoire.check` and print what it found."""
    from hopfield.files.whole import check_writable
    from hopfield.repertoire.checking import check
    from hopfield.repertoire.files import check_spared
    from hopfield.repertoire.reading import write_table

    if options.out is not None:
        check_writable(options.out)
    found = check(options.path, labels=options.label, **cohort_options(options))
    print(found)
    if options.out is not None:
        check_spared(options.out, options.path, found.files)
        write_table(found.table, options.out)
    if options.strict and found.problems:
        raise FileError(f"problems: {len(found.problems)}")
