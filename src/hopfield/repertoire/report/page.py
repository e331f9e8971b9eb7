"""The page of a run."""

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np

from hopfield.plot import evaluation
from hopfield.repertoire import kmers
from hopfield.repertoire.account import CHANGED, DROPPED
from hopfield.repertoire.baselines import KmerRegression
from hopfield.repertoire.columns import said
from hopfield.repertoire.contenders import POOLING, RANDOM
from hopfield.repertoire.metrics import BinaryMetrics, FoldMetrics, MulticlassMetrics, judge
from hopfield.repertoire.report.report import FINAL, RepertoireReport
from hopfield.repertoire.targets import Target
from hopfield.repertoire.validation import CHANCE, ENSEMBLE, FIGURE, Validation, interval
from hopfield.report import Figure, Report, Section, Table

USE = "For research use only"
WARNING = "It is no medical device, and not for any decision about a patient."
SHOWN = 50  # rows of a table of problems
LIBRARIES = ("hopfield", "torch", "numpy", "scipy", "scikit-learn", "polars")


def page(report: RepertoireReport, explained: Sequence[Section] = ()) -> Report:
    """The page of a run; with sections on what its answers rest on."""
    names = ", ".join(one.target.name for one in report.validations)
    study = report.plan.study
    sections = [_findings(report)]
    for one, over, seeded in zip(report.validations, report.batches, report.seeded, strict=True):
        sections.append(_comparison(one))
        sections.append(_folds(one))
        if over is not None:
            sections.append(_over_batches(one, over))
        sections.append(_seeds(report, one.target, seeded))
    sections += [*explained, _cohort(report), _data(report), _settings(report)]
    shuffled = report.settings["shuffle_labels"] is not None
    return Report(
        f"{names} from {study.data.locus} repertoires. {USE}",
        f"{USE}. {WARNING} {len(study.data)} repertoires with a label; what is told of each is "
        f"told by models that had not seen it.{' LABELS ARE SHUFFLED.' * shuffled}",
        sections,
    )


def _findings(report: RepertoireReport) -> Section:
    sentences: list[str] = []
    for one, over in zip(report.validations, report.batches, strict=True):
        sentences += one.findings()
        if over is not None:
            sentences.append(
                f"With each batch left out in turn, {POOLING} tells {one.target.name} with "
                f"{FIGURE[one.target.kind]} {interval(over.headline(POOLING))}; in the folds "
                f"{interval(one.headline(POOLING))}."
            )
    return Section("What was found", [*sentences, *report.plan.notes])


def _comparison(one: Validation) -> Section:
    """All models side by side."""
    figure = FIGURE[one.target.kind]
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
            f"{figure} over {where}, with intervals of 95 %; the dotted line is chance.",
            f"{figure} of each model with its interval.",
        )
    ]
    return Section(
        f"{one.target.name}: all models on the same repertoires",
        [
            f"{figure} with its interval of 95 %, over {where} and as the mean over folds. The "
            f"last columns compare {POOLING} with each other model on the same repertoires. "
            f"Models that see no sequence (confounders) come last. The {ENSEMBLE} is the mean of "
            f"the logits of {POOLING} and of the models on sequences that are no variant of it."
        ],
        [
            Table(
                _columns(one.target),
                [_row(one, model, found) for model, found in one.metrics.items()],
                f"Models that tell {one.target.name}.",
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
        own = [interval(pooled.accuracy), pooled.brier]
    else:
        own = [interval(pooled.spearman), pooled.mae]
    compared = one.differences.get(model)
    versus = ["", ""] if compared is None else [interval(compared.difference), _p(compared.p)]
    return [model, interval(pooled.headline), interval(found.mean), *own, *versus]


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


def _folds(one: Validation) -> Section:
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
            Table(["model", *names], rows, f"{FIGURE[one.target.kind]} in each fold."),
            Table(
                ["repertoires", *names],
                [["learned from, told", *sizes]],
                "Repertoires with a label.",
            ),
            Table(
                ["seconds", *(split.name for split in one.splits)],
                times,
                "Time of a fit with its choice of settings, and of telling the test repertoires.",
            ),
        ],
    )


def _size(one: Validation, place: int) -> str:
    known, split = one.target.labelled, one.splits[place]
    return f"{known[split.train].sum()}, {known[split.test].sum()}"


def _over_batches(one: Validation, over: Validation) -> Section:
    """Each batch left out in turn."""
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
        f"{one.target.name}: each batch left out",
        [
            "The repertoires of a batch are told by models that saw no repertoire of it. What is "
            "told well in folds and not here was learned from the batch."
        ],
        [
            Table(
                ["model", f"{figure}, batches left out", f"{figure}, folds"], rows, "All models."
            ),
            Table(["split", "repertoires", f"{figure} of {POOLING}"], each, "Each batch."),
        ],
    )


