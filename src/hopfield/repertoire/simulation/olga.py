"""`Olga`: receptors from the generative models of OLGA, where the user has installed it."""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hopfield._text import one_line
from hopfield.errors import ArgumentError, MissingExtraError
from hopfield.repertoire.repertoire import CODES, LOCI
from hopfield.repertoire.simulation.background import Background
from hopfield.repertoire.simulation.receptors import Receptors

PROGRAM = "olga-generate_sequences"


@dataclass(frozen=True)
class Olga:
    """Receptors that OLGA generates (Sethna et al. 2019, Bioinformatics 35, 2974), in its process.

    OLGA has no clone sizes: they are those of the shipped background.

    Attributes:
        model: one of its models: humanTRB, humanTRA, humanIGH, mouseTRB …
    """

    model: str

    def __post_init__(self) -> None:
        if self.locus not in LOCI:
            raise ArgumentError(
                f"model is {self.model!r}; a species and a locus are expected, as in humanTRB"
            )
        if shutil.which(PROGRAM) is None:
            raise MissingExtraError(
                f"{PROGRAM} is not installed; install OLGA (GPL-3) with: pip install olga, or "
                f"leave it out for the shipped background"
            )

    @property
    def locus(self) -> str:
        """One of `LOCI`."""
        return self.model[-3:]

    def draw(self, rng: np.random.Generator, number: int) -> Receptors:
        """Draw receptors; some may be equal."""
        with tempfile.TemporaryDirectory() as folder:
            table = Path(folder, "receptors.tsv")
            seed = str(rng.integers(2**31))
            arguments = [f"--{self.model}", "-n", str(number), "--seed", seed, "-o", str(table)]
            process = subprocess.run(
                [PROGRAM, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            if process.returncode != 0 or not table.exists():
                raise ArgumentError(f"{PROGRAM} {' '.join(arguments)}: {one_line(process.stdout)}")
            return _read(table)

    def draw_counts(self, rng: np.random.Generator, number: int) -> NDArray[np.int64]:
        """Draw clone sizes, `(number,)`."""
        return Background.default().draw_counts(rng, number)


def _read(table: Path) -> Receptors:
    """Lines of nucleotides, junction, V gene and J gene."""
    names = ["nucleotides", "junction_aa", "v_call", "j_call"]
    rows = pl.read_csv(table, separator="\t", has_header=False, new_columns=names)
    junctions = np.array(rows["junction_aa"].to_list(), dtype=np.bytes_)
    residues = CODES[junctions.view(np.uint8).reshape(len(junctions), -1)]
    lengths = (residues > 0).sum(1)
    genes = {}
    for name in ("v_call", "j_call"):
        calls = rows[name].str.replace(r"\*.*", "").to_numpy()
        genes[name] = np.unique(calls.astype(str), return_inverse=True)
    (v_genes, v), (j_genes, j) = genes.values()
    return Receptors(residues, lengths, v, j, tuple(v_genes.tolist()), tuple(j_genes.tolist()))
