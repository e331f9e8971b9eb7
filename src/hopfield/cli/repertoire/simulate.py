"""Simulate repertoires, some of which carry a signal: AIRR files, metadata and the truth."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hopfield.repertoire.simulation import Background, Olga, Signal

RESUMES = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("out", type=Path, help="folder to write to; a run that was stopped goes on")
    parser.add_argument("--repertoires", type=int, default=400, help="how many (400)")
    parser.add_argument(
        "--sequences", type=int, default=10_000, help="distinct receptors of each (10000)"
    )
    signal = parser.add_mutually_exclusive_group()
    signal.add_argument(
        "--motif",
        default="SFEN",
        help="residues; dots are gaps, commas separate alternatives; then ~2.5 for a matrix drawn "
        "with 2.5 bits a position, @TRBV5-1 for a V gene, @4 for a position (SFEN)",
    )
    signal.add_argument(
        "--pwm", type=Path, nargs="+", help="TSV files, a column for each residue: one motif each"
    )
    signal.add_argument("--clones", type=int, help="a set of so many public clones")
    parser.add_argument(
        "--mismatches", type=int, help="residues in which copies of clones may differ (0)"
    )
    parser.add_argument(
        "--witness",
        type=float,
        default=0.001,
        help="receptors of a positive repertoire that carry it: a share, or how many (0.001)",
    )
    parser.add_argument("--poisson", action="store_true", help="draw how many from that mean")
    parser.add_argument("--positive", type=float, default=0.5, help="share of repertoires (0.5)")
    parser.add_argument("--subjects", type=int, help="people the repertoires are of (one each)")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--background", type=Path, help="metadata, folder or file to learn receptors from"
    )
    source.add_argument("--olga", metavar="MODEL", help="a model of OLGA, if you have it: humanTRB")
    parser.add_argument("--locus", help="of the background, where it has several")
    parser.add_argument(
        "--depth-effect",
        type=float,
        default=0.0,
        help="confounder: positive repertoires have this share more receptors (0)",
    )
    parser.add_argument("--batches", type=int, default=1, help="batches that differ in V genes (1)")
    parser.add_argument(
        "--batch-bias",
        type=float,
        default=0.0,
        help="confounder: share of the positive repertoires that are of the first batch (0)",
    )
    parser.add_argument("--gz", action="store_true", help="pack the files")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (0)")


def run(options: argparse.Namespace) -> None:
    """Run `hopfield.repertoire.simulation.simulate` and print where the metadata is."""
    from hopfield.repertoire.files import TRUTH_TABLE
    from hopfield.repertoire.simulation import simulate

    names = ("repertoires", "sequences", "witness", "poisson", "positive", "subjects", "gz", "seed")
    confounders = ("depth_effect", "batches", "batch_bias")
    metadata = simulate(
        options.out,
        signal=_signal(options),
        background=_background(options),
        progress=True,
        **{name: getattr(options, name) for name in (*names, *confounders)},
    )
    print(f"{options.repertoires} repertoires: {metadata}")
    print(f"what they carry: {metadata.with_name(TRUTH_TABLE)}")


def _signal(options: argparse.Namespace) -> "str | Signal":
    from hopfield import _check
    from hopfield.repertoire.simulation import Motif, Motifs, PublicClones

    if options.clones is not None:
        number = _check.positive_int("--clones", options.clones)
        return PublicClones(number, options.mismatches or 0)
    _check.unused(options.mismatches, "--mismatches", "there are no --clones")
    if options.pwm is not None:
        return Motifs(tuple(Motif.read(path) for path in options.pwm))
    motif: str = options.motif
    return motif


def _background(options: argparse.Namespace) -> "Background | Olga | None":
    from hopfield import _check
    from hopfield.repertoire.simulation import Background, Olga

    if options.background is not None:
        return Background.of(options.background, options.locus)
    _check.unused(options.locus, "--locus", "there is no --background that has several")
    return None if options.olga is None else Olga(options.olga)
