"""`Background`: receptors that carry no signal, drawn as repertoires have them."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hopfield import _check
from hopfield.errors import ArgumentError, FileError
from hopfield.files.arrays import load_arrays
from hopfield.repertoire.files import check_regular
from hopfield.repertoire.repertoire import ALPHABET, LOCI, Repertoire
from hopfield.repertoire.simulation.receptors import Receptors

SHIPPED = Path(__file__).with_name("background.npz")
RESIDUES = len(ALPHABET)
V_PART = (2, 5)  # this share of a junction goes with its V gene, the rest with its J gene
CAUTION = 4  # how much a table leans on the coarser one: left-out data are as likely from 4 to 12

Counts = NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class Background:
    """How often genes, lengths, residues and clone sizes occur among distinct receptors.

    A junction is a Markov chain from its first residue to its last: a residue depends on the one
    before it and on its place. In the first two fifths the place counts from the start and goes
    with the V gene; in the rest it counts from the end and goes with the J gene. So both ends are
    those of the genes, whatever the length. Rare contexts lean on coarser ones.

    Attributes:
        locus: one of `LOCI`.
        v_genes: names, sorted.
        j_genes: names, sorted.
        lengths: `(V, J, L)`, receptors by genes and by length of the junction.
        starts: `(V, P, 21, 20)`, residues by V gene, place from the start and the code of the
            residue before, 0 where there is none.
        ends: `(J, P, 21, 20)`, residues by J gene, place from the end and the residue before.
        sizes: `(S,)`, sizes of clones, that is counts of receptors.
        clones: `(S,)`, how many clones have each size.
    """

    locus: str
    v_genes: tuple[str, ...]
    j_genes: tuple[str, ...]
    lengths: Counts
    starts: Counts
    ends: Counts
    sizes: Counts
    clones: Counts

    @classmethod
    def fit(cls, repertoires: Iterable[Repertoire]) -> "Background":
        """Learn from repertoires of one locus; each distinct receptor counts once.

        Raises:
            ArgumentError: there is no receptor, or there are several loci.
        """
        repertoires = [repertoire for repertoire in repertoires if len(repertoire)]
        loci = sorted({repertoire.locus for repertoire in repertoires})
        if len(loci) != 1:
            came = f"receptors of {', '.join(loci)}" if loci else "no receptor"
            raise ArgumentError(f"a background is learned from one locus; there is {came}")
        v_genes = tuple(sorted({gene for repertoire in repertoires for gene in repertoire.v_genes}))
        j_genes = tuple(sorted({gene for repertoire in repertoires for gene in repertoire.j_genes}))
        longest = max(int(repertoire.lengths.max()) for repertoire in repertoires)
        shapes = _shapes(len(v_genes), len(j_genes), longest)
        lengths, starts, ends = (np.zeros(shape, np.uint32) for shape in shapes)
        for repertoire in repertoires:
            v = np.searchsorted(v_genes, repertoire.v_genes)[repertoire.v.numpy()]
            j = np.searchsorted(j_genes, repertoire.j_genes)[repertoire.j.numpy()]
            np.add.at(lengths, (v, j, repertoire.lengths.numpy()), 1)
            for group in repertoire.by_length():
                residues = group.residues.numpy()
                length = residues.shape[1]
                before = np.pad(residues, ((0, 0), (1, 0)))
                in_v = _in_v_part(np.arange(length), length)
                for place in range(length):
                    pair = before[:, place], residues[:, place] - 1
                    if in_v[place]:
                        np.add.at(starts[:, place], (v[group.rows], *pair), 1)
                    else:
                        np.add.at(ends[:, length - 1 - place], (j[group.rows], *pair), 1)
        counts = np.concatenate([repertoire.counts.numpy() for repertoire in repertoires])
        sizes, clones = np.unique(counts, return_counts=True)
        tables = (array.astype(np.uint32) for array in (lengths, starts, ends, sizes, clones))
        return cls(loci[0], v_genes, j_genes, *tables)

    @classmethod
    def of(cls, path: str | Path, locus: str | None = None) -> "Background":
        """Learn from what there is at a path, or load it.

        Args:
            path: metadata of a cohort, a folder, one file of receptors, or what `save` wrote
                (.npz).
            locus: which one, where there are several.

        Raises:
            ArgumentError: there is no receptor, there are several loci, or nothing can be read.
        """
        from hopfield.repertoire.dataset import RepertoireDataset
        from hopfield.repertoire.files import is_document, is_metadata
        from hopfield.repertoire.reading import read

        path = Path(path)
        if path.suffix == ".npz":
            return cls.load(path)
        if path.is_dir() or is_document(path) or is_metadata(path):
            return cls.fit(RepertoireDataset.from_metadata(path, locus=locus).repertoires)
        found = read(path).repertoires.values()
        return cls.fit(one for one in found if locus in (None, one.locus))

    @classmethod
    def load(cls, path: str | Path) -> "Background":
        """One that `save` wrote.

        Raises:
            FileError: it is damaged, or something else.
            ArgumentError: its locus is none.
        """
        check_regular(path := Path(path))
        arrays = load_arrays(path)
        if missing := [field.name for field in fields(cls) if field.name not in arrays]:
            raise FileError(f"{path} is no background: it has no {', '.join(missing)}")
        locus, v_genes, j_genes, *tables = (arrays[field.name] for field in fields(cls))
        _check.choice("locus", str(locus), LOCI)
        lengths, _, _, sizes, _ = tables
        longest = sum(lengths.shape[2:]) - 1
        shapes = *_shapes(v_genes.size, j_genes.size, longest), (sizes.size,), (sizes.size,)
        for table, shape in zip(tables, shapes, strict=True):
            if table.shape != shape or table.dtype != np.uint32 or not table.any():
                raise FileError(f"{path} is no background: its tables are not those of counts")
        v, j = (tuple(genes.astype(str).ravel().tolist()) for genes in (v_genes, j_genes))
        return cls(str(locus), v, j, *tables)

    def save(self, path: str | Path) -> None:
        """Write it to an npz file."""
        with Path(path).open("wb") as file:
            np.savez_compressed(file, **{f.name: getattr(self, f.name) for f in fields(self)})

    @staticmethod
    @cache
    def default() -> "Background":
        """Human TRB, from the 12 repertoires of pyimmunarch: see `simulation.shipped`."""
        return Background.load(SHIPPED)

    def draw(self, rng: np.random.Generator, number: int) -> Receptors:
        """Draw receptors; some may be equal."""
        cells = self._genes_and_lengths.draw(rng, np.zeros(number, np.int64))
        v, j, lengths = np.unravel_index(cells, self.lengths.shape)
        residues = np.zeros((number, self.lengths.shape[2] - 1), np.uint8)
        before = np.zeros(number, np.int64)
        for place in range(residues.shape[1]):
            there = np.flatnonzero(lengths > place)
            length = lengths[there]
            contexts = np.where(
                _in_v_part(place, length),
                self._context(self.starts, v[there], place, before[there]),
                self.starts[..., 0].size
                + self._context(self.ends, j[there], length - 1 - place, before[there]),
            )
            residues[there, place] = before[there] = 1 + self._residues.draw(rng, contexts)
        return Receptors(residues, lengths, v, j, self.v_genes, self.j_genes)

    def draw_counts(self, rng: np.random.Generator, number: int) -> NDArray[np.int64]:
        """Draw clone sizes, `(number,)`."""
        shares = self.clones / self.clones.sum()
        return rng.choice(self.sizes.astype(np.int64), number, p=shares)

    @staticmethod
    def _context(
        table: Counts, gene: NDArray[np.int64], place: Any, before: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The rows of a table, flattened, that draw the next residues."""
        _, places, codes, _ = table.shape
        return (gene * places + place) * codes + before

    @cached_property
    def _genes_and_lengths(self) -> "_Categories":
        """Over `lengths`, flattened: P(V) P(J | V) P(L | V, J)."""
        genes = self.lengths.sum(2)
        by_j = self.lengths.sum(0)
        p_v = genes.sum(1) / genes.sum()
        p_j = _smoothed(genes, genes.sum(0) / genes.sum())
        p_length = _smoothed(self.lengths, _smoothed(by_j, by_j.sum(0) / by_j.sum()))
        return _Categories((p_v[:, None, None] * p_j[:, :, None] * p_length).reshape(1, -1))

    @cached_property
    def _residues(self) -> "_Categories":
        """One row for each context of `starts`, then of `ends`."""
        tables = [_chain(table).reshape(-1, RESIDUES) for table in (self.starts, self.ends)]
        return _Categories(np.concatenate(tables))


