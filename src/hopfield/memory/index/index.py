"""`Index`: retrieval that does not compare all patterns, and says how far off it is."""

import warnings
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.linalg import vector_norm
from tqdm import tqdm

from hopfield import _check
from hopfield._text import one_line
from hopfield.errors import ArgumentError, DataWarning, FileError, MemoryCorrupt
from hopfield.memory.contents import Held
from hopfield.memory.form import Form
from hopfield.memory.index.calibration import FLOOR, Calibration
from hopfield.memory.index.lists import Lists, build, default_lists
from hopfield.memory.index.probe import Probe
from hopfield.memory.index.search import Estimate, Search, keys_of
from hopfield.memory.network import Heaviest, MemoryNetwork
from hopfield.memory.reading import Interval, Reading
from hopfield.memory.store import disk, manifest
from hopfield.memory.store.manifest import Entry
from hopfield.reduction.inputs import tiles
from hopfield.separation import Softmax1, TopK
from hopfield.similarity import normalised

STATES_AT_ONCE = 256
NOISE = (0.1, 0.35, 0.7, 1.2)  # of held-out states, in units of how patterns scatter
MEANS_OF = 16
KINDS = 6
LEAST_QUERIES = 80


@dataclass(frozen=True)
class IndexedNetwork:
    """What makes associations by an index.

    Attributes:
        search: the index.
        probe: how it is asked.
        calibration: of this probe, at this β.
        keys: `(S,)`, of the random numbers of the states.
    """

    search: Search
    probe: Probe
    calibration: Calibration
    keys: Tensor

    @property
    def states_are_alike(self) -> bool:
        return True

    def for_rows(self, order: Tensor) -> "IndexedNetwork":
        """The network for states that `order`, `(W,)`, picks and packs."""
        return replace(self, keys=self.keys[order])

    def for_lead(self, dim: int, kept: Tensor) -> None:
        return None

    def update(self, state: Tensor) -> Tensor:
        """The next state, `(S, d)`."""
        return _estimate(self.search, state, self.keys, self.probe).readout

    def read(self, state: Tensor) -> Reading:
        """One association."""
        found = _estimate(self.search, state, self.keys, self.probe)
        factor, log_factor = self.calibration.factors(found.unseen)
        interval = Interval(
            error=torch.minimum(factor * _unit(self.search, found), found.bound),
            log_partition=found.log_partition,
            log_partition_error=torch.minimum(
                log_factor * (found.log_spread + FLOOR), found.log_bound
            ),
            compared=found.compared,
        )
        return Reading(found.readout, found.values, interval=interval)

    def associate(self, state: Tensor, k: int) -> tuple[Heaviest, Tensor, Tensor]:
        """The k heaviest patterns compared, their weights, `(S, k)`, and that of all others."""
        found = self.search.heaviest(state, k, self.probe)
        estimate = _estimate(self.search, state, self.keys, self.probe)
        log_partition = estimate.log_partition
        weights = (found.score - log_partition[:, None]).exp().clamp(max=1.0)
        total = torch.ones_like(log_partition)
        if isinstance(self.search.form.separation, Softmax1):
            total = -torch.expm1(-log_partition)
        return found, weights, (total - weights.sum(-1)).clamp(min=0.0)


