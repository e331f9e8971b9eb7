"""Signals: what tells the repertoires of the sick, and how it is put into receptors."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.repertoire.repertoire import ALPHABET, CODES
from hopfield.repertoire.simulation.receptors import Receptors, Source, draw_distinct

ANCHOR = 3  # residues at either end of a junction that nothing is implanted over by chance
SPARE = 16  # receptors tried beyond twice those wanted, as some may be equal with the motif
MOST_BITS = float(np.log2(len(ALPHABET)))


@dataclass(frozen=True, eq=False)
class Carriers:
    """Receptors that carry a signal, all different, and whose places they take.

    Attributes:
        receptors: `(W,)`, with the signal.
        rows: `(W,)`, the receptors that they take the places of.
        motifs: `(W,)`, the name of the motif that each carries.
        positions: `(W,)`, where it starts, counted from 1 at the junction's first residue; 0 for a
            clone, which is the whole junction.
    """

    receptors: Receptors
    rows: NDArray[np.int64]
    motifs: tuple[str, ...]
    positions: NDArray[np.int64]


class Signal(ABC):
    """What positive repertoires carry and negative ones do not, but by nature."""

    def prepared(self, rng: np.random.Generator, source: Source) -> "Signal":
        """The signal with what all its repertoires share; clones are drawn here."""
        return self

    def most(self, receptors: int) -> int:
        """The most witnesses that a repertoire of so many receptors can have."""
        return receptors

    @abstractmethod
    def implant(self, rng: np.random.Generator, receptors: Receptors, witnesses: int) -> Carriers:
        """Put the signal into so many of the receptors.

        Raises:
            ArgumentError: too few receptors can carry it.
        """


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
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
            raise ArgumentError(
                f"the weights of motif {self.name!r} must be finite, not negative and not all 0"
            )
        if self.position is not None:
            _check.positive_int("position", self.position)
        total = weights.sum(1, keepdims=True)
        object.__setattr__(self, "weights", weights / np.where(total > 0, total, 1.0))

    @classmethod
    def parse(cls, text: str) -> "Motif":
        """Read `SFEN`, `SF.EN` (a dot keeps what is there), `SFEN@TRBV5-1`, `SFEN@4` or both."""
        name, *places = text.strip().split("@")
        motif = cls(name, _one_hot(name))
        for place in places:
            number = place.isdecimal()
            motif = replace(motif, **{"position": int(place)} if number else {"gene": place})
        return replace(motif, name=text.strip())

    @classmethod
    def around(cls, consensus: str, bits: float, seed: int = 0) -> "Motif":
        """A position weight matrix drawn round a consensus.

        Args:
            consensus: residues, with dots for gaps; the most likely residue of each position.
            bits: information content of each position against equal residues, up to log2 20.
            seed: of the draw of the other residues.
        """
        if not 0 < bits < MOST_BITS:
            raise ArgumentError(f"bits is {bits!r}; above 0 and below {MOST_BITS:.2f} is expected")
        consensus_only = _one_hot(consensus)
        logits = np.random.default_rng(seed).standard_normal(consensus_only.shape)
        logits += consensus_only * (1 + logits.max(1, keepdims=True) - logits)
        low, high = np.zeros((len(logits), 1)), np.full((len(logits), 1), 1e3)
        for _ in range(60):  # information rises with the factor of the logits: halve the interval
            middle = (low + high) / 2
            weights = _softmax(middle * logits)
            entropy = -(weights * np.log2(np.maximum(weights, 1e-300))).sum(1, keepdims=True)
            enough = MOST_BITS - entropy > bits
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return cls(f"{consensus}~{bits:g}", weights * consensus_only.any(1, keepdims=True))

    @classmethod
    def read(cls, path: str | Path) -> "Motif":
        """A matrix from a TSV file: one column for each residue, one row for each position.

        Numbers are probabilities or counts; other columns are left aside.
        """
        frame = pl.read_csv(path, separator="\t")
        missing = [letter for letter in ALPHABET if letter not in frame.columns]
        if missing:
            raise ArgumentError(
                f"{path} has no column {', '.join(missing)}; a header with the 20 residues and "
                f"one row for each position, separated by tabs, is expected"
            )
        return cls(Path(path).stem, frame.select(list(ALPHABET)).cast(pl.Float64).to_numpy())

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


@dataclass(frozen=True, eq=False)
class Motifs(Signal):
    """Motifs, of which each witness carries one, drawn with equal chances."""

    motifs: tuple[Motif, ...]

    @classmethod
    def parse(cls, text: str) -> "Motifs":
        """Motifs separated by commas: see `Motif.parse`."""
        return cls(tuple(Motif.parse(part) for part in text.split(",")))

    def implant(self, rng: np.random.Generator, receptors: Receptors, witnesses: int) -> Carriers:
        shares = rng.multinomial(witnesses, np.full(len(self.motifs), 1 / len(self.motifs)))
        carriers = receptors[:0]
        rows = positions = np.zeros(0, np.int64)
        names: tuple[str, ...] = ()
        for motif, share in zip(self.motifs, shares.tolist(), strict=True):
            able = np.setdiff1d(np.flatnonzero(motif.fits(receptors)), rows)
            tried = rng.permutation(able)[: 2 * share + SPARE]
            changed = receptors[tried]
            starts = motif.put(rng, changed)
            new = carriers.joined(changed).firsts() - len(carriers)
            new = new[new >= 0][:share]
            if len(new) < share:
                raise ArgumentError(
                    f"motif {motif.name!r} is for {share} of {len(receptors)} receptors, but only "
                    f"{len(able)} can carry it, {len(new)} of them without being equal then; ask "
                    f"for fewer witnesses or more sequences"
                )
            carriers = carriers.joined(changed[new])
            rows = np.concatenate([rows, tried[new]])
            positions = np.concatenate([positions, starts[new]])
            names += share * (motif.name,)
        return Carriers(carriers, rows, names, positions)


@dataclass(frozen=True)
class PublicClones(Signal):
    """A fixed set of clones, of which each positive repertoire holds some.

    Attributes:
        number: of clones in the set, drawn from the background.
        mismatches: a repertoire's copy differs from the clone in up to so many residues, none of
            them among the first or the last three.
    """

    number: int = 20
    mismatches: int = 0

    def __post_init__(self) -> None:
        _check.positive_int("number", self.number)
        _check.tolerance("mismatches", self.mismatches)

    def prepared(self, rng: np.random.Generator, source: Source) -> "Signal":
        room = 2 * ANCHOR + self.mismatches
        clones = draw_distinct(source, rng, self.number, lambda drawn: drawn.lengths >= room)
        return DrawnClones(clones, self.mismatches)

    def implant(self, rng: np.random.Generator, receptors: Receptors, witnesses: int) -> Carriers:
        raise ArgumentError("clones are drawn first: prepared(rng, source) returns them")


@dataclass(frozen=True, eq=False)
class DrawnClones(Signal):
    """The clones of `PublicClones`; they take the places of other receptors."""

    clones: Receptors
    mismatches: int

    def most(self, receptors: int) -> int:
        return min(receptors, len(self.clones))

    def implant(self, rng: np.random.Generator, receptors: Receptors, witnesses: int) -> Carriers:
        clones = self.clones[rng.permutation(len(self.clones))]
        copies = replace(clones, residues=clones.residues.copy())
        _mutate(rng, copies, self.mismatches)
        chosen = copies.firsts()[:witnesses]
        if len(chosen) < witnesses:
            raise ArgumentError(
                f"a repertoire cannot hold {witnesses} of {len(clones)} clones; ask for fewer "
                f"witnesses or more clones"
            )
        rows = rng.choice(len(receptors), witnesses, replace=False)
        names = tuple(clones[chosen].junctions())
        return Carriers(copies[chosen], rows, names, np.zeros(witnesses, np.int64))


def _mutate(rng: np.random.Generator, receptors: Receptors, most: int) -> None:
    """Replace 0 to `most` residues of each receptor, in place."""
    number, width = receptors.residues.shape
    place = np.arange(width)
    inside = (place >= ANCHOR) & (place < receptors.lengths[:, None] - ANCHOR)
    order = np.where(inside, rng.random((number, width)), 2.0).argsort(1)
    changes = rng.integers(0, most + 1, number)
    for step in range(most):
        rows = np.flatnonzero(changes > step)
        places = order[rows, step]
        shift = rng.integers(1, len(ALPHABET), len(rows))  # any residue but the one there
        receptors.residues[rows, places] = (receptors.residues[rows, places] - 1 + shift) % len(
            ALPHABET
        ) + 1


def _one_hot(text: str) -> NDArray[np.float64]:
    """The weights of residues and gaps as written."""
    codes = CODES[np.frombuffer(text.encode(), np.uint8)]
    wrong = [letter for letter in text if letter not in ALPHABET + "."]
    if wrong or not codes.any():
        what = f"{wrong[0]!r} is no residue" if wrong else "it has no residue"
        raise ArgumentError(
            f"motif {text!r}: {what}; the letters {ALPHABET} and dots for gaps are expected, then "
            f"perhaps @ and a V gene, @ and a position"
        )
    return (codes[:, None] == np.arange(1, len(ALPHABET) + 1)).astype(np.float64)


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp(logits - logits.max(1, keepdims=True))
    return weights / weights.sum(1, keepdims=True)