def _seeds(
    report: RepertoireReport, target: Target, seeded: Mapping[str, tuple[int, ...]]
) -> Section:
    """The k-mers at which training of the final model began."""
    title = f"{target.name}: what training began at"
    place = report.plan.study.targets.index(target)
    if not report.classifier.screens_:
        return Section(title, [f"{POOLING} began at random: nothing was seeded."])
    screen, clones = report.classifier.screens_[place], report.classifier.clones_[place]
    seeds = report.classifier.seeds_
    began = dict(seeds.kmers)
    folds = Counter(kmer for name, own in seeded.items() if name != FINAL for kmer in own)
    rows = [
        [kmers.name(kmer), float(t), float(rate), f"{folds[int(kmer)]} of {len(seeded) - 1}"]
        for kmer, t, rate in zip(screen.features, screen.t, screen.rates, strict=True)
        if kmers.name(kmer) in began
    ]
    tables = [
        Table(
            ["k-mer", "t", "per 10 000 receptors", "also found in splits"],
            rows,
            "k-mers of the final model, which learned from all labelled repertoires.",
        )
    ]
    if clones and not report.redact:
        known = [list(clone) for clone in clones if clone[0] in seeds.clones][:SHOWN]
        tables.append(Table(["junction", "V gene", "J gene"], known, "Public clones, likewise."))
    return Section(
        title,
        [
            f"A random start does not find a rare signal. {POOLING} starts its kernels, states and "
            f"β at gapped k-mers that go with {target.name}, by a screen of the training "
            f"repertoires alone: those that chance would hardly bring forth, and the first two in "
            f"any case; and at public clones that do so, of which there are {len(clones)}. A dot "
            f"is any residue. Training is free to leave them. The model without these seeds is "
            f"'{RANDOM}' above."
        ],
        tables,
    )


def _cohort(report: RepertoireReport) -> Section:
    """Labels, subjects, batches and depth."""
    study, batch = report.plan.study, report.settings["batch"]
    subjects = np.arange(len(study.data)) if study.groups is None else study.groups
    sizes = np.array([len(one) for one in study.data])
    depths = np.array([int(one.counts.sum()) for one in study.data])
    tables = []
    for target in study.targets:
        rows = [
            [
                name,
                len(members),
                len(np.unique(subjects[members])),
                _spread(sizes[members]),
                _spread(depths[members]),
            ]
            for name, members in _members(target).items()
        ]
        tables.append(
            Table(
                [target.name, "repertoires", "subjects", "distinct receptors", "depth"],
                rows,
                f"{target.name}: repertoires of each label. Receptors and depth (the sum of all "
                f"counts) as median (least to most).",
            )
        )
        if batch is not None:
            names = said(study.data.metadata[batch]).fill_null("not known")
            batches = names.unique().sort().to_list()
            counts = [
                [name, *(int((names[members.tolist()] == one).sum()) for one in batches)]
                for name, members in _members(target).items()
            ]
            tables.append(
                Table([target.name, *batches], counts, f"{target.name} by {batch}: repertoires.")
            )
    return Section("Cohort", tables=tables)


def _members(target: Target) -> dict[str, Any]:
    """Rows of each class, or of all with a quantity; and of those without a label."""
    if target.kind == "regression":
        values = target.values[target.labelled]
        found = {f"from {values.min():g} to {values.max():g}": np.flatnonzero(target.labelled)}
    else:
        found = {
            name: np.flatnonzero(target.values == place)
            for place, name in enumerate(target.classes)
        }
    unknown = np.flatnonzero(~target.labelled)
    return found | ({"no label": unknown} if len(unknown) else {})


def _spread(values: Any) -> str:
    if not len(values):
        return ""
    return f"{np.median(values):,.0f} ({values.min():,} to {values.max():,})"


def _data(report: RepertoireReport) -> Section:
    """What was read, and what became of it."""
    data, summary = report.cohort, report.cohort.summary()
    kinds = {"dropped": DROPPED, "changed": CHANGED}
    rows: list[list[object]] = [
        [f"{word}: {column.name.removeprefix(kind)}", column.sum(), int((column > 0).sum())]
        for word, kind in kinds.items()
        for column in summary
        if column.name.startswith(kind)
    ]
    read: list[list[object]] = [
        ["rows read", summary["rows"].sum(), summary["rows"].count()],
        ["distinct receptors kept", summary["receptors"].sum(), len(summary)],
    ]
    tables = [Table(["what", "rows", "files"], [*read, *rows], "What became of all rows.")]
    sentences = [
        f"{len(data) + len(data.problems)} repertoires were given, {len(data)} could be used. "
        f"Nothing else was dropped than what is listed."
    ]
    if not report.redact:
        sentences += data.notes
        if data.problems:
            left_out = [[one.id, one.message] for one in data.problems[:SHOWN]]
            tables.append(
                Table(
                    ["repertoire", "why it is left out"],
                    left_out,
                    f"{len(data.problems)} repertoires could not be used; the first {SHOWN} at "
                    f"most are shown.",
                )
            )
        sentences.append("What became of the rows of each file is in data.tsv.")
    return Section("Data", sentences, tables)


def _settings(report: RepertoireReport) -> Section:
    flat = {
        name: value for name, value in report.settings.items() if not isinstance(value, dict | list)
    }
    model = report.classifier.get_params()
    chosen = [
        [name, ", ".join(f"{key} {value:g}" for key, value in own.items()) or "as given"]
        for name, own in report.chosen.items()
    ]
    libraries = [[name, version(name)] for name in LIBRARIES]
    return Section(
        "Settings",
        [
            "The same data, settings, seed and versions give the same figures.",
            f"Inner folds chose among {len(report.settings['candidates'])} candidates by the mean "
            f"loss."
            if report.settings["inner_folds"]
            else "No settings were chosen: there were no inner folds.",
        ],
        [
            Table(["setting", "value"], [[k, str(v)] for k, v in flat.items()], "Of the run."),
            Table(
                ["setting", "value"],
                [[name, str(value)] for name, value in model.items()],
                "Of the final model.",
            ),
            Table(["split", "settings that were chosen"], chosen, "Choices of inner folds."),
            Table(
                ["library", "version"],
                [*libraries, ["Python", platform.python_version()]],
                "Versions.",
            ),
        ],
    )


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 1e-4 else "< 0.0001"


def _or_least(value: float) -> float:
    return -1.0 if np.isnan(value) else value
