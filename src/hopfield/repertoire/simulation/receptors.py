"""`Receptors`: drawn receptors as arrays, before they become a `Repertoire`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.repertoire.repertoire import LETTERS, Repertoire

ANCHOR = 3  # residues at either end of a junction that nothing is put over by chance
MORE = 256  # drawn beyond what is missing, for those that are there already
MOST = 10**7  # drawn together: some gigabytes


@dataclass(frozen=True, eq=False)
class Receptors:
    """Receptors of one locus; the same one may be there several times.

    Attributes:
        residues: `(N, L)`, codes 1 to 20, then 0 up to the longest.
        lengths: `(N,)`, of the junctions.
        v: `(N,)`, places in `v_genes`.
        j: `(N,)`, places in `j_genes`.
        v_genes: names.
        j_genes: names.
    """

    residues: NDArray[np.uint8]
    lengths: NDArray[np.int64]
    v: NDArray[np.int64]
    j: NDArray[np.int64]
    v_genes: tuple[str, ...]
    j_genes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, rows: NDArray[Any] | slice) -> "Receptors":
        return replace(
            self,
            residues=self.residues[rows],
            lengths=self.lengths[rows],
            v=self.v[rows],
            j=self.j[rows],
        )

    def joined(self, other: "Receptors") -> "Receptors":
        """These, then others."""
        width = max(self.residues.shape[1], other.residues.shape[1])
        residues = [
            np.pad(part.residues, ((0, 0), (0, width - part.residues.shape[1])))
            for part in (self, other)
        ]
        v_genes = tuple(sorted({*self.v_genes, *other.v_genes}))
        j_genes = tuple(sorted({*self.j_genes, *other.j_genes}))
        return Receptors(
            residues=np.concatenate(residues),
            lengths=np.concatenate([self.lengths, other.lengths]),
            v=np.concatenate([np.searchsorted(v_genes, p.v_genes)[p.v] for p in (self, other)]),
            j=np.concatenate([np.searchsorted(j_genes, p.j_genes)[p.j] for p in (self, other)]),
            v_genes=v_genes,
            j_genes=j_genes,
        )

    def firsts(self) -> NDArray[np.int64]:
        """The rows where a receptor comes for the first time, ascending."""
        genes = np.stack([self.v, self.j], axis=1).astype(np.uint16).view(np.uint8)
        keys = np.concatenate([genes, self.residues], axis=1)
        return np.sort(np.unique(keys.view(f"V{keys.shape[1]}"), return_index=True)[1])

    def distinct(self) -> "Receptors":
        """Each receptor once, in the order in which they come."""
        return self[self.firsts()]

    def junctions(self) -> pl.Series:
        """The junctions as text, `(N,)`."""
        letters = np.where(self.residues > 0, LETTERS[self.residues], 0).astype(np.uint8)
        return pl.Series(letters.view(f"S{letters.shape[1]}")[:, 0].astype(str), dtype=pl.String)

    def frame(self) -> pl.DataFrame:
        """The receptors as `junction_aa`, `v_call`, `j_call`, in order."""
        return pl.DataFrame(
            {
                "junction_aa": self.junctions(),
                "v_call": pl.Series(self.v_genes, dtype=pl.String).gather(self.v),
                "j_call": pl.Series(self.j_genes, dtype=pl.String).gather(self.j),
            }
        )

    def repertoire(self, locus: str, counts: NDArray[np.int64]) -> Repertoire:
        """A repertoire of these receptors with their counts, `(N,)`."""
        return Repertoire.from_frame(locus, self.frame().with_columns(duplicate_count=counts))


def number_of(name: str, value: object) -> int:
    """A whole number of things, of which each has a place in memory."""
    if _check.positive_int(name, value) > MOST:
        raise ArgumentError(f"{name} is {value!r}; more than {MOST:,} would not fit into memory")
    return int(value)  # type: ignore[call-overload]


class Source(Protocol):
    """Where receptors come from: `Background` or `Olga`."""

    @property
    def locus(self) -> str:
        """One of `LOCI`."""

    def draw(self, rng: np.random.Generator, number: int) -> Receptors:
        """Draw receptors; some may be equal."""

    def draw_counts(self, rng: np.random.Generator, number: int) -> NDArray[np.int64]:
        """Draw clone sizes, `(number,)`."""


def draw_distinct(
    source: Source,
    rng: np.random.Generator,
    number: int,
    keep: Callable[[Receptors], NDArray[np.bool_]],
    known: Receptors | None = None,
) -> Receptors:
    """So many distinct receptors: those `known` first, then drawn ones that `keep` keeps.

    Raises:
        ArgumentError: the source has not so many.
    """
    while known is None or len(known) < number:
        found = 0 if known is None else len(known)
        drawn = source.draw(rng, number - found + (number - found) // 8 + MORE)
        drawn = drawn[keep(drawn)]
        known = (drawn if known is None else known.joined(drawn)).distinct()
        if len(known) == found:
            raise ArgumentError(
                f"the background has only about {found} distinct receptors of the kind that "
                f"{number} are wanted of; ask for fewer, or learn it from more data"
            )
    return known[:number]
