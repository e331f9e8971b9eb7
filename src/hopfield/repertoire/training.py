"""Training: a start from the screen, then gradients over all receptors, until it stops helping."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm

from hopfield import _check
from hopfield.errors import ArgumentError, FileError
from hopfield.files.whole import written_whole
from hopfield.repertoire import distributed
from hopfield.repertoire.head import fit_head
from hopfield.repertoire.model import RepertoireNetwork
from hopfield.repertoire.repertoire import Repertoire
from hopfield.repertoire.screen import Rows
from hopfield.repertoire.seeding import Seeds, own_features, seed_states
from hopfield.repertoire.tasks import Tasks

STEEPEST = 1.0  # norm, to which gradients are cut
HEAD_SLOWER = 0.1  # the head has a number for each thing pooled, which would move it at once
LEARNED = 0.01  # mean validation loss, below which there is nothing left to learn
FLAT = 1e-3  # spread, below which what is pooled is not blown up


@dataclass(frozen=True)
class Training:
    """How a network is trained.

    Attributes:
        start: "screen" begins at k-mers that go with the target, "random" anywhere.
        most_kmers: that the screen may choose; it takes those alone that chance does not explain.
        epochs: at most.
        patience: epochs without a lower validation loss, after which it stops.
        batch: repertoires in an update, over all processes together.
        learning_rate: of Adam.
        balanced: whether classes weigh alike in the loss, however many each has.
        approximate: the share of receptors whose gradient is taken; None takes all.
        seed: of everything random.
    """

    start: Literal["screen", "random"] = "screen"
    most_kmers: int = 32
    epochs: int = 12
    patience: int = 3
    batch: int = 4
    learning_rate: float = 3e-3
    balanced: bool = True
    approximate: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _check.choice("start", self.start, ("screen", "random"))
        for name in ("most_kmers", "patience", "batch"):
            _check.positive_int(name, getattr(self, name))
        if self.epochs != 0:
            _check.positive_int("epochs", self.epochs)
        _check.seed("seed", self.seed)
        _check.positive("learning_rate", self.learning_rate)
        if self.approximate is not None:
            _check.share("approximate", self.approximate)


@dataclass(frozen=True)
class History:
    """What happened in training, by epoch; epoch 0 is the start.

    Attributes:
        training: mean losses during each epoch; that of the start is not known, NaN.
        validation: losses after each; NaN where nothing validates.
        best: the epoch whose parameters were kept.
    """

    training: tuple[float, ...]
    validation: tuple[float, ...]
    best: int


@dataclass
class Course:
    """How training went so far, by epoch, and the parameters of the best one; see `History`."""

    training: list[float]
    validation: list[float]
    best: int
    kept: dict[str, Tensor]

    def add(self, training: float, validation: float, network: RepertoireNetwork) -> None:
        """An epoch that was done."""
        before = min(self.validation)
        self.training.append(training)
        self.validation.append(validation)
        if np.isnan(before) or validation < before:
            self.best, self.kept = len(self.validation) - 1, _copy(network)

    def ended(self, settings: Training) -> bool:
        """Whether there is no more to learn, or no more time, or nothing helped for long."""
        epoch = len(self.validation) - 1
        waited = epoch - self.best >= settings.patience
        return min(self.validation) < LEARNED or epoch >= settings.epochs or waited


@dataclass
class Cohort:
    """What is trained on.

    Attributes:
        repertoires: R of them.
        values: `(R, T)`, of all tasks; NaN where there is no label.
        train: rows to learn from.
        validation: rows that tell when to stop; may be none.
    """

    repertoires: Sequence[Repertoire]
    values: Float[Tensor, "R T"]
    train: Rows
    validation: Rows


def train(
    network: RepertoireNetwork,
    tasks: Tasks,
    cohort: Cohort,
    settings: Training,
    seeds: Seeds | None = None,
    *,
    checkpoint: Path | None = None,
    progress: bool = False,
) -> History:
    """Train a network in place, and leave it as it was at its best epoch.

    Args:
        network: as made; it is started here.
        tasks: what its outputs mean.
        cohort: what it learns from, and what tells when to stop.
        settings: how.
        seeds: what it starts from, found on the training rows alone; by default at random.
        checkpoint: a file that keeps the state after each epoch; if it is there, training goes on
            from it, to the same result. It is removed at the end.
        progress: show a bar.

    Raises:
        ArgumentError: the loss is not a number: the learning rate is too high.
        FileError: the checkpoint is damaged, or of other data or settings.
    """
    rates = settings.learning_rate, settings.learning_rate * HEAD_SLOWER
    head = [*network.head.parameters()]
    body = [p for p in network.parameters() if p.requires_grad and all(p is not h for h in head)]
    parts = [{"params": part, "lr": rate} for part, rate in zip((body, head), rates, strict=True)]
    optimizer = torch.optim.Adam(parts)
    of = _fingerprint(network, tasks, cohort, settings)
    if checkpoint is not None and checkpoint.exists():
        course = _resumed(checkpoint, of, network, optimizer)
    else:
        begin(network, tasks, cohort, seeds)
        distributed.from_first([*network.state_dict().values()])
        course = Course([float("nan")], [evaluate(network, tasks, cohort)], 0, _copy(network))
    while not course.ended(settings):
        epoch = len(course.training)
        loss = _epoch(network, tasks, cohort, settings, optimizer, epoch, progress)
        course.add(loss, evaluate(network, tasks, cohort), network)
        if checkpoint is not None and distributed.rank() == 0:
            _save(checkpoint, of, course, network, optimizer)
    network.load_state_dict(course.kept)
    if checkpoint is not None and distributed.rank() == 0:
        checkpoint.unlink(missing_ok=True)
    return History(tuple(course.training), tuple(course.validation), course.best)


@torch.no_grad()
def begin(
    network: RepertoireNetwork,
    tasks: Tasks,
    cohort: Cohort,
    seeds: Seeds | None,
) -> None:
    """Start at what the screens found; then standardise what is pooled, and fit the head to it."""
    if seeds is not None:
        seed_states(network, seeds)
    pooled = _pooled(network, cohort.repertoires, cohort.train)
    network.mean.copy_(pooled.mean(0))
    network.scale.copy_(pooled.std(0, correction=0).clamp(min=FLAT))
    if seeds is not None:
        places = own_features(network, seeds.states)
        validating = _pooled(network, cohort.repertoires, cohort.validation)
        known, unknown = ((one - network.mean) / network.scale for one in (pooled, validating))
        weight, bias = fit_head(
            tasks,
            (known[:, places], cohort.values[cohort.train]),
            (unknown[:, places], cohort.values[cohort.validation]),
        )
        network.head.weight.zero_()
        network.head.weight[:, places] = weight
        network.head.bias.copy_(bias)


def evaluate(network: RepertoireNetwork, tasks: Tasks, cohort: Cohort) -> float:
    """The mean loss of the validation rows; NaN where none has a label."""
    rows = cohort.validation
    values = cohort.values[rows]
    if values.isnan().all():
        return float("nan")
    outputs = network.told(_pooled(network, cohort.repertoires, rows))
    with torch.no_grad():
        losses = tasks.losses(outputs, values.to(outputs.device))
    return float(losses.sum() / (~values.isnan()).sum())


def _fingerprint(
    network: RepertoireNetwork, tasks: Tasks, cohort: Cohort, settings: Training
) -> str:
    """Of all that the course of training depends on, the receptors by their numbers alone."""
    rows = cohort.train.tolist(), cohort.validation.tolist(), cohort.values.tolist()
    sizes = [len(repertoire) for repertoire in cohort.repertoires]
    said = repr((network.architecture, tasks, settings, rows, sizes))
    return hashlib.sha256(said.encode()).hexdigest()


def _save(
    checkpoint: Path,
    of: str,
    course: Course,
    network: RepertoireNetwork,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Keep where training is; the file is whole or not there."""
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
    with written_whole(checkpoint) as part:
        torch.save({"of": of, "course": vars(course)} | state, part)


