"""`train`: a validated classifier of a cohort, and a report of how good it is beside others."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
import torch.distributed as dist

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.processes import processes
from hopfield.repertoire import distributed
from hopfield.repertoire.baselines import baselines
from hopfield.repertoire.bundle import REST, TENSORS
from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.contenders import (
    POOLING,
    RANDOM,
    Compared,
    Fit,
    Pooling,
    Told,
    candidates_of,
    tell_all,
)
from hopfield.repertoire.dataset import RepertoireDataset
from hopfield.repertoire.explanation import explain
from hopfield.repertoire.plan import Plan, PlanOptions, plan
from hopfield.repertoire.report import FINAL, RepertoireReport, write
from hopfield.repertoire.splits import Split
from hopfield.repertoire.store import Arrays, Store
from hopfield.repertoire.targets import Target
from hopfield.repertoire.validation import Validation

LONGEST = timedelta(days=7)  # that other processes wait for the baselines
MODEL = "model"


def train(
    data: RepertoireDataset | str | Path,
    labels: str | Sequence[str],
    out: str | Path,
    *,
    classifier: RepertoireClassifier | None = None,
    inner_folds: int = 3,
    candidates: Sequence[Mapping[str, Any]] | None = None,
    redact: bool = False,
    progress: bool = False,
    **how: Unpack[PlanOptions],
) -> RepertoireReport:
    """Cross-validate the classifier beside all baselines, then fit it to all labelled repertoires.

    In each fold all that is learned (the screen, its k-mers, settings, models) is learned from the
    training repertoires alone. A run that was stopped goes on when it is called again. Several
    processes (`torchrun`) train our model together; the first fits the baselines.

    Args:
        data: a cohort, or the path of its metadata.
        labels: columns of the metadata; of several the model learns all together, and each is
            judged by itself. Repertoires without a label have no part in what is learned of it.
        out: the folder to write to; new, empty, or of a run with the same settings.
        classifier: whose settings are taken, but for the seed; it is not fit.
        inner_folds: of the training repertoires, by which the settings of our model are chosen
            among the candidates; 0 takes the first candidate.
        candidates: what to change in the settings of the classifier; by default nothing, a quarter
            of its k-mers, or three times its learning rate.
        redact: never write names of subjects and repertoires, and sequences.
        progress: show bars.
        **how: see `PlanOptions`.

    Raises:
        ArgumentError: the labels, columns or settings make no sense, or `out` holds something else.
        FileError: no repertoire can be read.
    """
    _check.extra("matplotlib", "repertoire")  # before the work, not after it
    classifier, out = classifier or RepertoireClassifier(), Path(out)
    classifier.training()
    if inner_folds != 0 and _check.positive_int("inner_folds", inner_folds) < 2:
        raise ArgumentError(f"inner_folds is {inner_folds}; 0, or at least 2, are expected")
    if not isinstance(data, RepertoireDataset):
        data = RepertoireDataset.from_metadata(data, progress=progress)
    planned = plan(data, labels, progress, **how)
    if candidates is None:
        candidates = candidates_of(classifier)
    settings = {
        "inner_folds": inner_folds,
        "candidates": [dict(candidate) for candidate in candidates],
        "classifier": classifier.get_params() | {"seed": planned.study.seed, "device": "auto"},
        "redact": redact,
    }
    planned = replace(planned, settings=planned.settings | settings)
    with processes():
        store = Store(out, planned.settings)
        pooling = Pooling(
            POOLING, classifier, store, candidates, inner_folds, progress, clones=not redact
        )
        told, final = _told(planned, pooling, out / MODEL)
        report = _judged(planned, told, final, data, out, progress)
        if distributed.rank() == 0:
            write(report)
        return report


def _told(planned: Plan, pooling: Pooling, folder: Path) -> tuple[Told, Arrays]:
    """What all contenders tell, and what is to be known of the final model."""
    study, store, progress = planned.study, pooling.store, pooling.progress
    everywhere = (*planned.splits, *planned.batches)
    settings = pooling.classifier.get_params() | {"start": "random"}
    unseeded = Pooling(RANDOM, RepertoireClassifier(**settings), store)
    told = tell_all(study, everywhere, [pooling], store, progress)
    told |= tell_all(study, planned.splits, [unseeded], store, progress)
    fit = partial(_final, planned, pooling, folder)
    final = store.kept(MODEL, fit)
    changed = torch.tensor(int(_digest(folder) != final["digest"]))
    distributed.from_first([changed])  # which alone has surely saved it
    if changed:
        final = fit()
    names = dict.fromkeys(name for t in study.targets for name in baselines(study.features, t))
    others = [Compared(name) for name in names]
    if distributed.rank() > 0:
        dist.monitored_barrier(timeout=LONGEST)  # then they are there to be read
    told |= tell_all(study, everywhere, others, store, progress)
    if distributed.rank() == 0 and distributed.world() > 1:
        dist.monitored_barrier(timeout=LONGEST)
    return told, final


def _final(planned: Plan, pooling: Pooling, folder: Path) -> Arrays:
    """The model of all repertoires, saved."""
    study = planned.study
    everything = np.arange(len(study.data))
    best = pooling.choose(study, Split(FINAL, everything, everything[:0]))
    fitted = pooling.fit(study, everything, best, FINAL, pooling.progress)
    if distributed.rank() == 0:
        fitted.save(folder)
    return Fit.of(fitted, best).arrays() | {"digest": np.array(_digest(folder))}


def _digest(folder: Path) -> str:
    """Of the files of a model; empty if one is missing."""
    files = [folder / name for name in (TENSORS, REST)]
    if not all(file.is_file() for file in files):
        return ""
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _judged(
    planned: Plan,
    told: Told,
    final: Arrays,
    cohort: RepertoireDataset,
    folder: Path,
    progress: bool,
) -> RepertoireReport:
    """What was told, beside the labels; and what the final model goes by."""
    targets = planned.study.targets
    fits = {one.name: told[one.name, POOLING] for one in planned.splits} | {FINAL: final}
    classifier = RepertoireClassifier.load(folder / MODEL)
    return RepertoireReport(
        folder=folder,
        cohort=cohort,
        plan=planned,
        validations=tuple(
            Validation.of(one, i, planned.splits, told) for i, one in enumerate(targets)
        ),
        batches=tuple(
            Validation.of(one, i, planned.batches, told)
            if _any_told(one, planned.batches)
            else None
            for i, one in enumerate(targets)
        ),
        classifier=classifier,
        fits={name: Fit.of_arrays(kept) for name, kept in fits.items()},
        explanations=tuple(
            explain(classifier, planned.study.data, task=i, output=output, progress=progress)
            for i, target in enumerate(targets)
            for output in (target.classes if target.kind == "multiclass" else (None,))
        ),
    )


def _any_told(target: Target, splits: Sequence[Split]) -> bool:
    """Whether a repertoire with a label is told in the splits."""
    return any(target.labelled[split.test].any() for split in splits)
