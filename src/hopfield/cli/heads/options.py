"""The options of all commands that load a model, and that read what it is looked at with."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hopfield.heads import Corpus, Source


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """How a model is loaded and run."""
    group = parser.add_argument_group("model")
    group.add_argument("--max-length", type=int, help="tokens of a sequence (at most 512)")
    group.add_argument("--batch-size", type=int, default=8, help="sequences at once (8)")
    group.add_argument("--dtype", default="auto", help="of the weights (as they are kept)")
    group.add_argument("--device", default="auto", help="cpu, cuda … (a GPU where there is one)")
    group.add_argument("--trust-remote-code", action="store_true", help="run the model's own code")


def model_options(options: argparse.Namespace) -> dict[str, Any]:
    """What was chosen, as arguments of `hopfield.heads.load`."""
    return {name: getattr(options, name) for name in ("dtype", "device", "trust_remote_code")}


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """A model, and what it is looked at with."""
    parser.add_argument("model", help="folder, or name on the hub")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--text", type=Path, help="file, or folder of .txt files")
    what.add_argument("--dataset", metavar="NAME[:SPLIT[:COLUMN]]", help="of the hub (train, text)")
    what.add_argument("--images", type=Path, help="folder of them, for models that see")
    parser.add_argument("--max-sequences", type=int, help="(all)")
    parser.add_argument("--seed", type=int, default=0, help="of what is chosen at random (0)")
    parser.add_argument("--revision", help="branch, tag or commit of a model on the hub")
    add_model_options(parser)


def read_source(options: argparse.Namespace) -> "tuple[Source, Corpus]":
    """The model and the sequences that were asked for."""
    from hopfield.heads.reading import read
    from hopfield.heads.source import load

    source = load(options.model, revision=options.revision, **model_options(options))
    sequences = read(
        source,
        text=options.text,
        dataset=options.dataset,
        images=options.images,
        max_length=options.max_length,
        max_sequences=options.max_sequences,
        progress=True,
    )
    return source, sequences
