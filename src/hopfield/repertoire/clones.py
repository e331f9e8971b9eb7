"""Public clones: receptors that several repertoires share, and which repertoires have them."""

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hopfield.repertoire.repertoire import ALPHABET, LONGEST, Repertoire

Keys = NDArray[np.uint64]

# A key is the exclusive or of one random number for each residue at its place, for the V gene and
# for the J gene. Among 100 million receptors two share one with a probability below 1 in 3000.
RESIDUES = np.random.default_rng(0).integers(0, 2**64, (LONGEST, len(ALPHABET) + 1), np.uint64)


def presence(repertoires: Iterable[Repertoire]) -> csr_array:
    """Which repertoire has which public clone: the same junction, V gene and J gene in two or more.

    Args:
        repertoires: R of them; each is looked at once, 8 bytes for each receptor are kept.

    Returns:
        `(R, clones)`, uint8, 1 where a repertoire has a clone.
    """
    by_repertoire = [np.sort(keys(repertoire)) for repertoire in repertoires]
    together = np.concatenate([*by_repertoire, np.empty(0, np.uint64)])
    together.sort()
    again = together[1:] == together[:-1]
    again[1:] &= ~again[
        :-1
    ]  # the second of a run alone: np.unique would take several times as long
    public = together[1:][again]
    del together
    found = [_places(public, own) for own in by_repertoire]
    ends = np.cumsum([0, *map(len, found)])
    indices = np.concatenate([*found, np.empty(0, np.int32)])
    shape = (len(found), len(public))
    return csr_array((np.ones(len(indices), np.uint8), indices, ends), shape=shape)


def keys(repertoire: Repertoire) -> Keys:
    """A number for each receptor, `(N,)`, the same in all repertoires."""
    found = _named("V", repertoire.v_genes)[repertoire.v.numpy()]
    found ^= _named("J", repertoire.j_genes)[repertoire.j.numpy()]
    for group in repertoire.by_length():
        own = found[group.rows]
        for place, codes in enumerate(group.residues.numpy().T):
            own ^= RESIDUES[place][codes]
    return found


def _named(kind: str, genes: tuple[str, ...]) -> Keys:
    digests = (hashlib.blake2b(f"{kind} {gene}".encode(), digest_size=8) for gene in genes)
    return np.frombuffer(b"".join(digest.digest() for digest in digests), "<u8").astype(np.uint64)


def _places(public: Keys, own: Keys) -> NDArray[np.int32]:
    """The columns of those keys that are public; both are sorted."""
    places = np.searchsorted(public, own)
    places[places == len(public)] = 0
    return places[public[places] == own].astype(np.int32) if len(public) else np.empty(0, np.int32)
