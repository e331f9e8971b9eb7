"""Repertoires written by hand, or drawn residue by residue."""

import numpy as np
import polars as pl

from hopfield.repertoire import ALPHABET, Repertoire

V, J = ("", "TRBV1", "TRBV2-1", "TRBV9"), ("TRBJ1-1", "TRBJ2-7")


def repertoire(rows, locus="TRB"):
    """Of rows `(junction, V, J, count)`; what is left out is one gene and one count."""
    usual = ("TRBV9", "TRBJ1-1", 1)
    split = [(row,) if isinstance(row, str) else tuple(row) for row in rows]
    return Repertoire.from_frame(locus, frame([row + usual[len(row) - 1 :] for row in split]))


def frame(rows):
    names = ("junction_aa", "v_call", "j_call", "duplicate_count")
    types = (pl.String, pl.String, pl.String, pl.Int64)
    return pl.DataFrame(rows, dict(zip(names, types, strict=True)), orient="row")


def drawn(count, seed=0, lengths=(1, 40)):
    """Rows of random receptors, many lengths and genes, counts from 1 to 50."""
    rng = np.random.default_rng(seed)
    letters = np.array([*ALPHABET])
    return [
        (
            "".join(rng.choice(letters, rng.integers(*lengths))),
            str(rng.choice(V)),
            str(rng.choice(J)),
            int(rng.integers(1, 50)),
        )
        for _ in range(count)
    ]