def _in_v_part(place: Any, length: Any) -> Any:
    """Whether a place, from 0, belongs to the V gene's part of a junction."""
    return V_PART[1] * place < V_PART[0] * length


def _shapes(v: int, j: int, longest: int) -> tuple[tuple[int, ...], ...]:
    """Of lengths, starts and ends, by the numbers of genes and the longest junction."""
    in_v_part = int(_in_v_part(np.arange(longest), longest).sum())
    context = RESIDUES + 1, RESIDUES
    return (v, j, longest + 1), (v, in_v_part, *context), (j, longest, *context)


def _chain(counts: Counts) -> NDArray[np.float64]:
    """Probabilities of residues by gene, place and residue before: `(G, P, 21, 20)`."""
    by_gene = counts.sum(2, keepdims=True)
    by_place = by_gene.sum(0, keepdims=True)
    anywhere = by_place.sum(1, keepdims=True) / by_place.sum()
    return _smoothed(counts, _smoothed(by_gene, _smoothed(by_place, anywhere)))


def _smoothed(counts: Any, prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities along the last axis; the fewer counts for the kinds seen, the nearer `prior`.

    Witten and Bell, IEEE Transactions on Information Theory 37 (1991), with `CAUTION` for 1.
    """
    kinds = CAUTION * np.maximum((counts > 0).sum(-1, keepdims=True), 1)
    return (counts + kinds * prior) / (counts.sum(-1, keepdims=True) + kinds)


class _Categories:
    """Rows of probabilities, `(R, K)`, that are drawn from by the inverse of their sums."""

    def __init__(self, probabilities: NDArray[np.float64]) -> None:
        rows, self.kinds = probabilities.shape
        sums = probabilities.cumsum(1)
        sums /= sums[:, -1:]
        self.sums = (sums + np.arange(rows)[:, None]).ravel()

    def draw(self, rng: np.random.Generator, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """One category for each row number given."""
        places = np.searchsorted(self.sums, rows + rng.random(len(rows)), side="right")
        return np.minimum(places - self.kinds * rows, self.kinds - 1)
