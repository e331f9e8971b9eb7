"""`Motif`: a k-mer, one with gaps or a position weight matrix, and where it may lie."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hopfield import _check
from hopfield._text import one_line
from hopfield.errors import ArgumentError, FileError
from hopfield.repertoire.files import check_regular
from hopfield.repertoire.repertoire import ALPHABET, CODES, LONGEST
from hopfield.repertoire.simulation.receptors import ANCHOR, Receptors

MOST_WEIGHT = 1e100
LEAST_BITS = 1e-6  # of what is less, rounding leaves nothing
MOST_BITS = float(np.log2(len(ALPHABET)))


@dataclass(frozen=True, eq=False)
class Motif:
    """Residues in a row: a k-mer, one with gaps, or a position weight matrix.

    Attributes:
        name: as it was written, for example SF.EN.
        weights: `(width, 20)`, probabilities of residues in the order of `ALPHABET`; a row of
            zeros is a gap, which keeps what the receptor has there.
        gene: the V gene of the receptors that may carry it; by default any.
        position: where it starts, counted from 1 at the junction's first residue; by default
            anywhere between the first three and the last three residues.
    """

    name: str
    weights: NDArray[np.float64]
    gene: str | None = None
    position: int | None = None

    def __post_init__(self) -> None:
        weights = np.asarray(self.weights, np.float64)
        if weights.ndim != 2 or weights.shape[1] != len(ALPHABET) or len(weights) == 0:
            raise ArgumentError(
                f"the weights of motif {self.name!r} have shape {weights.shape}; (width, 20) is "
                f"expected, residues in the order {ALPHABET}"
            )
        if not (weights <= MOST_WEIGHT).all() or (weights < 0).any() or not weights.any():
            raise ArgumentError(
                f"the weights of motif {self.name!r} must be numbers from 0 to {MOST_WEIGHT:g}, "
                f"and not all 0"
            )
        position = 1 if self.position is None else self.position
        if _check.positive_int("position", position) > LONGEST:
            raise ArgumentError(f"position is {position}; at most {LONGEST} is expected")
        total = weights.sum(1, keepdims=True)
        object.__setattr__(self, "weights", weights / np.where(total > 0, total, 1.0))

    @classmethod
    def parse(cls, text: str) -> "Motif":
        """Read a motif.

        `SFEN`; `SF.EN`, where a dot keeps what is there; `SFEN~2.5`, a matrix drawn `around` SFEN
        with 2.5 bits a position; each of them with `@TRBV5-1`, a V gene, `@4`, a position, or both.
        """
        name, *places = text.strip().split("@")
        consensus, drawn, bits = name.partition("~")
        motif = cls.around(consensus, _number(bits)) if drawn else cls(name, _one_hot(name))
        genes = [place for place in places if not place.isdecimal()]
        positions = [int(place) for place in places if place.isdecimal()]
        if len(genes) > 1 or len(positions) > 1:
            raise ArgumentError(f"motif {text!r}: one V gene and one position at most are expected")
        return replace(
            motif,
            name=text.strip(),
            gene=next(iter(genes), None),
            position=next(iter(positions), None),
        )

    @classmethod
    def around(cls, consensus: str, bits: float, seed: int = 0) -> "Motif":
        """A position weight matrix drawn round a consensus.

        Args:
            consensus: residues, with dots for gaps; the most likely residue of each position.
            bits: information content of each position against equal residues, up to log2 20.
            seed: of the draw of the other residues.
        """
        if not LEAST_BITS < bits < MOST_BITS:
            raise ArgumentError(
                f"bits is {bits!r}; above {LEAST_BITS:g} and below {MOST_BITS:.2f} is expected"
            )
        weights = _one_hot(consensus)
        logits = np.random.default_rng(seed).standard_normal(weights.shape)
        logits[weights > 0] = logits.max(1)[weights.any(1)] + 1
        for place in np.flatnonzero(weights.any(1)):
            weights[place] = _with_bits(logits[place], bits)
        return cls(f"{consensus}~{bits:g}", weights)

    @classmethod
    def read(cls, path: str | Path) -> "Motif":
        """A matrix from a TSV file: one column for each residue, one row for each position.

        Numbers are probabilities or counts; other columns are left aside.

        Raises:
            FileError: it is no such table.
            ArgumentError: its numbers are no weights.
        """
        path = Path(path)
        check_regular(path)
        try:
            frame = pl.read_csv(path.read_bytes(), separator="\t", infer_schema=False)
            if missing := [letter for letter in ALPHABET if letter not in frame.columns]:
                raise FileError(
                    f"{path} has no column {', '.join(missing)}; a header with the 20 residues and "
                    f"one row for each position, separated by tabs, is expected"
                )
            weights = frame.select(list(ALPHABET)).cast(pl.Float64).to_numpy()
        except pl.exceptions.PolarsError as error:
            raise FileError(f"{path} is no table of numbers: {one_line(error)}") from error
        return cls(path.stem, weights)

    def __len__(self) -> int:
        return len(self.weights)

    def fits(self, receptors: Receptors) -> NDArray[np.bool_]:
        """Which receptors can carry it, `(N,)`."""
        if self.position is None:
            fits = receptors.lengths >= len(self) + 2 * ANCHOR
        else:
            fits = receptors.lengths >= self.position - 1 + len(self)
        if self.gene is not None:
            if self.gene not in receptors.v_genes:
                some = ", ".join(receptors.v_genes[:5])
                raise ArgumentError(
                    f"motif {self.name!r} asks for V gene {self.gene!r}, which the background "
                    f"does not have; it has {some} …"
                )
            fits &= receptors.v == receptors.v_genes.index(self.gene)
        return fits

    def put(self, rng: np.random.Generator, receptors: Receptors) -> NDArray[np.int64]:
        """Write it over residues of all receptors given, in place; says where it starts."""
        if self.position is None:
            starts = rng.integers(ANCHOR, receptors.lengths - ANCHOR - len(self) + 1)
        else:
            starts = np.full(len(receptors), self.position - 1)
        rows = np.arange(len(receptors))
        for place, weights in enumerate(self.weights):
            if weights.any():
                drawn = 1 + rng.choice(len(ALPHABET), len(receptors), p=weights)
                receptors.residues[rows, starts + place] = drawn
        return starts + 1


def _one_hot(text: str) -> NDArray[np.float64]:
    """The weights of residues and gaps as written."""
    codes = CODES[np.frombuffer(text.encode(errors="replace"), np.uint8)]
    wrong = [letter for letter in text if letter not in ALPHABET + "."]
    if wrong or not codes.any():
        what = f"{wrong[0]!r} is no residue" if wrong else "it has no residue"
        raise ArgumentError(
            f"motif {text!r}: {what}; the letters {ALPHABET} and dots for gaps are expected, then "
            f"perhaps @ and a V gene, @ and a position"
        )
    return (codes[:, None] == np.arange(1, len(ALPHABET) + 1)).astype(np.float64)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ArgumentError(
            f"{text!r} is no number of bits; SFEN~2.5 is one motif with them"
        ) from error


def _with_bits(logits: NDArray[np.float64], bits: float) -> NDArray[np.float64]:
    """Probabilities `softmax(factor · logits)` of the wanted information content."""
    from scipy.optimize import brentq
    from scipy.special import softmax
    from scipy.stats import entropy

    def excess(factor: float) -> float:
        return MOST_BITS - entropy(softmax(factor * logits), base=2) - bits

    return softmax(brentq(excess, 0.0, 1e3) * logits)
