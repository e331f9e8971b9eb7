"""Say what each head does with the states of a text, and write a report."""

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
    parser.add_argument("--max-length", type=int, help="tokens of a sequence (at most 512)")
    parser.add_argument("--max-sequences", type=int, help="(all)")
    parser.add_argument("--batch-size", type=int, default=8, help="sequences at once (8)")
    parser.add_argument("--revision", help="branch, tag or commit of a model on the hub")
    parser.add_argument("--dtype", default="auto", help="of the weights (as they are kept)")
    parser.add_argument("--device", default="auto", help="cpu, cuda … (a GPU where there is one)")
    parser.add_argument("--trust-remote-code", action="store_true", help="run the model's own code")
    parser.add_argument("--seed", type=int, default=0, help="of what is chosen at random (0)")


def run(options: argparse.Namespace) -> None:
    """Run `hopfield.heads.report.look` and print what it found."""
    from hopfield.heads.reading import read
    from hopfield.heads.report import look
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
