"""Check the statements of the paper's abstract, and write a report."""

import argparse
from pathlib import Path

RESUMES = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--quick", action="store_true", help="smaller, in less than three minutes")
    parser.add_argument(
        "--only", metavar="NAME", action="append", default=[], help="one claim; may be repeated"
    )
    parser.add_argument("--list", action="store_true", help="name the claims, and stop")
    parser.add_argument("--model", help="for claims on heads: folder, or name on the hub")
    parser.add_argument("--text", type=Path, help="for the model: file, or folder of .txt files")
    parser.add_argument("--out", type=Path, help="folder; what was stopped goes on (claims)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random (0)")


def run(options: argparse.Namespace) -> None:
    """Run `hopfield.claims.claims` and print what it found."""
    from hopfield.claims import CLAIMS, claims

    if options.list:
        width = max(map(len, CLAIMS))
        print("\n".join(f"{claim.name:<{width}}  {claim.says}" for claim in CLAIMS.values()))
        return
    out = options.out or Path("claims-quick" if options.quick else "claims")
    result = claims(
        out,
        quick=options.quick,
        only=options.only,
        model=options.model,
        text=options.text,
        seed=options.seed,
        progress=True,
    )
    print(result)
