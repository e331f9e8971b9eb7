"""Watch the heads of a model from checkpoint to checkpoint."""

import argparse
from pathlib import Path

from hopfield.cli.heads.options import add_model_options, model_options

RESUMES = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("model", help="folder, or name on the hub")
    parser.add_argument(
        "--revisions", required=True, help="folders in it, or revisions on the hub: a,b,c"
    )
    parser.add_argument("--text", type=Path, required=True, help="file, or folder of .txt files")
    parser.add_argument("--out", type=Path, required=True, help="folder; what was stopped goes on")
    parser.add_argument("--mode", choices=["side", "exact", "sample"], help="(by the texts)")
    add_model_options(parser)


def run(options: argparse.Namespace) -> None:
    """Run `hopfield.heads.watch`, print what it found and write the page."""
    from hopfield.heads.corpus import read_texts
    from hopfield.heads.over_steps import write
    from hopfield.heads.watch import watch

    history = watch(
        options.model,
        [name.strip() for name in options.revisions.split(",")],
        read_texts(options.text),
        options.out,
        mode=options.mode,
        max_length=options.max_length,
        batch_size=options.batch_size,
        progress=True,
        **model_options(options),
    )
    page = write(options.out)
    print(history, f"report: {page}", sep="\n\n")
