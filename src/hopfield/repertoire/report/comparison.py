"""The sections of a page that set models side by side."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from hopfield.plot import evaluation
from hopfield.repertoire.baselines import KmerRegression
from hopfield.repertoire.contenders import POOLING
from hopfield.repertoire.intervals import Estimate
from hopfield.repertoire.metrics import BinaryMetrics, FoldMetrics, MulticlassMetrics, judge
from hopfield.repertoire.targets import Target
from hopfield.repertoire.validation import CHANCE, ENSEMBLE, FIGURE, GUESSING, Validation, interval
from hopfield.report import Figure, Section, Table

NO_BREAK = "\u00a0"


def side_by_side(one: Validation) -> Section:
    """All models side by side."""
    figure = FIGURE[one.target.kind]
    said = "prediction" if one.target.kind == "regression" else "logit"
    where = "all folds together" if len(one.splits) > 1 else "the test repertoires"
    estimates = [one.headline(model) for model in one.metrics]
    values, low, high = (
        np.array([getattr(estimate, name) for estimate in estimates])
        for name in ("value", "low", "high")
    )
    pictures = [
        Figure.drawn(
            partial(
                evaluation.intervals,
                list(one.metrics),
                values,
                low,
                high,
                f"{one.target.name}: all models",
                figure,
                CHANCE[one.target.kind],
            ),
            f"The {figure} over {where}, with intervals of 95 %; the dotted line is "
            f"{GUESSING[one.target.kind]}.",
            f"{figure} of each model with its interval.",
        )
    ]
    return Section(
        f"{one.target.name}: all models on the same repertoires",
        [
            f"The {figure} with its interval of 95 %, over {where} and as the mean over folds. The "
            f"last columns compare {POOLING} with each other model on the same repertoires. "
            f"Models that see no sequence (confounders) come last. The {ENSEMBLE} is the mean "
            f"{said} of {POOLING} and of the models on sequences that are no variant of it."
        ],
        [
            Table(
                _columns(one.target),
                [_row(one, model, found) for model, found in one.metrics.items()],
                f"Models that tell {one.target.name}.",
                _decimals(one.target),
            )
        ],
        [*pictures, *_curves(one)],
    )


def _columns(target: Target) -> list[str]:
    figure = FIGURE[target.kind]
    own = {
        "binary": ("PR-AUC", "Brier score"),
        "multiclass": ("accuracy", "Brier score"),
        "regression": ("Spearman's ρ", "mean absolute error"),
    }
    return [
        *("model", f"{figure}, pooled", f"{figure}, mean of folds", *own[target.kind]),
        *(f"difference in {figure}", "p"),
    ]


def _row(one: Validation, model: str, found: FoldMetrics) -> list[object]:
    pooled = found.pooled
    if isinstance(pooled, BinaryMetrics):
        own: list[object] = [pooled.average_precision, pooled.brier]
    elif isinstance(pooled, MulticlassMetrics):
        own = [_cell(pooled.accuracy), pooled.brier]
    else:
        own = [_cell(pooled.spearman), pooled.mae]
    compared = one.differences.get(model)
    versus = ["", ""] if compared is None else [_cell(compared.difference), _p(compared.p)]
    return [model, _cell(pooled.headline), _cell(found.mean), *own, *versus]


def _decimals(target: Target) -> int:
    """Of the figures in a row: three, or what gives the spread of a quantity four digits."""
    if target.classes:
        return 3
    return max(0, 3 - int(np.floor(np.log10(np.nanstd(target.values)))))


def _curves(one: Validation) -> list[Figure]:
    """ROC and reliability of a binary target; of several classes each against the rest."""
    target = one.target
    if target.kind == "regression":
        rows = (one.fold >= 0) & target.labelled
        return [
            Figure.drawn(
                partial(
                    evaluation.told,
                    target.values[rows],
                    one.predictions[POOLING][rows],
                    POOLING,
                    target.name,
                ),
                f"Each test repertoire, told by {POOLING}.",
                "Predicted against true values.",
            )
        ]
    if target.kind == "multiclass":
        classes = [_of_class(one, place) for place in range(len(target.classes))]
        return [_roc(dict(zip(target.classes, classes, strict=True)), f"{POOLING}, by class")]
    strongest = max(one.confounders, key=lambda name: _or_least(one.headline(name).value))
    names = dict.fromkeys([POOLING, KmerRegression.name, ENSEMBLE, strongest])
    shown = {name: one.metrics[name].pooled for name in names}
    binary = {name: found for name, found in shown.items() if isinstance(found, BinaryMetrics)}
    return [_roc(binary, target.name), _reliability(binary[POOLING], POOLING)]


def _roc(found: Mapping[str, BinaryMetrics], title: str) -> Figure:
    curves = {
        f"{name}: {one.auc.value:.3f}": (one.roc.false_positive, one.roc.true_positive)
        for name, one in found.items()
    }
    return Figure.drawn(
        partial(evaluation.roc, curves, f"ROC: {title}"),
        "ROC curves over all test repertoires together, with their AUC.",
        "True against false positive rates.",
    )


def _reliability(found: BinaryMetrics, name: str) -> Figure:
    bins = found.reliability
    parts = (bins.predicted, bins.observed, bins.low, bins.high, bins.counts)
    return Figure.drawn(
        partial(evaluation.reliability, *parts, f"Reliability: {name}"),
        "Of the repertoires with about the same predicted probability, the share that is positive, "
        "with Wilson's interval; the numbers count repertoires.",
        "Observed shares against predicted probabilities.",
    )


def _of_class(one: Validation, place: int) -> BinaryMetrics:
    """One class against the rest, as our pooling tells it."""
    values = np.where(one.target.labelled, one.target.values == place, np.nan)
    name = one.target.classes[place]
    own = replace(one.target, kind="binary", values=values, classes=(f"not {name}", name))
    rows = np.flatnonzero(one.fold >= 0)
    chance = one.predictions[POOLING][rows, place]
    found = judge(own.subset(rows), np.stack([1 - chance, chance], 1))
    assert isinstance(found, BinaryMetrics)
    return found


def by_fold(one: Validation) -> Section:
    """The figure of each model in each fold."""
    there = [i for i in range(len(one.splits)) if one.target.labelled[one.splits[i].test].any()]
    names = [one.splits[i].name for i in there]
    rows = [
        [model, *(fold.headline.value for fold in found.folds)]
        for model, found in one.metrics.items()
    ]
    sizes = [_size(one, i) for i in there]
    times = [[model, *seconds] for model, seconds in one.seconds.items()]
    return Section(
        f"{one.target.name}: folds",
        tables=[
            Table(["model", *names], rows, f"The {FIGURE[one.target.kind]} in each fold.", 3),
            Table(
                ["repertoires", *names],
                [["learned from, told", *sizes]],
                "Repertoires with a label.",
            ),
            Table(
                ["seconds", *(split.name for split in one.splits)],
                times,
                "Time to choose settings, fit and tell the test repertoires; our model learns all "
                "labels at once.",
                1,
            ),
        ],
    )


def _size(one: Validation, place: int) -> str:
    known, split = one.target.labelled, one.splits[place]
    return f"{known[split.train].sum()}, {known[split.test].sum()}"


def over_batches(one: Validation, over: Validation, batches: str) -> Section:
    """Batches left out, one at a time; `batches` says how many."""
    rows = [
        [model, interval(found.pooled.headline), interval(one.headline(model))]
        for model, found in over.metrics.items()
    ]
    own = over.metrics[POOLING].folds
    there = [split for split in over.splits if over.target.labelled[split.test].any()]
    each = [
        [split.name, int(over.target.labelled[split.test].sum()), interval(found.headline)]
        for split, found in zip(there, own, strict=True)
    ]
    figure = FIGURE[one.target.kind]
    return Section(
        f"{one.target.name}: {batches} left out",
        [
            "The repertoires of a batch are told by models that saw no repertoire of it. What is "
            "told well in folds and not here was learned from the batch."
        ],
        [
            Table(
                ["model", f"{figure}, batches left out", f"{figure}, folds"], rows, "All models."
            ),
            Table(
                ["split", "told", f"{figure} of {POOLING}"],
                each,
                "Each batch that was left out.",
            ),
        ],
    )


def _cell(estimate: Estimate) -> str:
    """A figure with its interval, which a narrow column does not break."""
    return interval(estimate).replace(" to ", f"{NO_BREAK}to{NO_BREAK}")


def _p(value: float) -> str:
    return f"<{NO_BREAK}0.0001" if value < 1e-4 else f"{value:.4f}"


def _or_least(value: float) -> float:
    return -1.0 if np.isnan(value) else value
