"""Public clones: receptors that several repertoires share, and which repertoires have them."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import hypergeom

from hopfield.repertoire.repertoire import ALPHABET, LONGEST, Repertoire

Array = NDArray[np.float64]
Keys = NDArray[np.uint64]
Rows = NDArray[np.int64]
Receptor = tuple[str, str, str]  # junction, V gene, J gene
ERROR = 0.05  # that any of the clones found is there by chance

# A key is the exclusive or of one random number for each residue at its place, for the V gene and
# for the J gene. Among 100 million receptors two share one with a probability below 1 in 3000.
RESIDUES = np.random.default_rng(0).integers(0, 2**64, (LONGEST, len(ALPHABET) + 1), np.uint64)


@dataclass(frozen=True, eq=False)
class Clones:
    """The public clones of R repertoires: the same junction, V gene and J gene in two or more.

    Attributes:
        presence: `(R, clones)`, uint8, 1 where a repertoire has a clone.
        keys: `(clones,)`, see `keys`.
    """

    presence: csr_array
    keys: Keys

    def of(self, rows: Rows) -> "Clones":
        """The same clones in some of the repertoires."""
        return Clones(self.presence[rows], self.keys)

    @staticmethod
    def none(repertoires: int) -> "Clones":
        """No public clone in so many repertoires."""
        return Clones(csr_array((repertoires, 0), dtype=np.uint8), np.empty(0, np.uint64))


def public_clones(repertoires: Iterable[Repertoire]) -> Clones:
    """Which repertoire has which public clone.

    Args:
        repertoires: R of them; each is looked at once, 8 bytes for each receptor are kept.
    """
    by_repertoire = [np.sort(keys(repertoire)) for repertoire in repertoires]
    together = np.concatenate([*by_repertoire, np.empty(0, np.uint64)])
    together.sort()
    again = together[1:] == together[:-1]
    again[1:] &= ~again[:-1]  # the second of a run alone; np.unique takes several times as long
    public = together[1:][again]
    del together
    found = [_places(public, own) for own in by_repertoire]
    ends = np.cumsum([0, *map(len, found)])
    indices = np.concatenate([*found, np.empty(0, np.int32)])
    shape = (len(found), len(public))
    presence = csr_array((np.ones(len(indices), np.uint8), indices, ends), shape=shape)
    return Clones(presence, public)


def fisher(presence: csr_array, positives: Rows, negatives: Rows) -> Array:
    """Fisher's exact test, one-sided, that a clone is more common in positives: p, `(clones,)`.

    Tables of two numbers repeat a lot, so that each is computed once.
    """
    with_it = [_indicator(presence.shape[0], rows) @ presence for rows in (positives, negatives)]
    m, n = len(positives), len(negatives)
    table = with_it[0] * (n + 1) + with_it[1]
    p = np.ones((m + 1) * (n + 1))
    tables = np.flatnonzero(np.bincount(table, minlength=len(p)))
    found, others = np.divmod(tables, n + 1)
    p[tables] = hypergeom.sf(found - 1, m + n, found + others, m)
    return p[table]


def beyond_chance(presence: csr_array, positives: Rows, negatives: Rows) -> Rows:
    """The clones that are more common in positives than chance explains, best first.

    Fisher's test at a family-wise error of 0.05, where only those clones count that are in enough
    repertoires to reach it at all (Tarone 1990, Biometrics 46): most public clones are in two.
    """
    p = fisher(presence, positives, negatives)
    m, n = len(positives), len(negatives)
    together = np.concatenate([positives, negatives])
    common = _indicator(presence.shape[0], together) @ presence
    sizes, each = np.unique(common, return_counts=True)
    lowest = hypergeom.sf(np.minimum(sizes, m) - 1, m + n, sizes, m)  # if all were positive
    least = np.sort(np.repeat(lowest, each))
    ranks = np.arange(1, len(p) + 1)
    testable = np.searchsorted(least, ERROR / ranks, "right")
    enough = ranks[testable <= ranks]
    found = np.flatnonzero(p <= ERROR / enough[0]) if len(enough) else np.zeros(0, np.int64)
    return found[np.argsort(p[found], kind="stable")]


def keys(repertoire: Repertoire) -> Keys:
    """A number for each receptor, `(N,)`, the same in all repertoires."""
    found = _named("V", repertoire.v_genes)[repertoire.v.numpy()]
    found ^= _named("J", repertoire.j_genes)[repertoire.j.numpy()]
    for group in repertoire.by_length():
        own = found[group.rows]
        for place, codes in enumerate(group.residues.numpy().T):
            own ^= RESIDUES[place][codes]
    return found


def receptor(key: np.uint64, repertoires: Iterable[Repertoire]) -> Receptor:
    """Junction, V gene and J gene of a clone, from the first of the repertoires that has it.

    Raises:
        StopIteration: none has it.
    """
    found = next(
        one.take(kept) for one in repertoires if (kept := torch.from_numpy(keys(one) == key)).any()
    )
    return found.frame().select("junction_aa", "v_call", "j_call").row(0)


def _named(kind: str, genes: tuple[str, ...]) -> Keys:
    digests = (hashlib.blake2b(f"{kind} {gene}".encode(), digest_size=8) for gene in genes)
    return np.frombuffer(b"".join(digest.digest() for digest in digests), "<u8").astype(np.uint64)


def _places(public: Keys, own: Keys) -> NDArray[np.int32]:
    """The columns of those keys that are public; both are sorted."""
    places = np.searchsorted(public, own)
    places[places == len(public)] = 0
    return places[public[places] == own].astype(np.int32) if len(public) else np.empty(0, np.int32)


def _indicator(size: int, rows: Rows) -> NDArray[np.int32]:
    return np.bincount(rows, minlength=size).astype(np.int32)