class Index:
    """Lists of the first patterns of a memory, and what is known of answers by them.

    Args:
        lists: the lists.
        seed: they were made with.
        queries: how many held-out states of each kind calibrate.
        calibrations: those that there are.

    Attributes:
        entry: the file that it is kept in; None in memory.
    """

    def __init__(
        self,
        lists: Lists,
        seed: int,
        queries: int,
        calibrations: dict[tuple[float, Probe, int], Calibration] | None = None,
    ) -> None:
        self.lists, self.seed, self.queries = lists, seed, queries
        self._calibrations = {} if calibrations is None else calibrations
        self.entry: Entry | None = None
        self._search: Search | None = None

    def network(
        self,
        form: Form,
        exact: MemoryNetwork,
        blocks: list[Held],
        state: Tensor,
        probe: Probe,
        progress: bool = False,
    ) -> IndexedNetwork:
        """The network for states `(S, d)`; it is calibrated first where it is not yet.

        Args:
            form: of the memory.
            exact: over all of its patterns.
            blocks: of the memory.
            state: the states that retrieval starts from.
            probe: how the index is asked.
            progress: show how far calibration is.
        """
        if self._search is None or self._search.exact is not exact:
            self._search = Search.of(form, exact, self.lists, blocks, self._search)
        search = self._search
        gone = 1 - float(search.members.counts.sum()) / len(self.lists.rows)
        of_what = search.beta, replace(probe, seed=0), int(10 * gone)
        if of_what not in self._calibrations:
            self._calibrations[of_what] = self._calibrated(search, probe, progress)
        calibration = self._calibrations[of_what]
        return IndexedNetwork(search, probe, calibration, keys_of(state, probe.seed))

    def _calibrated(self, search: Search, probe: Probe, progress: bool) -> Calibration:
        """Held-out states: patterns with little, some and much noise, what these are updated to,
        means of patterns, and states that resemble no pattern.
        """
        generator = torch.Generator().manual_seed(self.seed + 1)
        patterns, there = self.lists.patterns, torch.arange(len(self.lists.rows))
        if bool(
            (search.members.bias > -torch.inf).any()
        ):  # those that were removed are states, too
            there = there[search.members.bias > -torch.inf]
        queries, width = self.queries, patterns.shape[-1]

        def some(count: int) -> Tensor:
            picked = torch.randint(len(there), (count,), generator=generator)
            return patterns[there[picked]].float()

        def noise() -> Tensor:
            return torch.randn(queries, width, generator=generator)

        chosen = some(queries)
        centre, scatter = chosen.mean(0), (chosen - chosen.mean(0)).square().mean().sqrt()
        states = [centre + scatter * noise()]
        for low, high in pairwise(NOISE):
            level = low * (high / low) ** torch.rand(queries, 1, generator=generator)
            states.append(some(queries) + scatter * level * noise())
        among = 1 + torch.randint(1, MEANS_OF, (queries, 1), generator=generator)
        shares = (torch.arange(MEANS_OF) < among).float() / among
        several = some(MEANS_OF * queries).view(queries, MEANS_OF, width)
        states.append((several * shares[..., None]).sum(1))
        if search.form.similarity == "cosine":
            states = [normalised(one) for one in states]
        with tqdm(total=KINDS * queries, desc="calibrating", disable=not progress) as bar:
            found = [_measured(search, one, probe, bar) for one in states]
            third = torch.arange(queries) % 3
            updated = torch.stack([exact for exact, _ in found[1:4]])[third, torch.arange(queries)]
            found.append(_measured(search, updated, probe, bar))
        kind = torch.arange(KINDS).repeat_interleave(queries)
        return Calibration.of(kind, *torch.cat([measured for _, measured in found], -1))

    def settings(self) -> dict[str, Any]:
        """What a manifest keeps of it: how it was made, and its calibrations."""
        return {
            "lists": len(self.lists.sizes),
            "seed": self.seed,
            "queries": self.queries,
            "rows": len(self.lists.rows),
            "calibrations": [
                {"beta": beta, "probe": asdict(probe), "gone": gone} | made.as_json()
                for (beta, probe, gone), made in self._calibrations.items()
            ],
        }

    @classmethod
    def load(
        cls, folder: Path, entry: Entry | None, settings: dict[str, Any], held: list[Held]
    ) -> "Index":
        """The index that a manifest names; made anew where its file is not what that says.

        Args:
            folder: of the memory.
            entry: of the manifest.
            settings: of the manifest.
            held: the segments, whose first rows it has.

        Raises:
            MemoryCorrupt: the settings do not even say how it is made.

        Warns:
            DataWarning: the file is missing or damaged.
        """
        rows = sum(len(one.segment) for one in held)
        try:
            lists = min(_check.positive_int("lists", settings["lists"]), rows)
            seed = _check.seed("seed", settings["seed"])
            queries = _check.positive_int("queries", settings["queries"])
        except (LookupError, ArgumentError) as error:
            raise MemoryCorrupt(
                f"what {folder} says of its index is damaged ({one_line(error)}); build_index() "
                f"makes it anew"
            ) from error
        try:
            found = cls(_lists(folder, entry), seed, queries, _calibrations(settings))
        except FileNotFoundError:
            damage = f"the index of {folder} is missing"
            if _replaced(folder, entry):
                damage = (
                    f"another process replaced the index of {folder}: refresh() moves to the new "
                    f"one; that of what is seen here is missing"
                )
        except (LookupError, TypeError, ValueError, SafetensorError) as error:
            damage = f"the index of {folder} is damaged: {one_line(error)}"
        else:
            found.entry = entry
            return found
        warnings.warn(
            f"{damage}; it is made anew, which takes a while: build_index() keeps it",
            DataWarning,
            stacklevel=2,
        )
        found = made_index(held, lists, seed, queries, False)
        found.entry = entry
        return found

    def without(self, removed: Tensor) -> "Index":
        """The index of the patterns that stay, which are counted anew; `removed` is `(n,)`."""
        if not bool(removed.any()):
            return self
        return Index(self.lists.without(removed), self.seed, self.queries)


