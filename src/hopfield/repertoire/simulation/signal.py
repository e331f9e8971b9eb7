"""Signals: what tells the repertoires of the sick, and how it is put into receptors."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.repertoire.repertoire import ALPHABET
from hopfield.repertoire.simulation.motif import Motif
from hopfield.repertoire.simulation.receptors import (
    ANCHOR,
    Receptors,
    Source,
    draw_distinct,
    number_of,
)

SPARE = 16  # receptors tried beyond twice those wanted, as some may be equal with the motif


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
    """What positive repertoires carry, and others only by nature; a frozen dataclass."""

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
class Motifs(Signal):
    """Motifs, of which each witness carries one, drawn with equal chances."""

    motifs: tuple[Motif, ...]

    def __post_init__(self) -> None:
        if not self.motifs:
            raise ArgumentError("motifs is empty; at least one is expected")

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
        number_of("number", self.number)
        if self.mismatches:
            _check.positive_int("mismatches", self.mismatches)

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
        others = receptors.residues[rows, places] - 1 + rng.integers(1, len(ALPHABET), len(rows))
        receptors.residues[rows, places] = 1 + others % len(ALPHABET)
