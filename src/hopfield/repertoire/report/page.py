"""The page of a run."""

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from hopfield.repertoire import kmers
from hopfield.repertoire.columns import said
from hopfield.repertoire.contenders import POOLING, RANDOM
from hopfield.repertoire.report.cohort import SHOWN, cohort, reading
from hopfield.repertoire.report.comparison import by_fold, over_batches, side_by_side
from hopfield.repertoire.report.report import FINAL, RepertoireReport
from hopfield.repertoire.targets import Target
from hopfield.repertoire.validation import FIGURE, Validation, interval
from hopfield.report import Report, Section, Table

USE = "For research use only"
WARNING = "It is no medical device, and not for any decision about a patient."
STRONGEST = 50  # Student's t, above which its size says nothing
LIBRARIES = ("hopfield", "torch", "numpy", "scipy", "scikit-learn", "polars")


def page(report: RepertoireReport, explained: Sequence[Section] = ()) -> Report:
    """The page of a run; with sections on what its answers rest on."""
    names = ", ".join(one.target.name for one in report.validations)
    study = report.plan.study
    sections = [_findings(report)]
    for one, over, seeded in zip(report.validations, report.batches, report.seeded, strict=True):
        sections += [side_by_side(one), by_fold(one)]
        if over is not None:
            sections.append(over_batches(one, over, _batches(report, over)))
        sections.append(_seeds(report, one.target, seeded))
    sections += [*explained, cohort(report), reading(report), _settings(report)]
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
                f"With {_batches(report, over)} left out, one at a time, {POOLING} tells "
                f"{one.target.name} with {FIGURE[one.target.kind]} "
                f"{interval(over.headline(POOLING))}; in the folds "
                f"{interval(one.headline(POOLING))}."
            )
    return Section("What was found", [*sentences, *report.plan.notes])


def _batches(report: RepertoireReport, over: Validation) -> str:
    """How many batches were left out, of how many."""
    names = said(report.plan.study.data.metadata[report.settings["batch"]])
    return f"{len(over.metrics[POOLING].folds)} of {names.drop_nulls().n_unique()} batches"


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
        [
            kmers.name(kmer),
            f"{t:.1f}" if t <= STRONGEST else f"> {STRONGEST}",
            "no" if t > screen.limit else "yes",
            f"{rate:.2f}",
            f"{folds[int(kmer)]} of {len(seeded) - 1}",
        ]
        for kmer, t, rate in zip(screen.features, screen.t, screen.rates, strict=True)
        if kmers.name(kmer) in began
    ]
    tables = [
        Table(
            ["k-mer", "t", "chance explains it", "per 10 000 receptors", "also found in splits"],
            rows,
            "k-mers of the final model, which learned from all labelled repertoires.",
        )
    ]
    if seeds.clones:
        known = [list(clone) for clone in clones if clone[0] in seeds.clones][:SHOWN]
        tables.append(Table(["junction", "V gene", "J gene"], known, "Public clones, likewise."))
    those = "which are left out here" if report.redact else f"of which there are {len(clones)}"
    return Section(
        title,
        [
            f"A random start does not find a rare signal. {POOLING} starts its kernels, states and "
            f"β at gapped k-mers that go with {target.name}, by a screen of the training "
            f"repertoires alone: those that chance would hardly bring forth, or the first two if "
            f"it may bring forth all; and at public clones that do so, {those}. A dot is any "
            f"residue. Training is free to leave them. The model without these seeds is "
            f"'{RANDOM}' above."
        ],
        tables,
    )


def _settings(report: RepertoireReport) -> Section:
    flat = {
        name: value for name, value in report.settings.items() if not isinstance(value, dict | list)
    }
    model = report.classifier.get_params()
    chosen = [
        [name, ", ".join(f"{key} {value}" for key, value in own.items()) or "as given"]
        for name, own in report.chosen.items()
    ]
    choices = Table(["split", "settings that were chosen"], chosen, "Choices of inner folds.")
    libraries = [[name, version(name)] for name in LIBRARIES]
    inner = bool(report.settings["inner_folds"])
    return Section(
        "Settings",
        [
            "The same data, settings, seed and versions give the same figures.",
            f"Inner folds chose among {len(report.settings['candidates'])} candidates by the mean "
            f"loss."
            if inner
            else "No settings were chosen: there were no inner folds.",
        ],
        [
            Table(["setting", "value"], [[k, str(v)] for k, v in flat.items()], "Of the run."),
            Table(
                ["setting", "value"],
                [[name, str(value)] for name, value in model.items()],
                "Of the final model.",
            ),
            *([choices] if inner else []),
            Table(
                ["library", "version"],
                [*libraries, ["Python", platform.python_version()]],
                "Versions.",
            ),
        ],
    )