def _resumed(
    checkpoint: Path, of: str, network: RepertoireNetwork, optimizer: torch.optim.Optimizer
) -> Course:
    """Go on from a checkpoint, if it is one of this training."""
    try:
        state: Any = torch.load(checkpoint, weights_only=True)
    except (RuntimeError, EOFError, UnpicklingError) as error:
        raise FileError(
            f"{checkpoint} is no checkpoint, or damaged ({error}); remove it to start anew"
        ) from error
    if not isinstance(state, dict) or state.get("of") != of:
        raise FileError(
            f"{checkpoint} is of training with other data or settings; go on with those, or remove "
            f"it to start anew"
        )
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    return Course(**state["course"])


def _epoch(
    network: RepertoireNetwork,
    tasks: Tasks,
    cohort: Cohort,
    settings: Training,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    progress: bool,
) -> float:
    """One pass over the training rows, in an order of its own; the mean loss."""
    order = np.random.default_rng([settings.seed, epoch]).permutation(cohort.train)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    total = 0.0
    starts = range(0, len(order), settings.batch)
    quiet = not progress or distributed.rank() > 0
    for low in tqdm(starts, f"epoch {epoch}", leave=False, disable=quiet):
        batch = order[low : low + settings.batch]
        mine = distributed.own(batch)
        optimizer.zero_grad()
        losses = torch.zeros(0)
        if len(mine):
            outputs = network([cohort.repertoires[i] for i in mine], settings.approximate)
            losses = tasks.losses(outputs, cohort.values[mine].to(outputs.device))
            (losses.sum() / len(batch)).backward()
        distributed.sum_gradients(parameters)
        steepness = float(clip_grad_norm_(parameters, STEEPEST))
        total += float(distributed.gathered(losses.detach(), len(batch)).sum())
        if not np.isfinite(total + steepness):
            raise ArgumentError(
                f"the loss became {total} and its gradient {steepness} in epoch {epoch}; a "
                f"learning_rate below {settings.learning_rate:g} is needed"
            )
        optimizer.step()
    return total / len(order)


@torch.no_grad()
def _pooled(
    network: RepertoireNetwork, repertoires: Sequence[Repertoire], rows: Rows
) -> Float[Tensor, "R pooled"]:
    """What the network pools from some repertoires, shared among the processes."""
    mine = [network.pool([repertoires[i]]) for i in distributed.own(rows)]
    own = torch.cat(mine) if mine else network.mean.new_zeros(0, len(network.mean))
    return distributed.gathered(own, len(rows))


def _copy(network: RepertoireNetwork) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}
