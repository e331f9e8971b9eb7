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
from hopfield.repertoire import distributed
from hopfield.repertoire.model import RepertoireNetwork
from hopfield.repertoire.repertoire import Repertoire
from hopfield.repertoire.screen import Rows
from hopfield.repertoire.seeding import Seeds, own_features, seed_states
from hopfield.repertoire.tasks import Task, Tasks

STEEPEST = 1.0  # norm, to which gradients are cut
HEAD_SLOWER = 0.1  # the head has a number for each thing pooled, which would move it at once
PENALTIES = (0.01, 0.1, 1.0, 100.0)  # on the squared weights of the head, where it starts
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
        if self.seed != 0:
            _check.positive_int("seed", self.seed)
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
    of = _fingerprint(network, tasks, cohort, settings)
    rates = settings.learning_rate, settings.learning_rate * HEAD_SLOWER
    head = [*network.head.parameters()]
    body = [p for p in network.parameters() if p.requires_grad and all(p is not h for h in head)]
    parts = [{"params": part, "lr": rate} for part, rate in zip((body, head), rates, strict=True)]
    optimizer = torch.optim.Adam(parts)
    state: dict[str, Any] = {"of": of, "epoch": 0, "best": 0, "training": [float("nan")]}
    if checkpoint is not None and checkpoint.exists():
        state = _stopped(checkpoint, of)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
    else:
        begin(network, tasks, cohort, seeds)
        distributed.from_first([*network.state_dict().values()])
        state["validation"] = [evaluate(network, tasks, cohort)]
        state["kept"] = _copy(network)
    while not _finished(state, settings):
        epoch = state["epoch"] = state["epoch"] + 1
        loss = _epoch(network, tasks, cohort, settings, optimizer, epoch, progress)
        state["training"].append(loss)
        before = min(state["validation"])
        state["validation"].append(evaluate(network, tasks, cohort))
        if np.isnan(before) or state["validation"][-1] < before:
            state["best"], state["kept"] = epoch, _copy(network)
        if checkpoint is not None and distributed.rank() == 0:
            state |= {"network": _copy(network), "optimizer": optimizer.state_dict()}
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            beside = checkpoint.with_name(checkpoint.name + ".part")
            torch.save(state, beside)
            beside.replace(checkpoint)
    network.load_state_dict(state["kept"])
    if checkpoint is not None and distributed.rank() == 0:
        checkpoint.unlink(missing_ok=True)
    return History(tuple(state["training"]), tuple(state["validation"]), state["best"])


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
        _fit_head(network, tasks, cohort, known[:, places], unknown[:, places], places)


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


def _stopped(checkpoint: Path, of: str) -> dict[str, Any]:
    """The state that a checkpoint keeps, if it is one of this training."""
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
    return state


def _finished(state: dict[str, Any], settings: Training) -> bool:
    waited = state["epoch"] - state["best"]
    learned = min(state["validation"]) < LEARNED
    return learned or state["epoch"] >= settings.epochs or waited >= settings.patience


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
    for low in tqdm(starts, f"epoch {epoch}", disable=not progress or distributed.rank() > 0):
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


@torch.no_grad()
def _fit_head(
    network: RepertoireNetwork,
    tasks: Tasks,
    cohort: Cohort,
    known: Float[Tensor, "train k"],
    unknown: Float[Tensor, "validation k"],
    places: Tensor,
) -> None:
    """Fit the head to some of what is pooled, at `places`; all else has no part yet.

    Each target gets the penalty with which its validation rows are told best. The largest leaves
    little but a constant, so that what only chance chose is not believed.
    """
    weights, biases = [], []
    for number, task in enumerate(tasks.tasks):
        train, validation = (
            cohort.values[rows, number].to(known.device)
            for rows in (cohort.train, cohort.validation)
        )
        fits = [_fit_linear(task, known, train, penalty) for penalty in PENALTIES]
        told = (torch.nn.functional.linear(unknown, *fit) for fit in fits)
        losses = torch.stack([task.losses(one, validation).sum() for one in told])
        weight, bias = fits[int(losses.argmin())]  # the first where none validates
        weights.append(weight)
        biases.append(bias)
    network.head.weight.zero_()
    network.head.weight[:, places] = torch.cat(weights)
    network.head.bias.copy_(torch.cat(biases))


@torch.enable_grad()
def _fit_linear(
    task: Task, columns: Float[Tensor, "n k"], values: Float[Tensor, " n"], penalty: float
) -> tuple[Tensor, Tensor]:
    """Weight and bias that tell a target best, with a penalty on the squared weights."""
    weight = columns.new_zeros(task.outputs, columns.shape[1], requires_grad=True)
    bias = columns.new_zeros(task.outputs, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> float:
        solver.zero_grad()
        outputs = torch.nn.functional.linear(columns, weight, bias)
        loss = task.losses(outputs, values).mean() + penalty * weight.square().sum()
        loss.backward()
        return float(loss.detach())

    solver.step(closure)
    return weight.detach(), bias.detach()


def _copy(network: RepertoireNetwork) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}
