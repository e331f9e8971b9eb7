"""`ShardedMemory`: a memory whose patterns are spread over processes, on one machine or many."""

import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hopfield import _check
from hopfield.errors import ArgumentError, DtypeError, ShapeError
from hopfield.memory.contents import Held
from hopfield.memory.form import DTYPES, Form, form, inverse_temperature
from hopfield.memory.given import check_unique as check_own_unique
from hopfield.memory.given import checked_ids
from hopfield.memory.memory import Memory
from hopfield.memory.retrieval import Associations, MemoryRetrieval, retrieved
from hopfield.memory.segment import Segment
from hopfield.memory.shard.collective import Group, all_states, first_states
from hopfield.memory.shard.network import ShardNetwork, shard_network
from hopfield.memory.shard.phase import shard_phase
from hopfield.memory.shard.rows import agreed, check_unique, classes, share, some
from hopfield.memory.store.store import Store
from hopfield.phases import Phase, limits
from hopfield.separation import Separation, Softmax, Softmax1, TopK
from hopfield.similarity import SIMILARITIES, Similarity, minus_half_squares, normalised

TIMEOUT = 600.0


class ShardedMemory:
    """A memory whose patterns are spread over processes; each associates with its own share.

    All processes of `torch.distributed` make it together, and make the same calls together, with
    states of one shape: those of the first process count. All get the same results, those of one
    process with all patterns up to rounding; they take the same way if the machines round alike.
    One step is one scan of each share and one all-reduce of `world · S · (d + 1)` numbers, whatever
    the number of patterns.

    This constructor takes patterns that lie in each process, trainable ones, too: gradients flow to
    the states and to the patterns and values of each process, if all call backward alike. Where
    processes have losses of their own it is that of their mean, as `DistributedDataParallel` has
    it; patterns belong to one process, so they are left out of that.

    Args:
        patterns: `(n, d)`, those of this process, float32 or bfloat16, in no, one or many rows; on
            the GPU with NCCL. What is a parameter is read anew at each call.
        values: what they read out: `(n, v)`, floating, or `(n,)`, whole numbers: labels.
        ids: `(n,)`, whole numbers that no other pattern of any process has (of which samples are
            checked); by default they are counted.
        beta: inverse temperature β; by default 1/√d.
        similarity: "dot", "euclidean" or "cosine".
        separation: "softmax", "softmax1" or `TopK(k)`.
        timeout: seconds within which all processes must have come to the same point.

    Raises:
        ShapeError, DtypeError, ArgumentError: something does not fit, here or on another process.
        ShardError: another process died, or did not answer in time; as all methods do.
    """

    def __init__(
        self,
        patterns: Float[Tensor, "n d"],
        values: Tensor | None = None,
        ids: Int[Tensor, " n"] | None = None,
        *,
        beta: float | None = None,
        similarity: Similarity = "dot",
        separation: str | Separation = "softmax",
        timeout: float = TIMEOUT,
    ) -> None:
        group = Group(_check.positive("timeout", timeout))
        with group.checking("make"):
            _check_tensors(patterns, values, group.device)
            made = form(patterns.shape[1], similarity, separation, patterns.dtype, "exact")
            beta = made.dim**-0.5 if beta is None else inverse_temperature(beta)

            def as_stored() -> Tensor:
                return normalised(patterns) if made.similarity == "cosine" else patterns

            _check_length(as_stored().detach())
            given = None if ids is None else _checked_ids(ids, len(patterns)).to(group.device)
        _agree(group, made, beta)
        counted = group.slots(torch.tensor(len(patterns), device=group.device)).tolist()
        first = sum(counted[: group.rank])
        counting = torch.arange(first, first + len(patterns), device=group.device)
        known = counting if given is None else given
        read = values
        if values is not None and not values.is_floating_point():
            read = values.long()

        def rows() -> list[Held]:
            stored = as_stored()
            return [Held(Segment(stored, known, minus_half_squares(stored), read))]

        self._trained = [t for t in (patterns, values) if t is not None and t.requires_grad]
        self._begin(group, made, beta, rows, check_ids=ids is not None)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, timeout: float = TIMEOUT) -> Self:
        """A memory that was saved; each process maps an equal share of its rows, and reads no more.

        The folder lies where all machines see it, or each has a copy. Nothing is written, and what
        others add meanwhile is not seen. Memories with scan="int8" are scanned exactly.

        Args:
            path: of the folder.
            timeout: as for the class.

        Raises:
            FileError: there is no memory, or one of a later format.
            MemoryCorrupt: a file is missing or damaged.
            ArgumentError: its β is still to be found, or it holds no pattern.
            ShardError: as for the class.
        """
        memory = cls.__new__(cls)
        group = Group(_check.positive("timeout", timeout))
        with group.checking("make"):
            store = Store(Path(path))
            contents, known = store.load(), store.manifest
            if known.beta is None:
                raise ArgumentError(
                    f"the beta of {path} is still to be found; choose_beta() of hopfield.Memory "
                    f"finds and keeps it"
                )
            held = share(contents.blocks(), group)
        _agree(group, known.form, known.beta, int(known.mark[:12], 16))
        memory._trained = []
        memory._begin(group, known.form, known.beta, lambda: held)
        return memory

    @classmethod
    def of(cls, own: Memory, *, timeout: float = TIMEOUT) -> Self:
        """The memories of all processes as one: what each holds now.

        Args:
            own: the memory of this process, which may be empty; ids are unique over all processes,
                of which samples are checked.
            timeout: as for the class.

        Raises:
            ArgumentError, ShapeError: they do not fit each other.
            ShardError: as for the class.
        """
        memory = cls.__new__(cls)
        group = Group(_check.positive("timeout", timeout))
        with group.checking("make"):
            if not isinstance(own, Memory):
                raise ArgumentError(f"own is {own!r}; a hopfield.Memory is expected")
            beta, held = own.beta, [*own.blocks()]
        _agree(group, own.form, beta)
        memory._trained = []
        memory._begin(group, own.form, beta, lambda: held, check_ids=True)
        return memory

    def _begin(
        self,
        group: Group,
        made: Form,
        beta: float,
        rows: Callable[[], list[Held]],
        *,
        check_ids: bool = False,
    ) -> None:
        """What all ways to make it share, once the processes agree.

        Args:
            group: the processes.
            made: the form.
            beta: β.
            rows: those of this process; called anew for each call where they are trained.
            check_ids: whether ids may lie on several processes.
        """
        self.form, self._beta, self._group = made, beta, group
        held = rows()
        self._size, value_kind = agreed(held, group)
        if check_ids:
            check_unique(held, group)
        self.classes = classes(held, group) if value_kind == "labels" else None
        self._rows = lambda: some(rows(), made, value_kind, self.classes, group.device)
        self._network: ShardNetwork | None = None

    def __len__(self) -> int:
        return self._size

    @property
    def beta(self) -> float:
        """Inverse temperature β, on which the processes agreed."""
        return self._beta

    def __repr__(self) -> str:
        return (
            f"ShardedMemory({len(self)} patterns of width {self.form.dim} on {self._group.world} "
            f"processes, beta {self.beta:.6g}, {self.form.similarity}, {self.form.separation})"
        )

    def retrieve(
        self,
        noisy: Float[Tensor, "*lead S d"],
        *,
        steps: int = 1,
        tol: float | None = None,
        energy: bool = False,
        own: bool = False,
    ) -> MemoryRetrieval:
        """Retrieve from noisy states: update them to a fixed point; the last update reads values.

        Args:
            noisy: states ξ, `(..., S, d)`, of one shape on all processes.
            steps: the largest number of associations.
            tol: how little an update moves a state that has converged; None makes exactly `steps`
                associations.
            energy: also compute the energy of the states at the end.
            own: whether each process retrieves from states of its own, as data-parallel training
                does; else from those of the first. All processes meet the states of all.

        Returns:
            A `MemoryRetrieval`.

        Raises:
            ShapeError, DtypeError, ArgumentError: something does not fit, here or elsewhere.
            ShardError: another process died, or did not answer in time.

        Warns:
            ConvergenceWarning: `tol` was given and some states did not converge.
        """
        with self._group.checking("retrieve"):
            steps = _check.positive_int("steps", steps)
            if tol is not None:
                _check.tolerance("tol", tol)
            given = self._given(noisy)
        says = (steps, -1 if tol is None else tol, energy)
        state = self._met("retrieve", given, own, *says)
        network = self._built()
        return retrieved(
            network,
            state,
            steps,
            tol,
            self._shaped(given, own),
            energy=(lambda state: network.energy(state, network.known)) if energy else None,
            classes=self.classes,
        )

    def associate(
        self, noisy: Float[Tensor, "*lead S d"], k: int = 1, *, own: bool = False
    ) -> Associations:
        """The patterns that states rest on most: their ids, their weights, and the weight left out.

        Args:
            noisy: states ξ, `(..., S, d)`.
            k: how many patterns; fewer where there are fewer.
            own: as for `retrieve`.

        Raises:
            ShapeError, DtypeError, ArgumentError, ShardError: as for `retrieve`.
        """
        with self._group.checking("associate"):
            k = _check.positive_int("k", k)
            given = self._given(noisy)
        state = self._met("associate", given, own, k)
        found, weights, rest = self._built().associate(state, k)
        return Associations(*map(self._shaped(given, own), (found.row, weights, rest)))

    def energy(
        self, noisy: Float[Tensor, "*lead S d"], *, own: bool = False
    ) -> Float[Tensor, "..."]:
        """The energy of states, `(..., S)`, as `hopfield.energy` has it over all patterns.

        Args:
            noisy: states ξ, `(..., S, d)`.
            own: as for `retrieve`.

        Raises:
            ShapeError, DtypeError, ArgumentError, ShardError: as for `retrieve`.
        """
        with self._group.checking("energy"):
            given = self._given(noisy)
        state = self._met("energy", given, own)
        network = self._built()
        return self._shaped(given, own)(network.energy(state, network.known))

    def phase(
        self,
        noisy: Float[Tensor, "*lead S d"],
        *,
        fixed_at: float = 0.9,
        global_kl: float = 0.1,
        own: bool = False,
    ) -> Phase:
        """The phase of states, as `hopfield.phase` has it over all patterns.

        What is exchanged does not grow with their number. `heaviest` is exact where it is at least
        1/64; below that, duplicates that lie on several processes may be missed.

        Args:
            noisy: states ξ, `(..., S, d)`, judged as they are.
            fixed_at: weight of one pattern, in (0, 1].
            global_kl: distance from uniform weights, in nats, above 0.
            own: as for `retrieve`.

        Raises:
            ShapeError, DtypeError, ArgumentError, ShardError: as for `retrieve`.
        """
        with self._group.checking("phase"):
            fixed_at, global_kl = limits(fixed_at, global_kl)
            given = self._given(noisy)
        state = self._met("phase", given, own, fixed_at, global_kl)
        found = shard_phase(self._built(), state.detach(), fixed_at, global_kl)
        shaped = self._shaped(given, own)
        return Phase(*(shaped(getattr(found, field.name)) for field in fields(Phase)))

    def _given(self, noisy: object) -> Tensor:
        return self.form.states(noisy, device=self._group.device)

    def _met(self, call: str, given: Tensor, own: bool, *said: float) -> Tensor:
        """The states `(S, d)` that all processes associate with, once all make the same call."""
        state, group = given.reshape(-1, self.form.dim), self._group
        wanted = any(tensor.requires_grad for tensor in (state, *self._trained))
        trains = wanted and torch.is_grad_enabled()
        group.agree(call, len(state), own, *said, trains=trains)
        return (all_states if own else first_states)(state, group)

    def _shaped(self, given: Tensor, own: bool) -> Callable[[Tensor], Tensor]:
        """Brings results for all states to the shape of those that were given."""
        lead = given.shape[:-1]
        first = self._group.rank * lead.numel() if own else 0

        def shaped(tensor: Tensor) -> Tensor:
            return tensor[first : first + lead.numel()].reshape(*lead, *tensor.shape[1:])

        return shaped

    def _built(self) -> ShardNetwork:
        """The network; anew where patterns are trained."""
        if self._network is None or self._trained:
            held = self._rows()
            self._network = shard_network(self.form, self.beta, held, self.classes, self._group)
        return self._network


