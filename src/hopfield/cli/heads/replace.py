"""Replace as many heads of a model as a budget of harm allows, and save the smaller model."""

import argparse
from pathlib import Path

RESUMES = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("model", help="folder, or name on the hub")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--text", type=Path, help="file, or folder of .txt files")
    what.add_argument("--dataset", metavar="NAME[:SPLIT[:COLUMN]]", help="of the hub (train, text)")
    what.add_argument("--images", type=Path, help="folder of them, for models that see")
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
        "--kinds",
        nargs="+",
        choices=["gaussian", "uniform", "mean", "zero"],
        default=["gaussian", "uniform", "mean", "zero"],
        help="what may replace a head (all)",
    )
    parser.add_argument("--epochs", type=int, default=0, help="of fine-tuning replacements (0)")
    parser.add_argument("--max-length", type=int, help="tokens of a sequence (at most 512)")
    parser.add_argument("--max-sequences", type=int, help="(all)")
    parser.add_argument("--batch-size", type=int, default=8, help="sequences at once (8)")
    parser.add_argument("--revision", help="branch, tag or commit of a model on the hub")
    parser.add_argument("--dtype", default="auto", help="of the weights (as they are kept)")
    parser.add_argument("--device", default="auto", help="cpu, cuda … (a GPU where there is one)")
    parser.add_argument("--trust-remote-code", action="store_true", help="run the model's own code")
    parser.add_argument("--seed", type=int, default=0, help="of what is chosen at random (0)")


def run(options: argparse.Namespace) -> None:
    """Run `hopfield.heads.replacement.replace` and print what it found."""
    from hopfield.heads.reading import read
    from hopfield.heads.replacement import replace
    from hopfield.heads.source import load

    source = load(
        options.model,
        revision=options.revision,
        dtype=options.dtype,
        device=options.device,
        trust_remote_code=options.trust_remote_code,
    )
    sequences = read(
        source,
        text=options.text,
        dataset=options.dataset,
        images=options.images,
        max_length=options.max_length,
        most=options.max_sequences,
        progress=True,
    )
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
