"""`Memory`: the long-lived associative memory."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Never, Self, Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.linalg import vector_norm

from hopfield import _check
from hopfield.errors import (
    ArgumentError,
    HopfieldError,
    NotStorableError,
    ShapeError,
)
from hopfield.memory.certified.certified import CertifiedNetwork, certified_network
from hopfield.memory.contents import Contents, Held, Tail
from hopfield.memory.diagnosis import Diagnosis, chosen_beta, diagnosed
from hopfield.memory.form import FormSettings, form, inverse_temperature
from hopfield.memory.given import check_unique, checked_ids, checked_values, listed, spelled
from hopfield.memory.index.index import Index, IndexedNetwork, check_indexed, made_index
from hopfield.memory.index.members import removed_rows
from hopfield.memory.index.probe import Probe
from hopfield.memory.info import MemoryInfo, memory_info
from hopfield.memory.network import MemoryNetwork, memory_network
from hopfield.memory.reading import Associator
from hopfield.memory.retrieval import Associations, MemoryRetrieval, retrieved
from hopfield.memory.sealing import compacted, sealed
from hopfield.memory.segment import ValueKind, coded, kind_of, plain
from hopfield.memory.store import log
from hopfield.memory.store.manifest import Manifest
from hopfield.memory.store.store import Store
from hopfield.phases import Phase, phase_in
from hopfield.theory.beta import StoringBeta

INT64 = 2**63
MOST_SCORE = 1e37
SHARE, SAMPLE = 0.99, 512  # of the patterns that are to be stored, and that are tried


class Memory:
    """An associative memory that is kept: patterns come and go, are saved, mapped, retrieved.

    All patterns meet a state by the reduction of `hopfield.update`, segment by segment, wherever
    they lie; results are those of `hopfield.retrieve` over all of them.

    Several threads may use one object: changes wait for one another, and a retrieval waits for the
    change that is being made, and is of one state.

    Args:
        dim: d, the width of patterns and states.
        beta: inverse temperature β: a number; None: 1/√d; "auto": found once, when it is needed
            first, by `choose_beta`.
        **settings: see `hopfield.memory.FormSettings`: similarity, separation, dtype, scan.

    Raises:
        ArgumentError: a setting out of range, or a separation that needs all scores at once.
    """

    _index: Index | None = None

    def __init__(
        self,
        dim: int,
        beta: float | Literal["auto"] | None = None,
        **settings: Unpack[FormSettings],
    ) -> None:
        self.form = form(dim, **settings)
        self._auto = isinstance(beta, str) and beta == "auto"
        self._beta: float | None
        if self._auto:
            self._beta = None
        else:
            self._beta = self.form.dim**-0.5 if beta is None else inverse_temperature(beta)
        self._lock = threading.RLock()
        self._store: Store | None = None
        self._hold(Contents(self.form, []))

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        dim: int,
        beta: float | Literal["auto"] | None = None,
        **settings: Unpack[FormSettings],
    ) -> Self:
        """A memory that is on disk from the start; the arguments are those of the class.

        Raises:
            FileError: something is there already.
            ArgumentError: as for the class.
        """
        memory = cls(dim, beta, **settings)
        memory.save(path)
        return memory

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """A memory that was saved: mapped from disk, and kept there from now on.

        It sees one state of the memory, whatever others add meanwhile; `refresh` moves to the
        newest. The first change that it makes takes the lock, so that no other writes.

        Raises:
            FileError: there is no memory, or one of a later format.
            MemoryCorrupt: a file is missing or damaged; the message names it. Contents of segments
                are not read for this: `check` does.
        """
        memory = cls.__new__(cls)
        memory._lock = threading.RLock()
        store = Store(Path(path))
        memory._attach(store, store.load())
        return memory

    def _attach(self, store: Store, contents: Contents) -> None:
        """Hold what the store has now."""
        known = store.manifest
        if known.index is None or (self._index is not None and self._index.entry != known.index):
            self._index = None
        self.form, self._beta, self._auto = known.form, known.beta, known.auto
        self._store = store
        self._hold(contents)

    def _hold(self, contents: Contents) -> None:
        """The contents are these, from one moment to the next."""
        self._forget()
        self._contents = contents

    def _forget(self) -> None:
        """What was made of the contents is made anew when it is needed."""
        self._network: MemoryNetwork | None = None
        self._certified: CertifiedNetwork | None = None

    @property
    def path(self) -> Path | None:
        """Where it is kept; None in memory alone."""
        return None if self._store is None else self._store.path

    def __len__(self) -> int:
        return len(self._contents)

    def __repr__(self) -> str:
        where = "in memory" if self.path is None else f"at {self.path}"
        kept = self.form.as_json()
        beta = "to be found" if self._beta is None else f"{self._beta:.6g}"
        return (
            f"Memory({len(self)} patterns of width {self.form.dim}, {kept['dtype']}, beta {beta}, "
            f"{self.form.similarity}, {self.form.separation}, {where})"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> Never:
        raise ArgumentError(
            "a Memory is neither copied nor pickled: save(path) keeps it, and "
            "hopfield.Memory.open(path) makes another one of it, in any process"
        )

    def close(self) -> None:
        """Let others write; reading goes on to work."""
        with self._lock:
            if self._store is not None:
                self._store.release()

    def refresh(self) -> bool:
        """Move to the newest state of the folder; whether there was a newer one.

        Raises:
            FileError: there is no memory any more, or another one.
            MemoryCorrupt: it is damaged.
        """
        with self._changing():
            if self._store is None or (contents := self._store.newest(self._contents)) is None:
                return False
            self._attach(self._store, contents)
            return True

    # What it holds

    def info(self) -> MemoryInfo:
        """What it is and holds, in numbers."""
        return memory_info(self._contents, self._beta, self._store, self._index is not None)

    @property
    def ids(self) -> Int[Tensor, " N"]:
        """The ids of all patterns, in the order in which they came."""
        found = [held.ids for held in self._contents.blocks()]
        return torch.cat(found) if found else torch.empty(0, dtype=torch.int64)

    def blocks(self) -> Iterator[Held]:
        """The segments as they are now, for those who read them without a copy."""
        return self._contents.blocks()

    @property
    def classes(self) -> Int[Tensor, " C"] | None:
        """The labels that there are, rising; None without labels."""
        if self._contents.value_kind != "labels":
            return None
        return self._built().classes

    def get(self, ids: object) -> tuple[Float[Tensor, "n d"], Tensor | None]:
        """Patterns as they are stored, `(n, d)`, float32, and their values, by id.

        Raises:
            ArgumentError: unknown ids.
        """
        with self._lock:
            wanted = self._known_ids(ids)
            place = self._contents.find(wanted)
            blocks = [*self._contents.blocks()]
        patterns = torch.empty(len(wanted), self.form.dim)
        values = None
        for number in place.segment.unique().tolist():
            here = place.segment == number
            segment = blocks[number].segment
            patterns[here] = segment.patterns[place.row[here]].float()
            if segment.values is not None:
                if values is None:
                    values = segment.values.new_empty(len(wanted), *segment.values.shape[1:])
                values[here] = segment.values[place.row[here]]
        return patterns, values

    # Change

    def add(self, patterns: object, values: object = None, ids: object = None) -> Int[Tensor, " n"]:
        """Store patterns; opened from a path, they are on disk when the call returns.

        Args:
            patterns: `(n, d)`, a floating tensor or array.
            values: what they read out: `(n, v)`, floating, or `(n,)`, whole numbers: labels. All
                patterns of a memory have values of one kind, or none.
            ids: `(n,)`, whole numbers that no other pattern has; by default they are counted.

        Returns:
            The ids.

        Raises:
            ShapeError, DtypeError, ArgumentError: something does not fit; nothing is stored then.
            MemoryLockedError: another process is writing.
        """
        stored, read, wanted = self._fitting(patterns, values, ids)
        if len(stored) == 0:
            return torch.empty(0, dtype=torch.int64)
        with self._writing():
            contents = self._contents
            kind = self._fitting_kind(read)
            if wanted is None:
                if contents.next_id + len(stored) >= INT64:
                    raise ArgumentError("there are no ids left to count; give ids")
                wanted = torch.arange(contents.next_id, contents.next_id + len(stored))
            else:
                self._check_new(wanted)
            rows = coded(plain(stored, wanted, read), self.form)
            next_id = min(max(contents.next_id, int(wanted.max()) + 1), INT64 - 1)
            changes: dict[str, Any] = {"next_id": next_id, "value_kind": kind}
            if contents.tail.size + len(rows) > self.form.tail_rows:
                self._replace(sealed(contents, rows, self._store), **changes)
            else:
                if self._store is not None:
                    self._store.append(log.added(rows), **changes)
                self._hold(contents.added(rows, **changes))
        return wanted

    def check_add(self, patterns: object, values: object = None, ids: object = None) -> None:
        """Raise what `add` would raise, and store nothing; the arguments are those of `add`."""
        stored, read, wanted = self._fitting(patterns, values, ids)
        with self._writing():
            if len(stored):
                self._fitting_kind(read)
            if wanted is not None:
                self._check_new(wanted)

    def _fitting(
        self, patterns: object, values: object, ids: object
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Patterns, values and ids as they are stored."""
        stored = self.form.patterns(patterns)
        read = None if values is None else checked_values(values, len(stored))
        wanted = None if ids is None else checked_ids("ids", ids)
        if wanted is not None and len(wanted) != len(stored):
            raise ShapeError(f"there are {len(wanted)} ids for {len(stored)} patterns")
        return stored, read, wanted

    def _fitting_kind(self, values: Tensor | None) -> ValueKind:
        """The kind of values, which is that of the values that are there."""
        known, kind = self._contents.value_kind, kind_of(values)
        if known not in ("open", kind):
            raise ShapeError(
                f"these patterns have {spelled(kind)}, and those of this memory "
                f"{spelled(known)}; all must have values of one kind"
            )
        return kind

    def remove(self, ids: object) -> None:
        """Forget patterns; their ids may be given to others.

        Once that is in the log it is done: where a long log cannot be made into a segment, since
        the disk is full, the next removal tries again.

        Raises:
            ArgumentError: unknown ids, or one twice; nothing is removed then.
            MemoryLockedError: another process is writing.
        """
        wanted = checked_ids("ids", ids)
        if len(wanted) == 0:
            return
        check_unique(wanted)
        with self._writing():
            wanted = self._known_ids(wanted)
            if self._store is not None:
                self._store.append(log.removed(wanted))
            self._hold(self._contents.without(self._contents.find(wanted)))
            if self._store is not None and self._store.log_is_long:
                try:
                    self._replace(sealed(self._contents, None, self._store))
                except OSError:
                    self._store.forget()

    def compact(self, advanced: Callable[[int], object] = lambda patterns: None) -> None:
        """Write small segments into large ones, and leave out what was removed.

        A segment that is large and whole stays as it is.

        Args:
            advanced: hears how many patterns were seen to.

        Raises:
            MemoryLockedError: another process is writing.
        """
        with self._writing():
            index = self._index_of_rest()
            made = compacted(self._contents, self._store, advanced)
            if index is self._index:
                self._replace(made)
            else:
                self._replace(made, moved=True)
                self._keep(index)

    def _replace(self, held: list[Held], *, moved: bool = False, **changes: Any) -> None:
        """The segments are these; where rows of the index moved, these and it are of no use."""
        if self._store is not None:
            index: dict[str, Any] = {"index": None, "index_settings": {}} if moved else {}
            self._store.seal(held, **index, **changes)
        if moved:
            self._index = None
        self._hold(replace(self._contents, held=held, tail=Tail(), **changes))

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One thread at a time; where it is cut off, what is on disk is read before it is used."""
        with self._lock:
            try:
                yield
            except HopfieldError:  # raised on purpose, where all is as it was
                raise
            except BaseException:
                if self._store is not None:
                    self._store.forget()
                    self._forget()
                raise

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Take the lock, which is kept until `close`, and begin from the newest state."""
        with self._lock:
            if self._store is not None:
                self._store.lock()
            with self._changing():
                if self._store is not None:
                    contents = self._store.begin(self._contents)
                    if contents is not None:
                        self._attach(self._store, contents)
                yield

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the memory to a new folder, whole or not at all; from now on it is kept there.

        Where it is kept already, nothing is to be done, unless its folder was deleted.

        Raises:
            FileError: something is there already.
        """
        with self._changing():
            if self._store is not None and self._store.is_at(Path(path)):
                return
            contents = self._contents
            first = Manifest(
                self.form,
                self._beta,
                self._auto,
                next_id=contents.next_id,
                value_kind=contents.value_kind,
            )
            held = [
                replace(one, segment=coded(one.segment, self.form))
                for one in contents.blocks()
                if len(one) > 0
            ]
            index = self._index_of_rest()
            self.close()
            store = Store.create(Path(path), first, held)
            self._attach(store, store.load())
            self._index = index
            if index is not None:
                with self._writing():
                    self._keep(index)
                self.close()

    def check(self, advanced: Callable[[int], object] = lambda size: None) -> None:
        """Read every byte of the memory on disk, and compare it with its checksum.

        Args:
            advanced: hears how many bytes were read.

        Raises:
            MemoryCorrupt: a file is missing or damaged; the message names all of them.
            ArgumentError: it is in memory alone.
        """
        if self._store is None:
            raise ArgumentError("this memory is not on disk; save(path) puts it there")
        self._store.check(advanced)

    # Index

    def build_index(
        self,
        lists: int | None = None,
        *,
        seed: int = 0,
        queries: int = 250,
        progress: bool = False,
    ) -> None:
        """Sort the patterns into lists, so that `retrieve(..., index=Probe())` need not see all.

        The index is kept with the memory, and replaces the one before it. It has a copy of the
        patterns. Patterns that come later are compared besides, all of them; those that are removed
        drop out; `compact` and `save` bring it along.

        Its intervals are what estimates were off on held-out states, whose exact retrieval is known
        then: 97 % of those of each kind, with 90 % confidence, lie in them, so that 95 % of other
        states do that are not quite alike. It is over states, and over the random numbers of each;
        of one state again and again it says nothing. Where the radii of the lists that were not
        compared prove a smaller bound, the interval is that. This is measured now, for this β and
        `Probe()`; for another β or another probe, or once a further tenth of the patterns were
        removed, it is when they are first used, which takes as long as exact retrieval of six
        times `queries` states, and is not kept on disk.

        Args:
            lists: how many; by default 4 √N.
            seed: of k-means and of the held-out states.
            queries: how many held-out states of each of six kinds, at least 80: patterns with
                little, some and much noise, up to 1.2 times their scatter, what these are updated
                to, means of several patterns, and states that resemble none.
            progress: show how far it is.

        Raises:
            ArgumentError: nothing is stored, a number out of range, or a separation that needs the
                heaviest patterns for sure.
            MissingExtraError: faiss or numba is not installed.
            MemoryLockedError: another process is writing.
        """
        with self._writing():
            self._check_not_empty()
            check_indexed(self.form, len(self), lists, seed, queries)
            _ = self.beta  # found before the lists, which take longer
            if self._contents.tail.size:
                self._replace(sealed(self._contents, None, self._store))
            self._keep(made_index(self._contents.held, lists, seed, queries, progress), progress)

    def _keep(self, index: Index | None, progress: bool = False) -> None:
        """Keep an index, calibrated."""
        self._index = index
        if index is None:
            return
        self._indexed(torch.empty(0, self.form.dim), Probe(), progress)
        if self._store is not None:
            path = self._store.index_name()
            index.lists.write(path)
            self._store.set_index(path, index.settings())
            index.entry = self._store.manifest.index

    def _found_index(self) -> Index | None:
        """The index, loaded if it was not yet; built anew where its file is damaged."""
        if self._index is None and self._store is not None:
            known = self._store.manifest
            if known.index_settings:
                self._index = Index.load(
                    self._store.path, known.index, known.index_settings, self._contents.held
                )
        return self._index

    def _index_of_rest(self) -> Index | None:
        """The index without what was removed, as the patterns are counted then."""
        index = self._found_index()
        if index is None:
            return None
        removed = torch.cat([removed_rows(held) for held in self._contents.blocks()])
        removed = removed[: len(index.lists.rows)]
        return None if bool(removed.all()) else index.without(removed)

    def _indexed(self, state: Tensor, probe: Probe, progress: bool = False) -> IndexedNetwork:
        if not isinstance(probe, Probe):
            raise ArgumentError(f"index is {probe!r}; a hopfield.memory.Probe is expected")
        if state.requires_grad:
            raise ArgumentError(
                "noisy requires a gradient, which retrieval by an index has not; leave index out, "
                "or give noisy.detach()"
            )
        exact, index = self._built(), self._found_index()
        if index is None:
            raise ArgumentError("this memory has no index; build_index() makes one")
        return index.network(self.form, exact, [*exact.blocks], state, probe, progress)

    # Beta

    @property
    def beta(self) -> float:
        """Inverse temperature β; with "auto" it is found now if it was not yet.

        What is found is kept on disk, if no other process writes there, or has written since this
        memory was opened.
        """
        if self._beta is None:
            self._check_not_empty()
            with self._lock:
                self._beta = self._choice(self._error(None), SHARE, SAMPLE, 0).beta
                self._forget()
                if self._store is not None:
                    self._store.change_if_free(beta=self._beta)
        return self._beta

    @beta.setter
    def beta(self, value: float) -> None:
        if isinstance(value, str) and value == "auto":
            raise ArgumentError("beta is to be a number here; choose_beta() finds one and keeps it")
        self._set_beta(inverse_temperature(value), auto=False)

    def choose_beta(
        self,
        error: float | None = None,
        share: float = SHARE,
        *,
        sample: int = SAMPLE,
        seed: int = 0,
    ) -> StoringBeta:
        """Find the β that stores a share of the patterns, and keep it.

        Patterns of a sample are tried against all, by `hopfield.theory.storing_beta`.

        Args:
            error: how far from itself a pattern may be retrieved; by default a hundredth of M.
            share: of the patterns, that must be retrieved that well.
            sample: how many are tried, at most.
            seed: of the sample.

        Returns:
            What was found.

        Raises:
            NotStorableError: no β stores that share, or the similarity is Euclidean, of which the
                theory does not speak.
        """
        self._check_not_empty()
        found = self._choice(self._error(error), share, sample, seed)
        self._set_beta(found.beta, auto=True)
        return found

    def _choice(self, error: float, share: float, sample: int, seed: int) -> StoringBeta:
        return chosen_beta(
            self.form.similarity, self._contents.patterns, error, share, sample, seed
        )

    def diagnose(
        self,
        error: float | None = None,
        share: float = SHARE,
        *,
        sample: int = SAMPLE,
        seed: int = 0,
    ) -> Diagnosis:
        """How well the memory stores its patterns: a sample of them against all.

        Args:
            error: how far from itself a pattern may be retrieved; by default a hundredth of M.
            share: of the patterns, that the β to choose must store.
            sample: how many patterns are looked at, at most.
            seed: of the sample.

        Returns:
            Δ, M and m_max; which patterns are stored at this β; families; and a β to choose. It is
            not set: `choose_beta` does that. Where β is still to be found, all is told at the β to
            choose, or at 1/√d if there is none.

        Raises:
            ArgumentError: nothing is stored, or all patterns are 0 and no error is given.
        """
        self._check_not_empty()
        error, share = self._error(error), _check.share("share", share)
        sample, seed = _check.positive_int("sample", sample), _check.seed("seed", seed)
        beta = self._beta
        if beta is None:
            beta = self.form.dim**-0.5
            with suppress(NotStorableError):
                beta = self._choice(error, share, sample, seed).beta
        return diagnosed(
            memory_network(self.form, beta, self._contents.blocks()),
            self._contents.patterns,
            self.ids,
            error=error,
            share=share,
            sample=sample,
            seed=seed,
        )

    def _set_beta(self, beta: float, auto: bool) -> None:
        with self._writing():
            if self._store is not None:
                self._store.change(beta=beta, auto=auto)
            self._forget()
            self._beta, self._auto = beta, auto

    # Retrieval

    def retrieve(
        self,
        noisy: Float[Tensor, "*lead S d"],
        *,
        steps: int = 1,
        tol: float | None = None,
        energy: bool = False,
        rtol: float | None = None,
        index: Probe | None = None,
    ) -> MemoryRetrieval:
        """Retrieve from noisy states: update them to a fixed point; the last update reads values.

        Args:
            noisy: states ξ, `(..., S, d)`, a floating tensor or array.
            steps: the largest number of associations.
            tol: how little an update moves a state that has converged, in the unit of the
                patterns; None makes exactly `steps` associations.
            energy: also compute the energy of the states at the end.
            rtol: with scan="int8", how far each association may be off, in units of M, the length
                of the longest pattern: more patterns are compared as they are stored until that is
                proved, all of them if need be. By default up to a hundredth of them are compared,
                as far as that gains much, and the bound is what it is.
            index: ask the index of `build_index` this way in place of comparing all patterns; what
                comes out is an estimate with an `interval`, which is of the last association, given
                the state before it. By default all is exact; the energy always is.

        Returns:
            A `MemoryRetrieval`.

        Raises:
            ShapeError, DtypeError, ArgumentError: something does not fit, or nothing is stored.

        Warns:
            ConvergenceWarning: `tol` was given and some states did not converge.
        """
        steps = _check.positive_int("steps", steps)
        if tol is not None:
            _check.tolerance("tol", tol)
        given = self._states(noisy)
        state = given.reshape(-1, self.form.dim)
        with self._lock:  # both of one state
            network, exact = self._association(state, rtol, index), self._built()

        def shaped(tensor: Tensor) -> Tensor:
            return tensor.reshape(*given.shape[:-1], *tensor.shape[1:])

        return retrieved(
            network,
            state,
            steps,
            tol,
            shaped,
            energy=(lambda state: exact.energy(state, exact.known)) if energy else None,
            classes=exact.classes,
        )

    def associate(
        self, noisy: Float[Tensor, "*lead S d"], k: int = 1, *, index: Probe | None = None
    ) -> Associations:
        """The patterns that states rest on most: their ids, their weights, and the weight left out.

        Args:
            noisy: states ξ, `(..., S, d)`.
            k: how many patterns; fewer where there are fewer.
            index: find them by the index of `build_index`, asked this way; the weights are then
                estimates, and heavier patterns may lie in lists that it did not compare.

        Raises:
            ShapeError, DtypeError, ArgumentError: as for `retrieve`.
        """
        given = self._states(noisy)
        state = given.reshape(-1, self.form.dim)
        with self._lock:  # both of one state
            exact = self._built()
            network = exact if index is None else self._indexed(state, index)
        found, weights, rest = network.associate(state, _check.positive_int("k", k))
        ids = torch.zeros_like(found.row)
        for number, held in enumerate(exact.blocks):
            here = found.part == number
            ids[here] = held.segment.ids[found.row[here]]
        lead = given.shape[:-1]
        return Associations(ids.unflatten(0, lead), weights.unflatten(0, lead), rest.reshape(lead))

    def energy(self, noisy: Float[Tensor, "*lead S d"]) -> Float[Tensor, "..."]:
        """The energy of states, `(..., S)`, as `hopfield.energy` has it over all patterns.

        Args:
            noisy: states ξ, `(..., S, d)`.

        Raises:
            ShapeError, DtypeError, ArgumentError: as for `retrieve`.
        """
        given, network = self._states(noisy), self._built()
        flat = given.reshape(-1, self.form.dim)
        return network.energy(flat, network.known).reshape(given.shape[:-1])

    def phase(
        self, noisy: Float[Tensor, "*lead S d"], *, fixed_at: float = 0.9, global_kl: float = 0.1
    ) -> Phase:
        """The phase of states, as `hopfield.phase` has it over all patterns.

        Args:
            noisy: states ξ, `(..., S, d)`, judged as they are.
            fixed_at: weight of one pattern, in (0, 1].
            global_kl: distance from uniform weights, in nats, above 0.

        Raises:
            ShapeError, DtypeError, ArgumentError: as for `retrieve`.
        """
        given = self._states(noisy)
        flat = given.detach().reshape(-1, self.form.dim)
        found = phase_in(self._built(), flat, fixed_at, global_kl)
        lead = given.shape[:-1]
        return Phase(*(getattr(found, field.name).reshape(lead) for field in fields(Phase)))

    def _states(self, noisy: object) -> Tensor:
        """States as they meet the patterns, whose scores float32 holds."""
        state, longest = self.form.states(noisy), self._built().longest
        lengths = vector_norm(state.detach(), dim=-1)
        score = self.beta * longest * max(longest, float(lengths.max()) if len(lengths) else 0.0)
        if not score < MOST_SCORE:
            raise ArgumentError(
                f"scores would be as large as β · ‖x‖ · ‖ξ‖ = {score:.3g}, which float32 does not "
                f"hold; choose a smaller beta, or scale patterns and states down"
            )
        return state

    def _association(self, state: Tensor, rtol: float | None, index: Probe | None) -> Associator:
        """What makes an association: exactly, by certified codes, or by the index."""
        if index is not None:
            _check.unused(rtol, "rtol", "an index estimates; what it proves it says itself")
            return self._indexed(state, index)
        if self.form.scan != "int8":
            _check.unused(rtol, "rtol", "only a memory with scan='int8' proves a bound")
            return self._built()
        if state.requires_grad:
            raise ArgumentError(
                "noisy requires a gradient, which retrieval from codes has not; use a memory with "
                "scan='exact', or noisy.detach()"
            )
        exact = self._built()
        if self._certified is None:
            self._certified = certified_network(self.form, exact, exact.blocks)
        rtol = None if rtol is None else _check.positive("rtol", rtol)
        return replace(self._certified, rtol=rtol)

    def _built(self) -> MemoryNetwork:
        with self._lock:
            if self._store is not None and self._store.forgotten:
                self.refresh()
            if self._network is None:
                self._check_not_empty()
                self._network = memory_network(self.form, self.beta, self._contents.blocks())
            return self._network

    def _check_not_empty(self) -> None:
        if len(self) == 0:
            raise ArgumentError("this memory holds no pattern; add(patterns) stores some")

    def _error(self, error: float | None) -> float:
        """The error asked for, or a hundredth of M."""
        if error is not None:
            return _check.positive("error", error)
        longest = self._contents.longest
        if longest == 0:
            raise ArgumentError(
                "all patterns are 0, so no error follows from their length; give one"
            )
        return 0.01 * longest

    def _known_ids(self, ids: object) -> Tensor:
        wanted = checked_ids("ids", ids)
        unknown = wanted[self._contents.find(wanted).row < 0]
        if len(unknown):
            raise ArgumentError(f"ids has {listed(unknown)} that this memory does not hold")
        return wanted

    def _check_new(self, ids: Tensor) -> None:
        check_unique(ids)
        known = ids[self._contents.find(ids).row >= 0]
        if len(known):
            raise ArgumentError(f"ids has {listed(known)} that other patterns have; ids are unique")
