"""`Motif`: what the residues have in common that a kernel sees where receptors matter most."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from hopfield.repertoire.embedding import ROWS_AT_ONCE, Tables, all_scores
from hopfield.repertoire.model import RepertoireNetwork
from hopfield.repertoire.repertoire import ALPHABET, SYMBOLS, Repertoire

Floats = NDArray[np.float64]

ALIKE = 0.7  # cosine, from which motifs are one: two of four residues that have three in common
SHARE = 0.01  # of the attribution, below which a motif is not told
CLEAR = 0.5  # probability, from which a residue stands in the consensus


@dataclass(frozen=True, eq=False)
class Motif:
    """Residues in the window of a kernel: a position weight matrix.

    Attributes:
        matrix: `(L, 20)`, probabilities of the residues of `ALPHABET` at each place.
        background: `(20,)`, those in all receptors.
        receptors: how many the matrix rests on: its effective number, that of receptors of one
            weight that would leave as much to chance (Kish).
        share: of what these receptors add to the output, the part that comes by this motif.
        seed: the k-mer that its kernel began with, `SF.EN`; None if it began at random.
    """

    matrix: Floats
    background: Floats
    receptors: float
    share: float
    seed: str | None = None

    @property
    def heights(self) -> Floats:
        """What each residue tells beyond the background, in bits, `(L, 20)`; see `information`."""
        heights: Floats = self.matrix * np.log2(self.matrix / self.background)
        return heights

    @property
    def information(self) -> Floats:
        """Of each place, in bits, `(L,)`: relative entropy to the background."""
        information: Floats = self.heights.sum(1)
        return information

    @property
    def consensus(self) -> str:
        """The residue of each place where one has at least half of the probability: `SF.EN`."""
        clear = self.matrix.max(1) >= CLEAR
        letters = [
            ALPHABET[i] if c else "." for i, c in zip(self.matrix.argmax(1), clear, strict=True)
        ]
        return "".join(letters).strip(".")

    def frame(self) -> pl.DataFrame:
        """The matrix: a column for each residue, a row for each place."""
        return pl.DataFrame(self.matrix, list(ALPHABET))


@dataclass(frozen=True, eq=False)
class Windows:
    """Residues that each kernel sees at its best position, summed over weighted receptors.

    Attributes:
        residues: `(K, L, 21)`, weights of codes; 0 is outside of the junction.
        squares: `(K,)`, the sums of squared weights.
        total: the weights of all that the receptors add, by kernels and by genes.
    """

    residues: Floats
    squares: Floats
    total: float

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        network: RepertoireNetwork,
        tables: Tables,
        repertoire: Repertoire,
        parts: Float[Tensor, "N width"],
    ) -> "Windows":
        """Those of some receptors.

        Args:
            network: whose kernels see.
            tables: of its convolution.
            repertoire: the receptors; there may be none.
            parts: what each part of each adds; see `Path.parts`. What it takes away has no weight.
        """
        size, kernels = network.junctions.kernel_size, network.architecture.kernels
        parts = parts.clamp(min=0).double()
        of_kernels = parts[:, :kernels]
        sums = parts.new_zeros(kernels * size * SYMBOLS)
        places = SYMBOLS * torch.arange(kernels * size).view(kernels, size)
        for group in repertoire.by_length():
            split = (of.split(ROWS_AT_ONCE) for of in (group.residues, of_kernels[group.rows]))
            for residues, weights in zip(*split, strict=True):
                best = all_scores(residues, tables).argmax(1).cpu()  # (n, K)
                windows = pad(residues, (size // 2, size // 2)).unfold(1, size, 1)
                seen = windows[torch.arange(len(best))[:, None], best]  # (n, K, L)
                each = weights[..., None].expand(seen.shape)
                sums += torch.bincount((places + seen).flatten(), each.flatten(), len(sums))
        return cls(
            sums.view(kernels, size, SYMBOLS).numpy(),
            of_kernels.square().sum(0).numpy(),
            float(parts.sum()),
        )

    def __add__(self, other: "Windows") -> "Windows":
        return Windows(
            self.residues + other.residues,
            self.squares + other.squares,
            self.total + other.total,
        )

    def motifs(self, background: Floats, seeds: Sequence[str]) -> tuple[Motif, ...]:
        """The motifs, those first that most of the output comes by; each once.

        A place outside of the junction says nothing, and one receptor is added that is all
        background.

        Args:
            background: `(20,)`, the shares of residues in all receptors.
            seeds: the k-mers that the first kernels began with.
        """
        found = list[Motif]()
        for kernel in np.argsort(-self.residues.sum((1, 2)), kind="stable"):
            weight = self.residues[kernel, 0].sum()
            if weight < SHARE * self.total or weight == 0:
                break
            effective = weight**2 / self.squares[kernel]
            shares = self.residues[kernel] / weight
            shares = shares[:, 1:] + shares[:, :1] * background
            matrix = (effective * shares + background) / (effective + 1)
            seed = seeds[kernel] if kernel < len(seeds) else None
            share = float(weight / self.total)
            new = Motif(matrix, background, float(effective), share, seed)
            alike = [(*_likeness(motif, new), i) for i, motif in enumerate(found)]
            likeness, shift, place = max(alike, default=(0.0, 0, 0))
            if likeness >= ALIKE:
                found[place] = _joined(found[place], new, shift)
            else:
                found.append(new)
        return tuple(sorted(found, key=lambda motif: -motif.share))


def residue_counts(repertoire: Repertoire) -> Floats:
    """How often each residue stands in the junctions, `(20,)`."""
    return np.bincount(repertoire.residues.numpy(), minlength=SYMBOLS)[1:].astype(np.float64)


def _likeness(one: Motif, other: Motif) -> tuple[float, int]:
    """The cosine of what two motifs tell, and by how many places the other is shifted for it."""
    size = np.linalg.norm(one.heights) * np.linalg.norm(other.heights) + 1e-12
    return max(
        (float((one.heights * moved).sum() / size), shift)
        for shift, moved in _shifted(other.heights, np.zeros_like(other.background))
    )


def _joined(one: Motif, other: Motif, shift: int) -> Motif:
    """Two motifs that are alike as one, in the window of the first."""
    moved = dict(_shifted(other.matrix, other.background))[shift]
    share = one.share + other.share
    return replace(
        one,
        matrix=(one.share * one.matrix + other.share * moved) / share,
        receptors=max(one.receptors, other.receptors),
        share=share,
        seed=one.seed or other.seed,
    )


def _shifted(rows: Floats, beyond: Floats) -> Iterator[tuple[int, Floats]]:
    """The rows of a window moved to either side by up to half of it, by how many places."""
    length = len(rows)
    for shift in range(-(length // 2), length // 2 + 1):
        moved = np.tile(beyond, (length, 1))
        moved[max(shift, 0) : length + min(shift, 0)] = rows[
            max(-shift, 0) : length + min(-shift, 0)
        ]
        yield shift, moved