def _check_tensors(patterns: Tensor, values: Tensor | None, device: torch.device) -> None:
    _check.floating("patterns", patterns, 2)
    if patterns.dim() != 2:
        raise ShapeError(f"patterns has shape {_check.shape_of(patterns)}; (n, d) is expected")
    if patterns.dtype not in DTYPES.values():
        raise DtypeError(f"patterns is {patterns.dtype}; float32 or bfloat16 is expected")
    _check.finite("patterns", patterns.detach())
    if values is not None:
        _check_values(values, len(patterns))
    for name, tensor in (("patterns", patterns), ("values", values)):
        if tensor is not None and tensor.device != device:
            raise DtypeError(f"{name} is on {tensor.device}; {device} is expected")


def _check_values(values: object, patterns: int) -> None:
    if not isinstance(values, Tensor):
        raise DtypeError(f"values is a {type(values).__name__}; a torch.Tensor is expected")
    floating = values.is_floating_point()
    if values.is_complex() or values.dim() != (2 if floating else 1):
        raise ShapeError(
            f"values is {values.dtype} of shape {_check.shape_of(values)}; (n, v), floating, or "
            f"(n,), whole numbers, is expected"
        )
    if len(values) != patterns:
        raise ShapeError(f"values has {len(values)} rows for {patterns} patterns")
    if floating:
        _check.finite("values", values.detach().float())


def _checked_ids(ids: object, patterns: int) -> Tensor:
    found = checked_ids("ids", ids)
    if len(found) != patterns:
        raise ShapeError(f"ids has {len(found)} rows for {patterns} patterns")
    check_own_unique(found)
    return found


def _check_length(stored: Tensor) -> None:
    """The squares of lengths are finite, as `Form.patterns` checks it, but where patterns lie."""
    overflown = ~minus_half_squares(stored).isfinite()
    if bool(overflown.any()):
        raise ArgumentError(
            f"patterns has {int(overflown.sum())} vectors that are too long for {stored.dtype}, "
            f"the first at index {int(overflown.nonzero()[0])}; scale them down"
        )


def _agree(group: Group, made: Form, beta: float, version: int = 0) -> None:
    """All make memories of one form, and see the same version of the folder."""
    separation = made.separation
    kind = (Softmax, Softmax1, TopK).index(type(separation))
    k = separation.k if isinstance(separation, TopK) else 0
    group.agree("make", made.dim, beta, SIMILARITIES.index(made.similarity), kind, k, version)
