"""`Cohort`: the rules by which simulated repertoires are made."""

import math
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from numbers import Integral
from typing import NamedTuple, TypedDict
from zlib import crc32

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.repertoire.repertoire import Repertoire
from hopfield.repertoire.simulation.background import Background
from hopfield.repertoire.simulation.receptors import (
    MOST,
    Receptors,
    Source,
    draw_distinct,
    number_of,
)
from hopfield.repertoire.simulation.signal import Motifs, Signal

PERSON, SUBJECT, REPERTOIRE, BATCH, PRIMER, SIGNAL = range(6)  # what random numbers are for
SHARED = 0.2  # of the receptors of a repertoire are in all those of its subject
LEAST_EFFICIENCY = 0.3  # of a batch for a V gene, against the best
TRUTH = {
    "repertoire_id": pl.String,
    "junction_aa": pl.String,
    "v_call": pl.String,
    "j_call": pl.String,
    "motif": pl.String,
    "position": pl.Int64,
}


class Settings(TypedDict, total=False):
    """What `simulated` and `simulate` share.

    Attributes:
        sequences: distinct receptors of each repertoire (10 000).
        signal: motifs as text (see `Motif.parse`), or a `Signal` (SFEN).
        witness: which receptors of a positive repertoire carry it: a share below 1, or how many.
        positive: share of the positive repertoires (0.5).
        seed: the same one gives the same repertoires, however many are made (0).
        background: where receptors come from; by default `Background.default()`.
        subjects: how many people the repertoires are of; those of one share a diagnosis and a
            fifth of their receptors. By default each repertoire has its own.
        poisson: the number of witnesses is drawn from a Poisson distribution (False).
        depth_effect: positive repertoires have this share more receptors: a confounder (0).
        batches: how many batches; with several each finds V genes with its own efficiency (1).
        batch_bias: share of the positive repertoires that are put into the first batch, whatever
            their own: a confounder (0).
    """

    sequences: int
    signal: str | Signal
    witness: float
    positive: float
    seed: int
    background: Source | None
    subjects: int | None
    poisson: bool
    depth_effect: float
    batches: int
    batch_bias: float


class Made(NamedTuple):
    """One repertoire and its part of the truth."""

    repertoire: Repertoire
    truth: pl.DataFrame


