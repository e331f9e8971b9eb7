"""The options of all commands that read a cohort."""

import argparse
from pathlib import Path
from typing import Any

DEVICE = "cpu, cuda … (a GPU where there is one)"


def add_cohort_options(parser: argparse.ArgumentParser) -> None:
    """How metadata and files are read."""
    group = parser.add_argument_group("reading")
    group.add_argument(
        "--locus", help="TRA, TRB, TRG, TRD, IGH, IGK or IGL (the only one there is)"
    )
    group.add_argument(
        "--format",
        help="airr, airr-ml, adaptive-v1, adaptive-v2, 10x, mixcr or vdjtools (that of each file)",
    )
    group.add_argument("--id-column", metavar="NAME", help="of the metadata: names of repertoires")
    group.add_argument("--file-column", metavar="NAME", help="of the metadata: their files")
    group.add_argument(
        "--outside", action="store_true", help="files may lie outside the folder of the metadata"
    )
    group.add_argument("--longest", type=int, default=60, help="residues of a junction (60)")
    group.add_argument("--cache", type=Path, help="folder that keeps what was read for next time")
    group.add_argument("--workers", type=int, help="files read at a time (one for each core)")


def cohort_options(options: argparse.Namespace) -> dict[str, Any]:
    """What was chosen, as arguments of `RepertoireDataset.from_metadata` and `check`."""
    names = ("locus", "format", "id_column", "file_column", "outside", "longest", "cache")
    chosen = {name: getattr(options, name) for name in (*names, "workers")}
    return chosen | {"progress": True}
