"""`Features`: what baselines see of each repertoire, computed once and without any label."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.spatial.distance import pdist, squareform
from tqdm import tqdm

from hopfield.repertoire import kmers, screen
from hopfield.repertoire.clones import Clones, public_clones
from hopfield.repertoire.columns import AGE, BATCH, SEX, named, quantity, said
from hopfield.repertoire.repertoire import Repertoire

Array = NDArray[np.float64]
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


class Repertoires(Protocol):
    """What a dataset has of what is needed here."""

    @property
    def metadata(self) -> pl.DataFrame:
        """One row for each repertoire."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> Repertoire: ...


class Features:
    """What baselines see of R repertoires, each computed when first asked for.

    Nothing here looks at a label, and what is kept of a repertoire does not depend on the others
    (but for which clones are public and the names of genes and categories), so that all folds
    share one: what is learned is learned in `fit`, from training rows alone.

    Args:
        data: the repertoires.
        quantities: columns of the metadata that are numbers; by default that of the age.
        categories: columns of the metadata that are names; by default those of sex and batch.
        progress: show a bar.
    """

    def __init__(
        self,
        data: Repertoires,
        *,
        quantities: Sequence[str] | None = None,
        categories: Sequence[str] | None = None,
        progress: bool = False,
    ) -> None:
        self._data = data
        self._quantities = self._columns_for(AGE) if quantities is None else quantities
        self._categories = self._columns_for(SEX, BATCH) if categories is None else categories
        self._progress = progress

    def __len__(self) -> int:
        return len(self._data)

    @cached_property
    def receptors(self) -> NDArray[np.int64]:
        """How many distinct receptors each has, `(R,)`."""
        return np.array([len(repertoire) for repertoire in self._each("receptors")], np.int64)

    @cached_property
    def rates(self) -> csr_array:
        """Square roots of the rates of gapped k-mers, `(R, F)`: see `screen.root_rates`."""
        counts = kmers.count(self._each("k-mers"))
        return screen.root_rates(counts, np.maximum(self.receptors, 1))

    @cached_property
    def minmax(self) -> Array:
        """The MinMax kernel between shares of contiguous k-mers, `(R, R)`."""
        counts = self.rates[:, : kmers.OF_FORM].power(2).toarray().astype(np.float64)
        counts /= np.maximum(counts.sum(1, keepdims=True), 1e-9)
        return minmax(counts)

    @cached_property
    def clones(self) -> Clones:
        """Which repertoire has which public clone."""
        return public_clones(self._each("clones"))

    @cached_property
    def confounders(self) -> dict[str, Array]:
        """What may go with a label without being its cause, `(R, columns)` each, by name.

        Clonotype count and depth (the sum of all counts) as logarithms; V and J genes as shares of
        the distinct receptors; lengths of junctions as mean, standard deviation and quantiles. Then
        columns of the metadata: a quantity (see `columns.quantity`), beside it where it is missing
        if it ever is; a category as a column for each of its names, and one for where it is missing
        if it ever is.
        """
        summaries = [Summary.of(repertoire) for repertoire in self._each("confounders")]
        table = {
            "clonotype count": np.log1p([[summary.receptors] for summary in summaries]),
            "depth": np.log1p([[summary.depth] for summary in summaries]),
            "V genes": _shares([summary.v for summary in summaries]),
            "J genes": _shares([summary.j for summary in summaries]),
            "lengths": _filled(np.array([summary.lengths for summary in summaries])),
        }
        for names, read, columns in (
            (self._quantities, quantity, _quantity),
            (self._categories, said, _category),
        ):
            for name in names:
                column = read(self._data.metadata[name])
                if column.count():
                    table[name] = columns(column)
        return table

    def _columns_for(self, *roles: tuple[str, ...]) -> list[str]:
        """The columns of the metadata that have one of the usual names of each role."""
        found = (named(self._data.metadata.columns, names) for names in roles)
        return [name for name in found if name is not None]

    def _each(self, what: str) -> Iterator[Repertoire]:
        rows = tqdm(range(len(self)), desc=what, disable=not self._progress)
        return (self._data[row] for row in rows)


@dataclass(frozen=True)
class Summary:
    """The figures of one repertoire that are no sequences.

    Attributes:
        receptors: how many are distinct.
        depth: the sum of their counts.
        v: V genes, with the share of the distinct receptors that have it.
        j: likewise.
        lengths: of junctions: mean, standard deviation and `QUANTILES`; NaN if there are none.
    """

    receptors: int
    depth: int
    v: dict[str, float]
    j: dict[str, float]
    lengths: tuple[float, ...]

    @classmethod
    def of(cls, repertoire: Repertoire) -> "Summary":
        """The figures of this repertoire."""
        lengths = repertoire.lengths.numpy()
        some = len(lengths) > 0
        return cls(
            receptors=len(repertoire),
            depth=int(repertoire.counts.sum()),
            v=_usage(repertoire.v_genes, repertoire.v.numpy()),
            j=_usage(repertoire.j_genes, repertoire.j.numpy()),
            lengths=(lengths.mean(), lengths.std(), *np.quantile(lengths, QUANTILES))
            if some
            else (np.nan,) * (2 + len(QUANTILES)),
        )


def minmax(counts: Array) -> Array:
    """The MinMax kernel, the sum of minima over the sum of maxima, of rows `(R, F)`: `(R, R)`.

    Minima and maxima sum to the totals of both rows and differ by their city-block distance.
    """
    total = counts.sum(1)
    apart = squareform(pdist(counts, "cityblock"))
    both = total[:, None] + total
    return np.divide(both - apart, both + apart, out=np.eye(len(both)), where=both > 0)


def _usage(genes: tuple[str, ...], places: NDArray[np.int16]) -> dict[str, float]:
    shares = np.bincount(places, minlength=len(genes)) / max(len(places), 1)
    return dict(zip(genes, shares.tolist(), strict=True))


def _shares(usages: list[dict[str, float]]) -> Array:
    genes = sorted(set().union(*usages))
    return np.array([[usage.get(gene, 0.0) for gene in genes] for usage in usages])


def _quantity(column: pl.Series) -> Array:
    return _filled(column.fill_null(np.nan).to_numpy()[:, None])


def _filled(columns: Array) -> Array:
    """Means where a number is missing, and a column that says where if it ever is."""
    missing = np.isnan(columns)
    filled = np.where(missing, np.nanmean(columns, 0), columns)
    return np.hstack([filled, missing.any(1, keepdims=True)]) if missing.any() else filled


def _category(column: pl.Series) -> Array:
    names = column.unique().sort()
    return np.array([column.eq_missing(name).to_numpy() for name in names], np.float64).T
