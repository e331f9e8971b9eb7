"""The screen: which gapped k-mers go with a target, told from some repertoires alone."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import t as student

from hopfield.errors import ArgumentError
from hopfield.repertoire.kmers import FEATURES
from hopfield.repertoire.targets import Target

CANDIDATES = 1000  # that are looked at together
PER = 10_000  # receptors, for which a rate is given
FEWEST = 4  # repertoires with a label: t of the first k-mer has two degrees of freedom then
CHANCE = 0.05  # that any of all k-mers is found by chance
CONSTANT = 1e-3  # spread of a column below which it is taken for constant
REPEATED = 0.05  # share of its variance that is left of a column which repeats those chosen
SPREAD, TINY = 1e-9, 1e-12  # lest anything is divided by 0
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Screen:
    """The k-mers that were chosen, in order.

    Attributes:
        features: `(k,)`, see `kmers.name`.
        t: `(k,)`, Student's t of the correlation of each with what those before it left over.
        rates: `(k,)`, how often each stands among 10 000 receptors, on average.
        rows: how many repertoires it looked at.
    """

    features: Rows
    t: Floats
    rates: Floats
    rows: int

    @property
    def limit(self) -> float:
        """The t that chance hardly exceeds: p < 0.05 / FEATURES (Bonferroni)."""
        return float(student.isf(CHANCE / FEATURES / 2, max(self.rows - 2, 1)))

    def beyond_chance(self) -> "Screen":
        """The first ones, while chance would hardly find a better one; if there is none, two."""
        some = int((self.t > self.limit).cumprod().sum()) or 2
        return replace(
            self, features=self.features[:some], t=self.t[:some], rates=self.rates[:some]
        )


def root_rates(counts: csr_array, receptors: NDArray[np.int64]) -> csr_array:
    """Square roots of rates per 10 000 receptors, whose spread does not depend on the rate.

    Args:
        counts: `(R, F)`, see `kmers.count`.
        receptors: `(R,)`, how many distinct ones each repertoire has.
    """
    each = np.repeat((PER / receptors).astype(np.float32), np.diff(counts.indptr))
    return csr_array((np.sqrt(counts.data * each), counts.indices, counts.indptr), counts.shape)


def screen(rates: csr_array, target: Target, rows: Rows, most: int = 32) -> Screen:
    """Choose k-mers one after the other, each by what it adds to those before it.

    First the 1000 that correlate best with the target (for classes: with any of them against the
    rest); among these forward selection, which takes a motif once and not in all its overlaps.

    Args:
        rates: `(R, F)`, see `root_rates`.
        target: of all R repertoires.
        rows: the repertoires to learn from; unlabelled ones among them are left out.
        most: how many to choose.

    Raises:
        ArgumentError: fewer than 4 of the rows have a label.
    """
    rows = rows[target.labelled[rows]]
    if len(rows) < FEWEST:
        raise ArgumentError(
            f"{len(rows)} repertoires have a label; the screen needs at least {FEWEST}"
        )
    wanted = _columns(target, rows)
    candidates = _candidates(rates, wanted, rows)
    some = rates[:, candidates][rows].toarray().astype(np.float64)
    chosen, t = _selected(some, wanted, most)
    return Screen(candidates[chosen], t, (some[:, chosen] ** 2).mean(0), len(rows))


def _candidates(rates: csr_array, wanted: Floats, rows: Rows) -> Rows:
    """The k-mers that correlate best with any of the wanted columns, best first.

    Args:
        rates: `(R, F)`.
        wanted: `(n, outputs)`, see `_columns`.
        rows: `(n,)`, of the repertoires.
    """
    among = np.zeros((1, rates.shape[0]))
    among[:, rows] = 1
    mean = (among @ rates)[0] / len(rows)
    squares = (among @ csr_array((rates.data**2, rates.indices, rates.indptr), rates.shape))[0]
    spread = np.sqrt(np.maximum(squares - len(rows) * mean**2, 0)) + SPREAD
    columns = np.zeros((rates.shape[0], wanted.shape[1]))
    columns[rows] = wanted
    correlation = np.abs((columns.T @ rates) / spread).max(0)
    correlation[spread < CONSTANT] = 0
    best = np.argsort(-correlation, kind="stable")[:CANDIDATES]
    return best[correlation[best] > 0]


def _selected(some: Floats, wanted: Floats, most: int) -> tuple[Rows, Floats]:
    """Forward selection: the places of columns, and t of what each adds to those before it.

    Args:
        some: `(n, candidates)`.
        wanted: `(n, outputs)`.
        most: how many to choose.
    """
    n = len(some)
    left = some - some.mean(0)
    before = (left**2).sum(0)
    chosen, statistics = [], []
    for step in range(min(most, n - FEWEST + 1, some.shape[1])):
        norm = (left**2).sum(0)
        r = np.where(norm > REPEATED * before, _correlation(left, norm, wanted), 0)
        pick = int(r.argmax())
        if r[pick] <= 0:
            break
        chosen.append(pick)
        statistics.append(r[pick] * np.sqrt((n - 2 - step) / max(1 - r[pick] ** 2, TINY)))
        direction = left[:, pick] / np.sqrt(norm[pick])
        left -= np.outer(direction, direction @ left)
        wanted = wanted - np.outer(direction, direction @ wanted)
    return np.array(chosen, np.int64), np.array(statistics)


def _correlation(left: Floats, norm: Floats, wanted: Floats) -> Floats:
    """Of centred columns with the one of the wanted that each goes with best, `(candidates,)`."""
    lengths = np.sqrt(np.maximum(norm, TINY))[:, None] * np.linalg.norm(wanted, axis=0)
    return (np.abs(left.T @ wanted) / (lengths + TINY)).max(1)


def _columns(target: Target, rows: Rows) -> Floats:
    """Centred columns of length 1 that tell the target, `(n, outputs)`."""
    values = target.values[rows]
    if target.kind == "multiclass":
        columns = (values[:, None] == np.arange(len(target.classes))).astype(np.float64)
    else:
        columns = values[:, None]
    columns = columns - columns.mean(0)
    return columns / (np.linalg.norm(columns, axis=0) + TINY)
