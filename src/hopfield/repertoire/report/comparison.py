"""The sections of a page that set models side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from hopfield.plot import evaluation
from hopfield.repertoire.baselines import KmerRegression
from hopfield.repertoire.contenders import POOLING
from hopfield.repertoire.intervals import Estimate
from hopfield.repertoire.metrics import (
    BinaryMetrics,
    FoldMetrics,
    Metrics,
    MulticlassMetrics,
    judge,
)
from hopfield.repertoire.targets import Target
from hopfield.repertoire.validation import CHANCE, ENSEMBLE, FIGURE, GUESSING, Validation, interval
from hopfield.report import Figure, Section, Table

NO_BREAK = "\u00a0"
BELOW = {"R²": "; below 0 it is no better than the mean"}


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
                _columns(one),
                [_row(one, model, found) for model, found in one.metrics.items()],
                f"Models that predict {one.target.name}.",
                _decimals(one.target),
            )
        ],
        [*pictures, *_curves(one)],
    )


def _columns(one: Validation) -> list[str]:
    figure, others = FIGURE[one.target.kind], _others(one.metrics[POOLING].pooled)
    return [
        *("model", f"{figure}, pooled", f"{figure}, mean of folds", *others),
        *(f"difference in {figure}", "p"),
    ]


def _row(one: Validation, model: str, found: FoldMetrics) -> list[object]:
    headlines = [_cell(one.said(estimate)) for estimate in (found.pooled.headline, found.mean)]
    others = [
        _cell(interval(figure)) if isinstance(figure, Estimate) else figure
        for figure in _others(found.pooled).values()
    ]
    compared = one.differences.get(model)
    versus = ["", ""]
    if compared is not None:
        versus = [_cell(interval(compared.difference)), _p(compared.p)]
    return [model, *headlines, *others, *versus]


def _others(found: Metrics) -> dict[str, Estimate | float]:
    """The figures beside the headline, by name."""
    if isinstance(found, BinaryMetrics):
        return {"PR-AUC": found.average_precision, "Brier score": found.brier}
    if isinstance(found, MulticlassMetrics):
        return {"accuracy": found.accuracy, "Brier score": found.brier}
    return {"Spearman's ρ": found.spearman, "mean absolute error": found.mae}


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
                f"Each test repertoire, predicted by {POOLING}.",
                "Predicted against true values.",
            )
        ]
    if target.kind == "multiclass":
        classes = {name: _of_class(one, place) for place, name in enumerate(target.classes)}
        return [
            _roc(classes, f"{POOLING}, by class"),
            *(_reliability(found, f"{POOLING}, {name}") for name, found in classes.items()),
        ]
    strongest = max(one.confounders, key=lambda name: _or_least(one.headline(name).value))
    pooled = {name: found.pooled for name, found in one.metrics.items()}
    binary = {name: found for name, found in pooled.items() if isinstance(found, BinaryMetrics)}
    shown = dict.fromkeys([POOLING, KmerRegression.name, ENSEMBLE, strongest])
    return [
        _roc({name: binary[name] for name in shown}, target.name),
        *(_reliability(found, name) for name, found in binary.items()),
    ]


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
    """One class against the rest, as our pooling predicts it."""
    values = np.where(one.target.labelled, one.target.values == place, np.nan)
    name = one.target.classes[place]
    own = replace(one.target, kind="binary", values=values, classes=(f"not {name}", name))
    rows = np.flatnonzero(one.fold >= 0)
    chance = one.predictions[POOLING][rows, place]
    found = judge(own.subset(rows), np.stack([1 - chance, chance], 1))
    assert isinstance(found, BinaryMetrics)
    return found


def by_fold(one: Validation) -> Section:
    """The figures of each model in each fold."""
    there = [i for i in range(len(one.splits)) if one.target.labelled[one.splits[i].test].any()]
    names = [one.splits[i].name for i in there]
    known = one.target.labelled
    sizes = [
        ["training", *(known[one.splits[i].train].sum() for i in there)],
        ["test", *(known[one.splits[i].test].sum() for i in there)],
    ]
    times = [[model, *seconds] for model, seconds in one.seconds.items()]
    return Section(
        f"{one.target.name}: folds",
        tables=[
            *_figures_by_fold(one, names),
            Table(["repertoires", *names], sizes, "Repertoires with a label."),
            Table(
                ["seconds", *(split.name for split in one.splits)],
                times,
                f"Time to choose settings, train, and predict the test repertoires; {POOLING} is "
                f"trained on all labels at once.",
                1,
            ),
        ],
    )


def _figures_by_fold(one: Validation, names: Sequence[str]) -> list[Table]:
    """A table for each figure, the headline first."""
    headline = FIGURE[one.target.kind]
    found: dict[str, list[dict[str, Estimate | float]]] = {
        model: [{headline: fold.headline, **_others(fold)} for fold in by_fold.folds]
        for model, by_fold in one.metrics.items()
    }
    tables = []
    for figure, example in found[POOLING][0].items():
        rows = [
            [model, *(getattr(fold[figure], "value", fold[figure]) for fold in folds)]
            for model, folds in found.items()
        ]
        caption = f"The {figure} in each fold{BELOW.get(figure, '')}."
        decimals = 3 if isinstance(example, Estimate) else _decimals(one.target)
        tables.append(Table(["model", *names], rows, caption, decimals))
    return tables


def over_batches(one: Validation, over: Validation, batches: str) -> Section:
    """Batches left out, one at a time; `batches` says how many."""
    rows = [
        [model, over.said(found.pooled.headline), one.said(one.headline(model))]
        for model, found in over.metrics.items()
    ]
    own = over.metrics[POOLING].folds
    there = [split for split in over.splits if over.target.labelled[split.test].any()]
    each = [
        [split.name, int(over.target.labelled[split.test].sum()), over.said(found.headline)]
        for split, found in zip(there, own, strict=True)
    ]
    figure = FIGURE[one.target.kind]
    return Section(
        f"{one.target.name}: {batches} left out",
        [
            "The repertoires of a batch are predicted by models that were trained on none of them. "
            "What is predicted well in folds and not here rests on the batch."
        ],
        [
            Table(
                ["model", f"{figure}, batches left out", f"{figure}, folds"], rows, "All models."
            ),
            Table(
                ["split", "test repertoires", f"{figure} of {POOLING}"],
                each,
                "Each batch that was left out.",
            ),
        ],
    )


def _cell(figure: str) -> str:
    """A figure with its interval, which a narrow column does not break."""
    return figure.replace(" to ", f"{NO_BREAK}to{NO_BREAK}")


def _p(value: float) -> str:
    return f"<{NO_BREAK}0.0001" if value < 1e-4 else f"{value:.4f}"


def _or_least(value: float) -> float:
    return -1.0 if np.isnan(value) else value