@dataclass(frozen=True, eq=False)
class Cohort:
    """The rules by which repertoires are made, each from its own random numbers: see `Settings`."""

    _: KW_ONLY
    sequences: int = 10_000
    signal: str | Signal = "SFEN"
    witness: float = 0.001
    positive: float = 0.5
    seed: int = 0
    background: Source | None = None
    subjects: int | None = None
    poisson: bool = False
    depth_effect: float = 0.0
    batches: int = 1
    batch_bias: float = 0.0

    def __post_init__(self) -> None:
        for name in ("sequences", "batches"):
            number_of(name, getattr(self, name))
        if self.subjects is not None:
            number_of("subjects", self.subjects)
        if not isinstance(self.seed, Integral) or self.seed < 0:
            raise ArgumentError(f"seed is {self.seed!r}; a whole number of at least 0 is expected")
        _check.positive("witness", self.witness)
        if not -1 < self.depth_effect <= MOST:
            raise ArgumentError(
                f"depth_effect is {self.depth_effect!r}; above -1 and up to {MOST:,} is expected"
            )
        for name in ("positive", "batch_bias"):
            if not 0 <= getattr(self, name) <= 1:
                raise ArgumentError(f"{name} is {getattr(self, name)!r}; a share is expected")
        if self.batch_bias and self.batches == 1:
            raise ArgumentError(f"batch_bias is {self.batch_bias!r}; it needs several batches")
        if isinstance(self.signal, str):
            Motifs.parse(self.signal)  # what is none is told before anything is written
        size = number_of("sequences with their depth_effect", self._size(True))
        mean = self._mean_witnesses(size)
        if mean > size or not (self.poisson or round(mean)):
            raise ArgumentError(
                f"witness is {self.witness!r}, {mean:g} of {size} receptors; at least one and at "
                f"most all are expected"
            )

    @cached_property
    def source(self) -> Source:
        """Where receptors come from."""
        return Background.default() if self.background is None else self.background

    def metadata(self, repertoires: int) -> pl.DataFrame:
        """One row for each of the first repertoires."""
        people = [self._person(i) for i in range(repertoires)]
        return pl.DataFrame(
            {
                "repertoire_id": [name_of(i) for i in range(repertoires)],
                "diagnosis": [
                    "positive" if self._is_positive(i) else "healthy" for i in range(repertoires)
                ],
                "subject_id": [f"subject-{self._subject(i) + 1:05d}" for i in range(repertoires)],
                "sex": [person[0] for person in people],
                "age": [person[1] for person in people],
                "batch": [f"batch-{self._batch(i) + 1}" for i in range(repertoires)],
            }
        )

    def make(self, i: int) -> Made:
        """The repertoire of number `i`, from 0, with what is implanted."""
        rng = self._random(REPERTOIRE, i)
        size = self._size(self._is_positive(i))

        def seen(drawn: Receptors) -> NDArray[np.bool_]:
            return rng.random(len(drawn)) < self._efficiency(i, drawn.v_genes)[drawn.v]

        receptors = draw_distinct(self.source, rng, size, seen, self._of_subject(i))
        truth = pl.DataFrame(schema=TRUTH)
        if self._is_positive(i):
            carriers = self._signal.implant(rng, receptors, self._witnesses(rng, size))
            others = np.setdiff1d(np.arange(size), carriers.rows)
            receptors = carriers.receptors.joined(receptors[others]).distinct()
            receptors = draw_distinct(self.source, rng, size, seen, receptors)
            truth = carriers.receptors.frame().select(
                pl.lit(name_of(i)).alias("repertoire_id"),
                pl.all(),
                motif=pl.Series(carriers.motifs, dtype=pl.String),
                position=pl.Series(carriers.positions),
            )
        counts = self.source.draw_counts(rng, size)
        return Made(receptors.repertoire(self.source.locus, counts), truth)

    def _random(self, *what: int) -> np.random.Generator:
        """Random numbers of its own for each thing that is drawn."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=what))

    @cached_property
    def _signal(self) -> Signal:
        signal = Motifs.parse(self.signal) if isinstance(self.signal, str) else self.signal
        return signal.prepared(self._random(SIGNAL), self.source)

    def _subject(self, i: int) -> int:
        return i if self.subjects is None else i % self.subjects

    def _is_positive(self, i: int) -> bool:
        """Evenly spread over the subjects, so that any number of them has its share."""
        before, after = (
            math.floor(number * self.positive + 1e-9)
            for number in (self._subject(i), self._subject(i) + 1)
        )
        return after > before

    def _person(self, i: int) -> tuple[str, int]:
        """Sex and age of the subject."""
        rng = self._random(PERSON, self._subject(i))
        return ("female", "male")[rng.integers(2)], int(rng.integers(18, 81))

    def _batch(self, i: int) -> int:
        rng = self._random(BATCH, i)
        own = int(rng.integers(self.batches))
        return 0 if self._is_positive(i) and rng.random() < self.batch_bias else own

    def _efficiency(self, i: int, genes: tuple[str, ...]) -> NDArray[np.float64]:
        """How likely receptors of each V gene are to be seen in the batch of a repertoire."""
        if self.batches == 1:
            return np.ones(len(genes))
        batch = self._batch(i)
        primers = (self._random(PRIMER, batch, crc32(gene.encode())) for gene in genes)
        return np.array([primer.uniform(LEAST_EFFICIENCY, 1.0) for primer in primers])

    def _of_subject(self, i: int) -> Receptors | None:
        """The receptors that all repertoires of a subject have."""
        if self.subjects is None:
            return None
        rng = self._random(SUBJECT, self._subject(i))
        number = math.ceil(SHARED * self.sequences)
        return draw_distinct(self.source, rng, number, lambda drawn: drawn.lengths > 0)

    def _size(self, is_positive: bool) -> int:
        """How many receptors a repertoire has."""
        return max(1, round(self.sequences * (1 + self.depth_effect * is_positive)))

    def _mean_witnesses(self, size: int) -> float:
        return self.witness if self.witness >= 1 else self.witness * size

    def _witnesses(self, rng: np.random.Generator, size: int) -> int:
        """How many receptors of a positive repertoire carry the signal."""
        mean = self._mean_witnesses(size)
        return min(int(rng.poisson(mean)), self._signal.most(size)) if self.poisson else round(mean)


def name_of(i: int) -> str:
    """The id of the repertoire of number `i`, from 0."""
    return f"repertoire-{i + 1:05d}"
