"""`HeadClassCallback`: the heads of a model while it learns, on the same inputs at given steps."""

import time
import warnings
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from hopfield import _check
from hopfield.errors import ArgumentError, DataWarning
from hopfield.files.whole import make_folder
from hopfield.heads import history, weight_change
from hopfield.heads.corpus import Corpus
from hopfield.heads.growing import GrowingTable, read_rows
from hopfield.heads.probe import probe

EARLY = (0, 50, 100, 200, 300, 400)
TrainerCallback: Any = _check.extra("transformers", "heads").TrainerCallback


class HeadClassCallback(TrainerCallback):  # type: ignore[misc] # transformers is not typed
    """Looks at the heads of a model at given steps, and writes down what it sees as it goes.

    It is a callback for the `Trainer` of transformers; in a loop of your own, call `step`. The
    model stays as it is: its mode, its gradients, the state of random numbers.

    In its folder it writes `heads.csv`, a row for each head and step, which `History.read` reads;
    and `weights.csv`, how far the matrices of attention moved. A run that goes on from a checkpoint
    goes on with both: rows of steps that come again are written anew. For that the matrices of the
    last two steps in `weights.csv` lie beside it.

    Example:
        >>> callback = HeadClassCallback(model, tokenized(texts, tokenizer), "heads")
        >>> callback.step(0)
        >>> for number, batch in enumerate(batches, 1):
        ...     loss = update(model, batch)
        ...     callback.step(number, loss=loss)
        >>> History.read("heads/heads.csv").switched_at()

    Args:
        model: any that calls attention through transformers' interface.
        held_out: sequences that the model does not learn from.
        folder: new, or of the run that goes on.
        every: steps between two looks.
        early: steps at which to look besides.
        weights_every: steps over which the change of matrices is taken.
        most: the largest share of the run's time for looks. One that would take more is left out,
            with a warning; 1 leaves none out.
        batch_size: sequences that go through the model at once.

    Raises:
        ArgumentError: an argument is bad.
    """

    def __init__(
        self,
        model: nn.Module,
        held_out: Corpus,
        folder: str | Path,
        *,
        every: int = 250,
        early: Collection[int] = EARLY,
        weights_every: int = 1000,
        most: float = 0.1,
        batch_size: int = 16,
    ) -> None:
        self.model, self.held_out, self.folder = model, held_out, Path(folder)
        self.every = _check.positive_int("every", every)
        self.early = frozenset(early)
        self.weights_every = _check.positive_int("weights_every", weights_every)
        self.most = _check.share("most", most)
        self.batch_size = _check.positive_int("batch_size", batch_size)
        make_folder(self.folder)
        self._heads = GrowingTable(self.folder / "heads.csv", history.COLUMNS)
        self._changes = GrowingTable(self.folder / "weights.csv", weight_change.COLUMNS)
        self._snapshots = weight_change.Snapshots(self.folder)
        self._modules: list[str] = []
        self._before: weight_change.Weights | None = None
        self._since, self._last = 0, -1
        self._begun: float | None = None
        self._took = self._spent = 0.0  # seconds: for one look, for all

    def step(self, number: int, *, loss: float | None = None) -> None:
        """Look at the heads, if it is time to.

        Args:
            number: updates done so far. A run begins with 0; one that goes on, with another number.
            loss: is written beside.

        Raises:
            FileError: what lies in the folder is nothing to go on with.
            ArgumentError: the heads of the model cannot be looked at.

        Warns:
            DataWarning: a look was left out, an earlier state of the matrices is not known, or the
            folder held a run already.
        """
        if isinstance(number, bool) or not isinstance(number, int) or number <= self._last:
            raise ArgumentError(
                f"step is {number!r}; a whole number from 0 is expected, above the one before "
                f"({self._last if self._last >= 0 else 'none so far'})"
            )
        if self._begun is None:
            self._begin(number)
        self._last = number
        if number % self.every == 0 or number in self.early:
            self._look(number, loss)
        if number % self.weights_every == 0:
            self._note_weights(number)

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Look before the first update."""
        if given.get("model", self.model) is not self.model:
            raise ArgumentError("the Trainer trains another model than the callback was made with")
        self._begun, self._last, self._took, self._spent = None, -1, 0.0, 0.0  # it may train again
        if state.is_world_process_zero and state.global_step == 0:
            self.step(0)

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
        """Look after an update; the loss is the one that was logged last."""
        if state.is_world_process_zero:
            logged = (entry["loss"] for entry in reversed(state.log_history) if "loss" in entry)
            self.step(state.global_step, loss=next(logged, None))

    def _begin(self, number: int) -> None:
        first = self.held_out.sequences[:1], self.held_out.document[:1]
        one = replace(self.held_out, sequences=first[0], document=first[1])
        self._modules = [tally.module for tally in probe(self.model, None, one).tallies]
        self._begun = time.perf_counter()
        if number == 0:
            self._set_aside()
        self._heads.go_on_from(number)
        self._changes.go_on_from(number)
        self._snapshots.forget_from(number)
        if number == 0:
            return
        self._since = (number - 1) // self.weights_every * self.weights_every
        self._before = self._snapshots.load(self._since)
        if self._before is None:
            _warn(
                f"{self.folder} does not have the weights of step {self._since}; their change is "
                f"written from the second multiple of {self.weights_every} steps on"
            )

    def _set_aside(self) -> None:
        """A run that begins keeps the tables of one before, under other names."""
        there = [table for table in (self._heads, self._changes) if table.path.exists()]
        if sum(len(read_rows(table.path, table.columns)) for table in there):
            for table in there:
                table.path.replace(table.path.with_suffix(".old.csv"))
            _warn(
                f"{self.folder} held a run already; its tables are heads.old.csv and "
                f"weights.old.csv now"
            )

    def _look(self, number: int, loss: float | None) -> None:
        begun = time.perf_counter()
        assert self._begun is not None
        after = begun - self._begun + self._took
        if self._spent + self._took > self.most * after and self._took > 0:
            would = (self._spent + self._took) / after
            _warn(
                f"the heads are not looked at in step {number}: all looks would take {would:.0%} "
                f"of the time, at most {100 * self.most:g} % are allowed; fewer sequences, or a "
                f"larger `most`, are expected"
            )
            return
        found = probe(self.model, None, self.held_out, batch_size=self.batch_size)
        self._heads.add(history.rows_at(number, loss, found))
        self._took = time.perf_counter() - begun
        self._spent += self._took

    def _note_weights(self, number: int) -> None:
        now = weight_change.attention_weights(self.model, self._modules)
        if self._before is not None:
            self._changes.add(weight_change.changes(self._before, now, self._since, number))
        self._snapshots.keep(number, now)
        self._before, self._since = now, number


def _warn(what: str) -> None:
    warnings.warn(what, DataWarning, stacklevel=4)
