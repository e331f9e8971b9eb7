"""The page of a run."""

import platform
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version

from hopfield.repertoire import kmers
from hopfield.repertoire.contenders import POOLING, RANDOM
from hopfield.repertoire.report.cohort import SHOWN, cohort, reading
from hopfield.repertoire.report.comparison import by_fold, over_batches, side_by_side
from hopfield.repertoire.report.report import FINAL, RepertoireReport
from hopfield.report import Report, Section, Table

USE = "For research use only"
WARNING = "It is no medical device, and not for any decision about a patient."
STRONGEST = 50  # Student's t, above which its size says nothing
LIBRARIES = ("hopfield", "torch", "numpy", "scipy", "scikit-learn", "polars")


def page(report: RepertoireReport, explained: Sequence[Section] = ()) -> Report:
    """The page of a run; with sections on what its answers rest on."""
    names = ", ".join(one.target.name for one in report.validations)
    study = report.plan.study
    findings = [sentence for own in report.findings() for sentence in own]
    sections = [Section("What was found", [*findings, *report.plan.notes])]
    sections += [cohort(report), reading(report)]
    for place, (one, over) in enumerate(zip(report.validations, report.batches, strict=True)):
        sections += [side_by_side(one), by_fold(one)]
        if over is not None:
            sections.append(over_batches(one, over, report.batches_left_out(over)))
        sections.append(_seeds(report, place))
    sections += [*explained, _training(report), _settings(report)]
    shuffled = report.settings["shuffle_labels"] is not None
    return Report(
        f"{names} from {study.data.locus} repertoires. {USE}",
        f"{USE}. {WARNING} {len(study.data)} repertoires with a label; each is predicted by "
        f"models that were not trained on it.{' LABELS ARE SHUFFLED.' * shuffled}",
        sections,
    )


def _seeds(report: RepertoireReport, place: int) -> Section:
    """The k-mers at which training of the final model began, for one of the targets."""
    target, seeded = report.plan.study.targets[place], report.seeded(place)
    title = f"{target.name}: what training began at"
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
            "k-mers of the final model, which was trained on all labelled repertoires.",
        )
    ]
    if seeds.clones:
        known = [list(clone) for clone in clones if clone[0] in seeds.clones][:SHOWN]
        tables.append(Table(["junction", "V gene", "J gene"], known, "Public clones, likewise."))
    those = (
        "which seed nothing in a redacted run"
        if report.redact
        else f"of which there are {len(clones)}"
    )
    return Section(
        title,
        [
            f"A random start does not find a rare signal. {POOLING} starts its kernels, states and "
            f"β at gapped k-mers that go with {target.name}, by a screen of the training "
            f"repertoires alone: those that chance would hardly bring forth, or the first two if "
            f"it may bring forth all; and at public clones that do so, {those}. A dot is any "
            f"residue. Training is free to leave them. The model without these seeds is "
            f"'{RANDOM}' above, with the settings as given: inner folds choose none for it."
        ],
        tables,
    )


def _training(report: RepertoireReport) -> Section:
    """Settings, epoch and loss of each fit of our model."""
    chosen = {
        name: ", ".join(f"{key} {value}" for key, value in own.items()) or "as given"
        for name, own in report.chosen.items()
    }
    inner = bool(report.settings["inner_folds"])
    return Section(
        f"How {POOLING} was trained",
        [
            f"Inner folds chose among {len(report.settings['candidates'])} candidates by the mean "
            f"loss."
            if inner
            else "No settings were chosen: there were no inner folds.",
            "Some of the training repertoires are kept for validation. Training stops when their "
            "loss falls no more, and the epoch after which it was least is kept; epoch 0 is the "
            "start.",
        ],
        [
            Table(
                ["split", "settings", "epoch that was kept", "validation loss"],
                [[name, chosen[name], fit.epoch, fit.loss] for name, fit in report.fits.items()],
                "Each fit.",
            )
        ],
    )


def _settings(report: RepertoireReport) -> Section:
    flat = {
        name: value for name, value in report.settings.items() if not isinstance(value, dict | list)
    }
    libraries = [[name, version(name)] for name in LIBRARIES]
    return Section(
        "Settings",
        ["The same data, settings, seed and versions give the same figures."],
        [
            *(
                Table(["setting", "value"], [[k, _shown(v)] for k, v in some.items()], caption)
                for some, caption in (
                    (flat, "Of the run."),
                    (report.classifier.get_params(), "Of the final model."),
                )
            ),
            Table(
                ["library", "version"],
                [*libraries, ["Python", platform.python_version()]],
                "Versions.",
            ),
        ],
    )


def _shown(value: object) -> str:
    """A setting in words."""
    words = {"None": "none", "True": "yes", "False": "no"}
    return words.get(str(value), str(value))
