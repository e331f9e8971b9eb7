"""`train`: a validated classifier of a cohort, and a report of how good it is beside others."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch.distributed as dist

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.repertoire import distributed
from hopfield.repertoire.baselines import baselines
from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.contenders import (
    CANDIDATES,
    POOLING,
    RANDOM,
    Compared,
    Pooling,
    Study,
    Told,
    of_fit,
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
    candidates: Sequence[Mapping[str, Any]] = CANDIDATES,
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
        candidates: what to change in the settings of the classifier; by default nothing, fewer
            k-mers, or a higher learning rate.
        redact: leave names of subjects and repertoires, and sequences, out of what is written.
        progress: show bars.
        **how: see `PlanOptions`.

    Raises:
        ArgumentError: the labels, columns or settings make no sense, or `out` holds something else.
        FileError: no repertoire can be read.
    """
    _check.extra("matplotlib", "repertoire")  # before the work, not after it
    if inner_folds != 0 and _check.positive_int("inner_folds", inner_folds) < 2:
        raise ArgumentError(f"inner_folds is {inner_folds}; 0, or at least 2, are expected")
    if not isinstance(data, RepertoireDataset):
        data = RepertoireDataset.from_metadata(data, progress=progress)
    classifier, out = classifier or RepertoireClassifier(), Path(out)
    planned = plan(data, labels, progress, **how)
    settings = planned.settings | {
        "inner_folds": inner_folds,
        "candidates": [dict(candidate) for candidate in candidates],
        "classifier": classifier.get_params() | {"seed": planned.study.seed},
    }
    with distributed.processes():
        store = Store(out, settings)
        pooling = Pooling(POOLING, classifier, store, candidates, inner_folds, progress)
        told, final = _told(planned, pooling, store, out / MODEL, progress)
        return _report(planned, told, final, data, out, candidates, settings, redact, progress)


def _told(
    planned: Plan, pooling: Pooling, store: Store, folder: Path, progress: bool
) -> tuple[Told, Arrays]:
    """What all contenders tell, and what is to be known of the final model."""
    study, everywhere = planned.study, (*planned.splits, *planned.batches)
    settings = pooling.classifier.get_params() | {"start": "random"}
    unseeded = Pooling(RANDOM, RepertoireClassifier(**settings), store)
    told = tell_all(study, everywhere, [pooling], store, progress)
    told |= tell_all(study, planned.splits, [unseeded], store, progress)
    final = store.kept(MODEL, partial(_final, study, pooling, folder, progress))
    names = dict.fromkeys(name for t in study.targets for name in baselines(study.features, t))
    others = [Compared(name) for name in names]
    if distributed.rank() > 0:
        dist.monitored_barrier(timeout=LONGEST)  # then they are there to be read
    told |= tell_all(study, everywhere, others, store, progress)
    if distributed.rank() == 0 and distributed.world() > 1:
        dist.monitored_barrier(timeout=LONGEST)
    return told, final


def _final(study: Study, pooling: Pooling, folder: Path, progress: bool) -> Arrays:
    """The model of all repertoires, saved."""
    everything = np.arange(len(study.data))
    best = pooling.choose(study, Split(FINAL, everything, everything[:0]))
    fitted = pooling.fit(study, everything, best, FINAL, progress)
    if distributed.rank() == 0:
        fitted.save(folder)
    return of_fit(fitted, best)


def _report(
    planned: Plan,
    told: Told,
    final: Arrays,
    data: RepertoireDataset,
    out: Path,
    candidates: Sequence[Mapping[str, Any]],
    settings: dict[str, Any],
    redact: bool,
    progress: bool,
) -> RepertoireReport:
    """Judge what was told, and write it."""
    targets = planned.study.targets
    fits = {one.name: told[one.name, POOLING] for one in planned.splits} | {FINAL: final}
    classifier = RepertoireClassifier.load(out / MODEL)
    report = RepertoireReport(
        folder=out,
        cohort=data,
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
        chosen={name: candidates[int(fit["candidate"])] for name, fit in fits.items()},
        seeded=tuple(
            {name: tuple(fit.get(f"k-mers {i}", ())) for name, fit in fits.items()}
            for i in range(len(targets))
        ),
        explanations=tuple(
            explain(classifier, planned.study.data, task=i, output=output, progress=progress)
            for i, target in enumerate(targets)
            for output in (target.classes if target.kind == "multiclass" else (None,))
        ),
        settings=settings,
        redact=redact,
    )
    if distributed.rank() == 0:
        write(report)
        if redact:  # public clones are sequences of people
            classifier.clones_ = tuple(() for _ in classifier.clones_)
            classifier.save(out / MODEL)
    return report


def _any_told(target: Target, splits: Sequence[Split]) -> bool:
    """Whether a repertoire with a label is told in the splits."""
    return any(target.labelled[split.test].any() for split in splits)
