"""Gapped k-mers: how often each stands in a repertoire."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hopfield.repertoire.repertoire import ALPHABET, Repertoire

# The places of four residues: side by side, or with one residue between that may be any.
FORMS = ((0, 1, 2, 3), (0, 2, 3, 4), (0, 1, 3, 4), (0, 1, 2, 4))
K = 4
OF_FORM = len(ALPHABET) ** K
FEATURES = len(FORMS) * OF_FORM


def count(repertoires: Iterable[Repertoire]) -> csr_array:
    """How often each gapped k-mer stands in the distinct receptors of each repertoire.

    Args:
        repertoires: R of them.

    Returns:
        `(R, FEATURES)`, float32.
    """
    indices, counts, ends = [], [], [0]
    for repertoire in repertoires:
        found = of_repertoire(repertoire)
        present = np.flatnonzero(found)
        indices.append(present.astype(np.int32))
        counts.append(found[present].astype(np.float32))
        ends.append(ends[-1] + len(present))
    shape = (len(indices), FEATURES)
    if not indices:
        return csr_array(shape, dtype=np.float32)
    bounds = np.array(ends, np.int32 if ends[-1] < 2**31 else np.int64)  # the indices take its type
    return csr_array((np.concatenate(counts), np.concatenate(indices), bounds), shape=shape)


def of_repertoire(repertoire: Repertoire) -> NDArray[np.int64]:
    """How often each gapped k-mer stands in a repertoire, `(FEATURES,)`."""
    codes = [
        (windows(group.residues.numpy().astype(np.int32) - 1, places) + form * OF_FORM).ravel()
        for group in repertoire.by_length()
        for form, places in enumerate(FORMS)
    ]
    return np.bincount(np.concatenate([*codes, np.zeros(0, np.int32)]), minlength=FEATURES)


def windows(residues: NDArray[np.int32], places: Sequence[int]) -> NDArray[np.int32]:
    """The k-mer at each place, `(n, length − span + 1)`, of residues `(n, length)` from 0."""
    width = max(residues.shape[1] - places[-1], 0)
    codes = np.zeros((len(residues), width), np.int32)
    for place in places:
        codes = codes * len(ALPHABET) + residues[:, place : place + width]
    return codes


def name(feature: int) -> str:
    """A feature as text: `SFEN`, `SF.EN`; a dot is any residue."""
    form, code = divmod(int(feature), OF_FORM)
    text = ["."] * (FORMS[form][-1] + 1)
    for place in reversed(FORMS[form]):
        code, residue = divmod(code, len(ALPHABET))
        text[place] = ALPHABET[residue]
    return "".join(text)


def feature(text: str) -> int:
    """The feature that `name` writes as this."""
    places = tuple(place for place, letter in enumerate(text) if letter != ".")
    code = 0
    for place in places:
        code = code * len(ALPHABET) + ALPHABET.index(text[place])
    return FORMS.index(places) * OF_FORM + code
