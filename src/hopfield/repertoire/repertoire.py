"""`Repertoire`: the distinct receptors of one sample at one locus."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from jaxtyping import Bool, Int, UInt8
from torch import Tensor

from hopfield.errors import ArgumentError, ShapeError

ALPHABET = "ACDEFGHIKLMNPQRSTVWY"  # the code of a residue is its place here + 1; 0 is padding
SYMBOLS = len(ALPHABET) + 1
LOCI = ("TRA", "TRB", "TRG", "TRD", "IGH", "IGK", "IGL")
LONGEST = 255  # residues of a junction; IGH reaches about 60

CODES = np.zeros(256, np.uint8)
CODES[np.frombuffer(ALPHABET.encode(), np.uint8)] = np.arange(1, len(ALPHABET) + 1)
LETTERS = np.frombuffer(b"-" + ALPHABET.encode(), np.uint8)


class Group(NamedTuple):
    """The receptors of one length.

    Attributes:
        rows: their places in the repertoire.
        residues: `(n, length)`, codes 1 to 20.
    """

    rows: slice
    residues: UInt8[Tensor, "n length"]


class Block(NamedTuple):
    """Some receptors that lie one after the other.

    Attributes:
        rows: their places in the repertoire.
        groups: their residues, `(n, length)` for each length.
    """

    rows: slice
    groups: list[UInt8[Tensor, "n length"]]


@dataclass(frozen=True, eq=False)
class Repertoire:
    """The distinct receptors of one sample at one locus.

    A receptor is a junction (amino acids with their anchors), a V gene and a J gene; rows of a file
    that agree in all three are one receptor, whose counts are added. Receptors are sorted by
    length, then by residues and genes, so that the order of rows in a file makes no difference.

    Attributes:
        locus: one of `LOCI`.
        residues: `(T,)`, uint8, the junctions one after the other; see `ALPHABET`.
        lengths: `(N,)`, uint8, of the junctions, ascending.
        v: `(N,)`, int16, places in `v_genes`.
        j: `(N,)`, int16, places in `j_genes`.
        counts: `(N,)`, int64, at least 1: reads, cells or molecules.
        v_genes: names, sorted, IMGT; "" is an unknown gene.
        j_genes: likewise.
    """

    locus: str
    residues: UInt8[Tensor, " T"]
    lengths: UInt8[Tensor, " N"]
    v: Int[Tensor, " N"]
    j: Int[Tensor, " N"]
    counts: Int[Tensor, " N"]
    v_genes: tuple[str, ...]
    j_genes: tuple[str, ...]

    def __post_init__(self) -> None:
        sizes = {field: len(getattr(self, field)) for field in ("lengths", "v", "j", "counts")}
        if len(set(sizes.values())) > 1:
            raise ShapeError(f"the columns of a repertoire differ in length: {sizes}")

    def __len__(self) -> int:
        return len(self.lengths)

    @classmethod
    def from_frame(cls, locus: str, frame: pl.DataFrame) -> "Repertoire":
        """Merge and sort receptors that are clean: residues of `ALPHABET` alone, counts ≥ 1.

        Args:
            locus: one of `LOCI`.
            frame: columns `junction_aa`, `v_call`, `j_call` (text, no nulls) and `duplicate_count`.

        Raises:
            ArgumentError: a junction has other letters, or is empty or too long.
        """
        receptor = ["junction_aa", "v_call", "j_call"]
        (v, v_genes), (j, j_genes) = (_coded(frame[name]) for name in receptor[1:])
        merged = (
            frame.lazy()
            .with_columns(v, j)
            .group_by(receptor)
            .agg(pl.col("duplicate_count").cast(pl.Int64).sum())
            .with_columns(length=pl.col("junction_aa").str.len_bytes())
            .sort("length", *receptor)
            .collect()
        )
        _check_lengths(merged["length"])
        letters = np.frombuffer(merged["junction_aa"].str.join("").item().encode(), np.uint8)
        residues = CODES[letters]
        if not residues.all():
            raise ArgumentError(
                f"junctions have letters that are not of {ALPHABET}, the first is "
                f"{chr(letters[residues.argmin()])!r}; leave these junctions out"
            )
        return cls(
            locus=locus,
            residues=torch.from_numpy(residues),
            lengths=torch.from_numpy(merged["length"].to_numpy().astype(np.uint8)),
            v=torch.from_numpy(merged["v_call"].to_numpy().copy()),
            j=torch.from_numpy(merged["j_call"].to_numpy().copy()),
            counts=torch.from_numpy(merged["duplicate_count"].to_numpy().copy()),
            v_genes=v_genes,
            j_genes=j_genes,
        )

    def frame(self) -> pl.DataFrame:
        """The receptors as `junction_aa`, `v_call`, `j_call`, `duplicate_count`, in order."""
        genes = {
            f"{name}_call": pl.Series(names, dtype=pl.String).gather(places.numpy())
            for name, names, places in (
                ("v", self.v_genes, self.v),
                ("j", self.j_genes, self.j),
            )
        }
        counts = pl.Series(self.counts.numpy())
        return pl.DataFrame({"junction_aa": self.junctions(), **genes, "duplicate_count": counts})

    def junctions(self) -> pl.Series:
        """The junctions as text, `(N,)`."""
        texts = [
            LETTERS[group.residues.numpy()].view(f"S{group.residues.shape[1]}")[:, 0].astype(str)
            for group in self.by_length()
        ]
        return pl.Series(np.concatenate(texts) if texts else [], dtype=pl.String)

    def by_length(self) -> Iterator[Group]:
        """The receptors of each length, shortest first: rows that need no padding."""
        lengths, sizes = torch.unique_consecutive(self.lengths, return_counts=True)
        row = place = 0
        for length, size in zip(lengths.tolist(), sizes.tolist(), strict=True):
            residues = self.residues[place : place + size * length].view(size, length)
            yield Group(slice(row, row + size), residues)
            row, place = row + size, place + size * length

    def blocks(self, size: int) -> Iterator["Block"]:
        """The receptors in blocks of up to `size`; one block, empty, where there are none."""
        groups = [*self.by_length()]
        for low in range(0, max(len(self), 1), size):
            high = min(low + size, len(self))
            parts = [
                group.residues[max(low - group.rows.start, 0) : high - group.rows.start]
                for group in groups
                if group.rows.start < high and group.rows.stop > low
            ]
            yield Block(slice(low, high), parts)

    def take(self, kept: Bool[Tensor, " N"]) -> "Repertoire":
        """The receptors for which `kept` is True."""
        residues = self.residues[kept.repeat_interleave(self.lengths.long())]
        columns = {name: getattr(self, name)[kept] for name in ("lengths", "v", "j", "counts")}
        return replace(self, residues=residues, **columns)

    def arrays(self) -> dict[str, Tensor]:
        """The tensors by name, as a cache keeps them."""
        pairs = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in pairs if isinstance(value, Tensor)}


def _check_lengths(lengths: pl.Series) -> None:
    """Ascending lengths from 1 to `LONGEST`."""
    if len(lengths) and not 1 <= lengths[0] <= lengths[-1] <= LONGEST:
        raise ArgumentError(
            f"junctions have {lengths[0]} to {lengths[-1]} residues; 1 to {LONGEST} are expected: "
            f"leave those out that are empty or longer"
        )


def _coded(names: pl.Series) -> tuple[pl.Series, tuple[str, ...]]:
    """Places among the distinct names, which are sorted, and these."""
    known = names.unique().sort()
    return names.cast(pl.Enum(known)).to_physical().cast(pl.Int16), tuple(known)
