"""`Plan`: what a run is to tell of which repertoires, and how they are split."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, TypedDict, Unpack

import numpy as np
import polars as pl

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.repertoire.columns import AGE, BATCH, SEX, SUBJECT, named, said, unclear
from hopfield.repertoire.contenders import Study
from hopfield.repertoire.dataset import RepertoireDataset
from hopfield.repertoire.features import Features
from hopfield.repertoire.folds import group_numbers
from hopfield.repertoire.splits import (
    Numbers,
    Split,
    fold_numbers,
    of_batches,
    of_column,
    of_numbers,
)
from hopfield.repertoire.targets import Target

AUTO = "auto"


class PlanOptions(TypedDict, total=False):
    """What is to be told, and how repertoires are split.

    Attributes:
        kind: of the labels; see `Target.of`.
        positive: likewise.
        subject: the column of subjects, whose repertoires are never split; "auto", the default,
            takes one with a usual name if there is one, None takes each repertoire for a subject.
        batch: the column of batches, each of which is left out in turn; likewise.
        split: a column that says "train" or "test", instead of folds.
        folds: how many, 5 by default.
        shuffle_labels: a seed: labels are given to other repertoires at random, so that nothing
            can be learned, and what is better than chance is a leak.
        seed: of folds and models, 0 by default.
    """

    kind: str | None
    positive: object
    subject: str | None
    batch: str | None
    split: str | None
    folds: int
    shuffle_labels: int | None
    seed: int


@dataclass(frozen=True, eq=False)
class Plan:
    """What a run is to tell of which repertoires, and how they are split.

    Attributes:
        study: the repertoires with a label.
        splits: folds, or the one that was given.
        batches: splits that leave out each batch in turn; none where there are no two batches.
        notes: what is to be known of this, in sentences.
        settings: all that the results depend on, as JSON has it.
    """

    study: Study
    splits: tuple[Split, ...]
    batches: tuple[Split, ...]
    notes: tuple[str, ...]
    settings: dict[str, Any]


def plan(
    data: RepertoireDataset,
    labels: str | Sequence[str],
    progress: bool = False,
    **how: Unpack[PlanOptions],
) -> Plan:
    """Plan a run.

    Args:
        data: the cohort.
        labels: columns of its metadata.
        progress: show bars.
        **how: see `PlanOptions`.

    Raises:
        ArgumentError: the labels, columns or settings make no sense.
    """
    seed, k = how.get("seed", 0), how.get("folds", 5)
    shuffle = how.get("shuffle_labels")
    _check_numbers(seed, k, shuffle)
    data, targets, notes = _with_labels(data, labels, how.get("kind"), how.get("positive"))
    if shuffle is not None:
        targets = shuffled(targets, shuffle)
        notes += [
            f"LABELS ARE SHUFFLED (seed {shuffle}): there is nothing to learn, and what is better "
            f"than chance is a leak."
        ]
    subject = _column(data, how.get("subject", AUTO), SUBJECT)
    batch = _column(data, how.get("batch", AUTO), BATCH)
    groups = None if subject is None else group_numbers(said(data.metadata[subject]))
    if groups is None:
        notes += ["Each repertoire is taken for a subject of its own: no column names subjects."]
    else:
        notes += [
            f"Repertoires of one subject are never split: {len(np.unique(groups))} subjects, by "
            f"column {subject!r}."
        ]
    split = how.get("split")
    splits, why = _splits(data, targets, groups, split, k, seed)
    notes += why
    batches: list[Split] = []
    if batch is not None and split is None:
        batches, why_not = _batches(data.metadata[batch], targets, groups)
        notes += why_not
    if (age := named(data.metadata.columns, AGE)) is not None:
        notes += unclear(data.metadata[age])
    categories = [name for name in (named(data.metadata.columns, SEX), batch) if name is not None]
    features = Features(data, categories=categories, progress=progress)
    study = Study(data, features, targets, groups, seed)
    settings = {
        "data": data.digest,
        "metadata": _digest(data.metadata.drop("filename", strict=False)),
        "labels": [[target.name, target.kind, target.classes] for target in targets],
        "subject": subject,
        "batch": batch,
        "split": split,
        "folds": k,
        "shuffle_labels": shuffle,
        "seed": seed,
        "hopfield": version("hopfield"),
    }
    return Plan(study, tuple(splits), tuple(batches), tuple(notes), settings)


def _check_numbers(seed: int, folds: int, shuffle: int | None) -> None:
    if _check.positive_int("folds", folds) < 2:
        raise ArgumentError(f"folds is {folds}; at least 2 are expected")
    for name, value in (("seed", seed), ("shuffle_labels", 0 if shuffle is None else shuffle)):
        _check.seed(name, value)


def _with_labels(
    data: RepertoireDataset, labels: str | Sequence[str], kind: str | None, positive: object
) -> tuple[RepertoireDataset, tuple[Target, ...], list[str]]:
    """The repertoires with a label, their targets, and what is to be known of the others."""
    names = [labels] if isinstance(labels, str) else list(labels)
    if again := [name for name in names if names.count(name) > 1]:
        raise ArgumentError(f"label {again[0]!r} is named twice")
    whole = [data.target(name, kind, positive) for name in names]
    labelled = np.any([target.labelled for target in whole], 0)
    targets = tuple(target.subset(labelled) for target in whole)
    left_out = [f"{(~labelled).sum()} repertoires have no label and are left out."]
    return data.subset(labelled), targets, left_out if (~labelled).any() else []


def shuffled(targets: Sequence[Target], seed: int) -> tuple[Target, ...]:
    """The same labels, those of one repertoire together, given to other repertoires."""
    order = np.random.default_rng(seed).permutation(len(targets[0]))
    return tuple(replace(target, values=target.values[order]) for target in targets)


def _column(data: RepertoireDataset, name: str | None, usual: Sequence[str]) -> str | None:
    """The column that is meant, if any."""
    if name == AUTO:
        return named(data.metadata.columns, usual)
    return None if name is None else _named(data, name).name


def _named(data: RepertoireDataset, name: str) -> pl.Series:
    _check.choice("column", name, data.metadata.columns)
    return data.metadata[name]


def _splits(
    data: RepertoireDataset,
    targets: Sequence[Target],
    groups: Numbers | None,
    column: str | None,
    k: int,
    seed: int,
) -> tuple[list[Split], list[str]]:
    """Folds, or the split that a column gives, and what is to be known of it."""
    notes = []
    if column is None:
        splits = of_numbers(fold_numbers(targets, np.arange(len(data)), groups, k, seed))
        if not splits:
            raise ArgumentError(
                f"the {len(data)} repertoires with a label make no two folds: each class needs "
                f"repertoires of at least two subjects"
            )
        if len(splits) < k:
            notes = [f"{len(splits)} folds instead of {k}: a class has no more subjects."]
    else:
        splits = [of_column(_named(data, column), groups)]
        notes = [
            f"Column {column!r} gives the split: {len(splits[0].train)} training "
            f"repertoires, {len(splits[0].test)} test repertoires."
        ]
    if poor := [why for one in splits if (why := one.poor(targets))]:
        raise ArgumentError(f"{poor[0]}; try another number of folds")
    return splits, notes


def _batches(
    column: pl.Series, targets: Sequence[Target], groups: Numbers | None
) -> tuple[list[Split], list[str]]:
    """The batches that can be left out, and what is to be known of those that cannot."""
    found = of_batches(column, groups)
    if len(found) < 2:
        return [], [f"No batch is left out: column {column.name!r} has {len(found)}."]
    kept, notes = [], []
    for one in found:
        if unseen := one.unseen(targets):
            notes.append(
                f"The split {one.name!r} is not made: no training repertoire would have "
                f"{', '.join(unseen)}, so that batch and label cannot be told apart there."
            )
        elif why := one.poor(targets):
            notes.append(f"Not left out, as nothing could be learned then: {why}.")
        else:
            kept.append(one)
    return kept, notes


def _digest(frame: pl.DataFrame) -> str:
    return hashlib.sha256(frame.write_csv().encode()).hexdigest()