def check_indexed(form: Form, patterns: int, lists: int | None, seed: int, queries: int) -> None:
    """What `Memory.build_index` was given, for a memory of this form."""
    if isinstance(form.separation, TopK):
        raise ArgumentError(
            f"an index cannot serve {form.separation}: it may miss some of the heaviest patterns; "
            f"softmax and softmax1 weigh them all, of which it estimates the rest"
        )
    if lists is not None and _check.positive_int("lists", lists) > patterns:
        raise ArgumentError(f"lists is {lists}, and there are {patterns} patterns")
    _check.seed("seed", seed)
    if _check.positive_int("queries", queries) < LEAST_QUERIES:
        raise ArgumentError(
            f"queries is {queries}; at least {LEAST_QUERIES} are needed to know 95 % from 100 %"
        )


def made_index(
    held: list[Held], lists: int | None, seed: int, queries: int, progress: bool
) -> Index:
    """The index of the patterns of segments."""
    blocks = [one.segment.patterns for one in held]
    lists = default_lists(sum(map(len, blocks))) if lists is None else lists
    return Index(build(blocks, lists, seed, progress), seed, queries)


def _lists(folder: Path, entry: Entry | None) -> Lists:
    if entry is None:
        raise FileNotFoundError
    path = folder / entry.file
    if disk.digest(path) != entry.sha256:
        raise FileError(f"the checksum of {path} is not that of the manifest")
    return Lists.mapped(path)


def _calibrations(settings: dict[str, Any]) -> dict[tuple[float, Probe, int], Calibration]:
    found = {}
    for kept in settings["calibrations"]:
        factors = {name: kept[name] for name in ("edges", "error", "log_partition")}
        of_what = kept["beta"], Probe(**kept["probe"]), kept["gone"]
        found[of_what] = Calibration.of_json(factors)
    return found


def _replaced(folder: Path, entry: Entry | None) -> bool:
    """Whether the manifest on disk names another index by now."""
    try:
        return manifest.read(folder).index != entry
    except FileError:  # it is gone, or damaged, too
        return False


def _estimate(search: Search, state: Tensor, keys: Tensor, probe: Probe) -> Estimate:
    """What the search found, normalised for cosine similarity."""
    found = search.estimate(state, keys, probe)
    if search.form.similarity != "cosine":
        return found
    length = vector_norm(found.readout, dim=-1).clamp(min=torch.finfo().tiny)
    return replace(  # ‖a/‖a‖ − b/‖b‖‖ ≤ 2‖a − b‖ / ‖a‖
        found,
        readout=normalised(found.readout),
        spread=found.spread / length,
        bound=2 * found.bound / length,
    )


def _unit(search: Search, found: Estimate) -> Tensor:
    """What the error of a read-out is measured in; above 0 even where all patterns are 0."""
    return (found.spread + FLOOR * search.longest).clamp(min=torch.finfo().tiny)


def _measured(search: Search, states: Tensor, probe: Probe, bar: tqdm) -> tuple[Tensor, Tensor]:
    """The exact read-out of states; and for each what was not seen, and the two errors.

    Errors are in units of what intervals multiply: `(3, S)`.
    """
    readouts, measured = [], []
    for rows in tiles(len(states), STATES_AT_ONCE):
        state = states[rows]
        exact = search.exact.partial(state, "stored")
        readouts.append(search.exact.start(exact.readout))
        found = _estimate(search, state, keys_of(state, probe.seed), probe)
        error = vector_norm(found.readout - readouts[-1], dim=-1)
        log_error = (found.log_partition - exact.log_partition).abs()
        units = _unit(search, found), found.log_spread + FLOOR
        measured.append(torch.stack([found.unseen, error / units[0], log_error / units[1]]))
        bar.update(len(state))
    return torch.cat(readouts), torch.cat(measured, -1)
