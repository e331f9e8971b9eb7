"""Retrieval from eight-bit codes, with a proved bound on how far it is from exact.

Pattern x_i is known as x̂_i with ‖x_i − x̂_i‖ ≤ e_i, so its score as ŝ_i with |s_i − ŝ_i| ≤ δ_i,
δ_i = β‖ξ‖ e_i + ρ, where ρ bounds the rounding of float32. Let R be the patterns that are compared
as they are stored, O those that are left out and U the rest; w_i = exp(s_i), ŵ_i = exp(ŝ_i), and

    Ẑ = Σ_R w_i + Σ_U ŵ_i        ŷ = (Σ_R w_i x_i + Σ_U ŵ_i x̂_i) / Ẑ

Then Z (y − ŷ) = Σ_U [(w_i − ŵ_i)(x̂_i − ŷ) + w_i (x_i − x̂_i)] + Σ_O w_i (x_i − ŷ), and since
|w_i − ŵ_i| ≤ ŵ_i (e^δ_i − 1) and Z ≥ Z₋ = Σ_R w_i + Σ_U ŵ_i e^−δ_i,

    ‖y − ŷ‖ ≤ [Σ_U ŵ_i ((e^δ_i − 1) ‖x̂_i − ŷ‖ + e^δ_i e_i) + Σ_O ŵ_i e^δ_i (‖x_i‖ + ‖ŷ‖)] / Z₋

where ‖x̂_i − ŷ‖ ≤ ‖x̂_i − ξ‖ + ‖ξ − ŷ‖, and the score tells ‖x̂_i − ξ‖. R are the patterns with the
largest terms, as many as it takes for the bound that is asked for.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hopfield.memory.certified.coded import Array, Part, Survey, kernel, part_of, survey
from hopfield.memory.contents import Held
from hopfield.memory.form import Form
from hopfield.memory.network import MemoryNetwork
from hopfield.memory.reading import Certificate, Reading
from hopfield.reduction.inputs import tiles
from hopfield.separation import Softmax1

UNIT, UNIT64 = 2.0**-24, 2.0**-53  # rounding of float32 and of float64
LEAST = 2.0**-149  # the least number above 0 in float32
LEAST_NORMAL = 2.0**-126  # products below it may be taken as 0
OF_WEIGHTS = 1.3e-5  # relative error of an exponential, its argument, and a sum over a tile
LEFT_OUT, SURE = 0.05, 0.8  # shares of the bound for what is left out, and for the others
EASY, BUDGET = 1e-3, 0.01  # bound in units of M, share of the patterns: if nothing is asked for
FEW, FEW_TILES = 0.1, 1500  # looked at where no bound is asked for: a share, and at least so many
ATTEMPTS = (1.0, 0.4, 0.1)  # shares of the bound that are tried for before all are compared
MOST_COMPARED = 0.25  # of the patterns; beyond, comparing all takes no longer
UNKNOWN = 300.0  # nats that a score may be off; then its code says nothing
LEAST_SCORE = -700.0  # below the top; e to that is about the least number of float64
ROWS_AT_ONCE, TILES_AT_ONCE = 4096, 2**24


@dataclass(frozen=True)
class Lone:
    """The association of one state; fields as in `Certificate`."""

    readout: Array
    log_partition: float
    bound: float
    log_bound: float
    rescored: int
    exact: bool


@dataclass(frozen=True)
class CertifiedNetwork:
    """Associations by codes.

    Attributes:
        network: the same patterns, for what is read exactly: values.
        parts: the segments.
        longest: M.
        rtol: how far a read-out may be off, in units of M; None: what is gained by comparing up to
            a hundredth of the patterns.
    """

    network: MemoryNetwork
    parts: tuple[Part, ...]
    longest: float
    rtol: float | None = None

    @property
    def euclidean(self) -> bool:
        """Whether the bias has the term −½β‖x‖²."""
        return self.network.association.similarity == "euclidean"

    @property
    def states_are_alike(self) -> bool:
        """States do not depend on each other."""
        return True

    def for_rows(self, order: Tensor) -> "CertifiedNetwork":
        """The same: it is one network for all states."""
        return self

    def for_lead(self, dim: int, kept: Tensor) -> None:
        """States have no leading dimensions here."""

    def update(self, state: Tensor) -> Tensor:
        """The next states, `(S, d)`."""
        return self._certified(state)[0]

    def read(self, state: Tensor) -> Reading:
        """One association with its certificate; values are read exactly."""
        readout, certificate = self._certified(state)
        return Reading(readout, self.network.values(state), certificate)

    def _certified(self, state: Tensor) -> tuple[Tensor, Certificate]:
        beta, found = float(self.network.association.beta), []
        number = sum(len(part.tile_errors) for part in self.parts)
        for rows in tiles(len(state), max(1, TILES_AT_ONCE // max(1, number))):
            wide = state[rows].double().numpy()
            query = (beta * wide).astype(np.float32)
            seen = survey(self.parts, query, self.longest)
            for s, one in enumerate(wide):
                found.append(OneState(self, beta, one, query[s], seen, s).associated())
        readout = np.stack([one.readout for one in found]) if found else np.empty(state.shape)
        certificate = Certificate(
            bound=torch.tensor([one.bound for one in found], dtype=torch.float64),
            log_partition=torch.tensor([one.log_partition for one in found], dtype=torch.float64),
            log_partition_bound=torch.tensor([one.log_bound for one in found], dtype=torch.float64),
            rescored=torch.tensor([one.rescored for one in found], dtype=torch.int64),
            exact=torch.tensor([one.exact for one in found], dtype=torch.bool),
        )
        return torch.from_numpy(readout).to(state.dtype), certificate


@dataclass(frozen=True)
class OneState:
    """One state, and what the scan of the codes says of it.

    Attributes:
        network: what it associates with.
        beta: β.
        state: ξ, `(d,)`, float64.
        query: βξ, `(d,)`, float32.
        survey: of all states.
        index: of this one among them.
    """

    network: CertifiedNetwork
    beta: float
    state: Array
    query: Array
    survey: Survey
    index: int

    def associated(self) -> Lone:
        """The association with the bound that is asked for."""
        asked = self.network.rtol
        limit = (EASY if asked is None else asked) * self.network.longest
        for share in ATTEMPTS:
            found = self._certified(share * limit)
            if found is None:  # it takes all patterns
                break
            if asked is None or found.bound <= limit:
                return found
        return self._exact()

    @property
    def _errors(self) -> Array:
        """The largest error of each tile."""
        return np.concatenate([part.tile_errors for part in self.network.parts])

    @property
    def _reach(self) -> float:
        """β‖ξ‖: how far a score moves with a pattern."""
        return self.beta * float(np.linalg.norm(self.state)) * (1 + 1e-12)

    @property
    def _deepest(self) -> float:
        """The largest |bias|."""
        return max(-part.lowest for part in self.network.parts)

    @property
    def _null(self) -> bool:
        """Whether there is a null pattern, of score 0, that reads out 0."""
        return isinstance(self.network.network.association.separation, Softmax1)

    def _certified(self, limit: float) -> Lone | None:
        """The association if the bound is to be about `limit`; None if that takes all patterns."""
        network, errors = self.network, self._errors
        radius = network.longest + float(errors.max())  # no x̂ is longer
        terms = self._reach * radius + self._deepest
        rounding = 1.01 * (self.state.size + 16) * UNIT * terms + OF_WEIGHTS
        tops = self.survey.tops[self.index].astype(np.float64)
        top = max(tops.max(), 0.0) if self._null else tops.max()
        shifts = self._reach * errors + rounding
        if not (math.isfinite(top) and math.isfinite(radius**2)) or shifts.max() > UNKNOWN:
            return None
        masses = self.survey.masses[self.index] * np.exp(np.minimum(tops - top, 0.0))
        view = View(top, math.exp(-top) if self._null else 0.0, rounding, radius, masses, shifts)
        stretched = masses * np.exp(shifts)
        least = view.null + float((masses * np.exp(-shifts)).sum())
        costs = masses * _terms(shifts, 2 * radius, errors)
        if self.survey.numerator is not None and costs.sum() <= SURE * limit * least:
            return self._looked_at(view, np.zeros(len(costs), bool), ~np.zeros(len(costs), bool), 0)
        light = 2 * radius * stretched * len(costs) <= LEFT_OUT * limit * least
        looked_at, rest = ~light, np.zeros_like(light)
        few = max(int(FEW * len(costs)), FEW_TILES)
        if network.rtol is None and looked_at.sum() > few:
            looked_at = np.zeros_like(light)
            heaviest = costs.argpartition(len(costs) - few)[-few:]
            # Where the terms are spread evenly, comparing a few patterns would gain little.
            looked_at[heaviest] = costs[heaviest].sum() > 0.5 * costs.sum()
            rest = ~looked_at
        return self._looked_at(view, looked_at, rest, SURE * limit * least)

    def _looked_at(self, view: "View", some: Array, rest: Array, goal: float) -> Lone | None:
        """The association with some tiles looked at pattern by pattern.

        Of these the patterns with the largest terms are compared as they are stored, and the others
        read out by their codes. The rest of the tiles is read out whole; other tiles are left out.
        """
        weighed = [*self._weighed(some, view)]
        of_terms = [
            one.weights * _terms(one.shifts, np.minimum(one.distances, 2 * view.radius), one.errors)
            for one in weighed
        ]
        threshold = self._threshold(np.concatenate([t.ravel() for t in of_terms]), goal)
        chosen = [t >= threshold for t in of_terms]
        compared = sum(int(which.sum()) for which in chosen)
        if self.network.rtol is not None and compared > MOST_COMPARED * self._patterns:
            return None
        weight, numerator, off_in_sums = view.null, np.zeros(len(self.state)), 0.0
        if rest.any():
            numerator += self._read(view)
            for one in weighed:  # what was read with the rest
                own = np.zeros_like(numerator)
                one.read(one.weights, own)
                numerator -= own
                off_in_sums += 2 * OF_WEIGHTS * float(one.weights.sum())
            off_in_sums += 80 * UNIT * float(view.masses.sum())
        by_code = float(view.masses[rest].sum())
        for one, which in zip(weighed, chosen, strict=True):
            rows = (one.tiles[:, None] * kernel().TILE + np.arange(kernel().TILE))[which]
            for block in tiles(len(rows), ROWS_AT_ONCE):
                w, x = self._exact_weights(one.part, rows[block], view.top)
                weight, numerator = weight + float(w.sum()), numerator + w @ x
            one.weights[which] = 0.0
            one.read(one.weights, numerator)
            by_code += float(one.weights.sum())
        readout = numerator / (weight + by_code)
        gap, length = np.linalg.norm(self.state - readout), float(np.linalg.norm(readout))
        masses, shifts, errors = view.masses[rest], view.shifts[rest], self._errors[rest]
        off = float((masses * _terms(shifts, view.radius + length, errors)).sum())
        least = weight + float((masses * np.exp(-shifts)).sum())
        most = weight + float((masses * np.exp(shifts)).sum())
        for one in weighed:
            apart = np.minimum(one.distances + gap, view.radius + length)
            off += float((one.weights * _terms(one.shifts, apart, one.errors)).sum())
            least += float((one.weights * np.exp(-one.shifts)).sum())
            most += float((one.weights * np.exp(one.shifts)).sum())
        out = ~(some | rest)
        omitted = float((view.masses[out] * np.exp(view.shifts[out])).sum())
        omitted += self._patterns * math.exp(LEAST_SCORE + float(view.shifts.max()))
        off += omitted * (view.radius + length) + off_in_sums * view.radius
        off += (80 * UNIT * by_code + self._patterns * LEAST_NORMAL) * view.radius
        log_bound = math.log((most + omitted) / least) + (1e3 + self._patterns) * UNIT64
        log_partition = view.top + math.log(weight + by_code)
        return self._lone(readout, log_partition, off / least, log_bound, compared)

    @property
    def _patterns(self) -> int:
        return self.network.network.visible

    @property
    def _budget(self) -> int:
        """How many patterns are compared where no bound is asked for."""
        return int(BUDGET * self._patterns)

    def _read(self, view: "View") -> Array:
        """Σ exp(ŝ − top) x̂ over all patterns, which the scan has read out, or does now."""
        seen, own = self.survey, self.index
        if seen.numerator is None:
            query = self.query[None]
            seen, own = survey(self.network.parts, query, self.network.longest, reads=True), 0
        assert seen.numerator is not None
        numerator: Array = math.exp(seen.level[own] - view.top) * seen.numerator[own]
        return numerator

    def _weighed(self, some: Array, view: "View") -> Iterator["Weighed"]:
        first = 0
        # ‖x̂‖² is ‖x‖² up to this, and the score tells 2 ξ·x̂ up to its rounding
        slack = 2 * view.radius * float(self._errors.max()) + 2 * view.rounding / self.beta
        own_square = float(self.state @ self.state) + slack + 1e-6 * view.radius**2
        for part in self.network.parts:
            number = len(part.tile_errors)
            which = some[first : first + number].nonzero()[0]
            first += number
            scores, shifts, distances = np.empty((3, len(which), kernel().TILE), np.float32)
            codes = (part.codes, part.scales, part.bias, part.errors, part.squares)
            numbers = (view.top, self._reach, view.rounding, self.beta, own_square)
            kernel().examine(self.query, *codes, which, *numbers, scores, shifts, distances)
            errors = part.errors.reshape(-1, kernel().TILE)[which]
            with np.errstate(under="ignore"):
                weights = np.exp(
                    scores,
                    dtype=np.float64,
                    where=scores >= LEAST_SCORE,
                    out=np.zeros(scores.shape),
                )
            yield Weighed(part, which, weights, shifts.astype(np.float64), distances, errors)

    def _threshold(self, terms: Array, goal: float) -> float:
        """From which term on patterns are compared, so that the others sum up to the goal."""
        rising = np.sort(terms)
        kept = int(np.searchsorted(rising.cumsum(dtype=np.float64), goal, side="right"))
        if kept == len(rising):
            return math.inf
        if self.network.rtol is not None or len(rising) - kept <= self._budget:
            return float(rising[kept])
        at_most = rising[len(rising) - self._budget - 1]  # terms like it are too many
        return float(np.nextafter(at_most, math.inf))

    def _exact_weights(self, part: Part, rows: Array, top: float) -> tuple[Array, Array]:
        """exp(score − top) and the patterns of some rows, in float64."""
        scores, x = self._exact_scores(part, rows)
        return np.exp(scores - top), x

    def _exact_scores(self, part: Part, rows: Array | slice) -> tuple[Array, Array]:
        """Scores and patterns of some rows, in float64."""
        bias = part.bias[rows].astype(np.float64)
        x = part.stored[rows if isinstance(rows, slice) else torch.from_numpy(rows)]
        wide = x.double().numpy()
        if self.network.euclidean:
            halves = -0.5 * self.beta * (wide * wide).sum(-1)
            bias = np.where(np.isneginf(bias), bias, halves)
        return self.beta * (wide @ self.state) + bias, wide

    def _exact(self) -> Lone:
        """All patterns compared as they are stored, in float64."""
        top, weight = (0.0, 1.0) if self._null else (-math.inf, 0.0)
        numerator = np.zeros(len(self.state))
        for part in self.network.parts:
            for some in tiles(len(part.bias), ROWS_AT_ONCE):
                scores, x = self._exact_scores(part, some)
                higher = max(top, float(scores.max()))
                if higher == -math.inf:
                    continue
                shrink, top = math.exp(top - higher), higher
                w = np.exp(scores - top)
                weight, numerator = weight * shrink + float(w.sum()), numerator * shrink + w @ x
        size = self._reach * self.network.longest + self._deepest
        relative = 4 * UNIT64 * (self._patterns + len(self.state) + 64) * (1 + size)
        bound = 2 * self.network.longest * relative
        log_partition = top + math.log(weight)
        return self._lone(
            numerator / weight, log_partition, bound, relative, self._patterns, exact=True
        )

    def _lone(
        self,
        readout: Array,
        log_partition: float,
        bound: float,
        log_bound: float,
        rescored: int,
        exact: bool = False,
    ) -> Lone:
        """The result as it is handed out: in float32, and normalised where states are."""
        length = float(np.linalg.norm(readout))
        bound = min(bound, self.network.longest + length)
        if self.network.network.association.similarity == "cosine" and length > 0:
            # ‖a/‖a‖ − b/‖b‖‖ ≤ 2 ‖a − b‖ / (‖a‖ + ‖b‖)  (Dunkl and Williams 1964)
            bound = 2 * bound / (2 * length - bound) if bound < length else 2.0
            readout, length = readout / length, 1.0
        bound += 1.01 * UNIT * length + LEAST * len(readout)
        return Lone(readout, log_partition, bound, log_bound, rescored, exact)


@dataclass(frozen=True)
class View:
    """What the scan says of one state.

    Attributes:
        top: the level that weights are relative to.
        null: the weight of the null pattern.
        rounding: ρ.
        radius: no x̂ is longer.
        masses: `(tiles,)`, Σ ŵ of each tile.
        shifts: `(tiles,)`, the largest δ of each.
    """

    top: float
    null: float
    rounding: float
    radius: float
    masses: Array
    shifts: Array


@dataclass(frozen=True)
class Weighed:
    """The patterns of some tiles of a part as codes tell of them, `(tiles, TILE)` each.

    Attributes:
        part: the part.
        tiles: their numbers.
        weights: ŵ_i = exp(ŝ_i − top); 0 beyond the last pattern.
        shifts: δ_i.
        distances: ‖x̂_i − ξ‖, at most.
        errors: e_i.
    """

    part: Part
    tiles: Array
    weights: Array
    shifts: Array
    distances: Array
    errors: Array

    def read(self, weights: Array, numerator: Array) -> None:
        """Add what these weights read out by the codes."""
        given = (self.part.codes, self.part.scales, self.tiles, weights.astype(np.float32))
        kernel().read(*given, numerator)


def _terms(shifts: Array, apart: Array | float, errors: Array) -> Array:
    """What a pattern of weight 1 adds to the bound."""
    terms: Array = np.expm1(shifts) * apart + np.exp(shifts) * errors
    return terms


def certified_network(
    form: Form, network: MemoryNetwork, blocks: Iterable[Held]
) -> CertifiedNetwork:
    """The network of what a memory holds that scans its codes."""
    blocks = [*blocks]
    beta = float(network.association.beta)
    parts = tuple(part_of(form, beta, held) for held in blocks)
    return CertifiedNetwork(network, parts, network.longest)
