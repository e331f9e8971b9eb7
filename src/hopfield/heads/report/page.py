"""The page of a report on heads."""

from collections.abc import Mapping
from dataclasses import replace

from hopfield.heads.report.by_head import layer_of, name_of
from hopfield.heads.report.figures import Picture
from hopfield.heads.report.report import HeadReport
from hopfield.heads.report.versions import versions
from hopfield.heads.statistics import Head
from hopfield.phases import HeadClass
from hopfield.report import Link, Report, Section, Table

CLASSES = (
    "k is the fewest patterns that hold 90 % of the weight of a state, N the number of patterns "
    "that it sees. By the median of k a head is in class I (more than N/2: it averages), II (more "
    "than N/8), III (more than N/32) or IV (fewer: it retrieves one pattern, or few): Ramsauer et "
    "al. 2020, A.5."
)
HEADS = (
    "k and k / N are medians over states, the latter with its interval of 95 %; the rest are "
    "means. k = 1: share of states. Entropy: as a share of the largest possible. KL: divergence "
    "from uniform weights, in nats. β‖J‖: norm of the softmax Jacobian, with β. Special, previous, "
    "induction: weight of special tokens, of the pattern before, and of what followed the same "
    "token. A head is borderline if its interval reaches into another class, and a sink if special "
    "tokens, or the first pattern, have most of its weight."
)
COLUMNS = {  # of the table of heads: attributes of `Head`
    "k = 1": "one",
    "entropy": "entropy_share",
    "KL": "kl",
    "β‖J‖": "jacobian_beta",
    "special": "special",
    "previous": "previous",
    "induction": "induction",
}


def page(
    report: HeadReport,
    overview: Mapping[str, Picture],
    places: Mapping[str, Picture],
    maps: Mapping[str, Picture],
    short: bool = False,
) -> Report:
    """The page.

    Args:
        report: what it shows.
        overview: pictures of violins and classes.
        places: pictures of where heads look, if any do.
        maps: heat maps.
        short: leave out pictures for dark ground, and all numbers of each head.
    """
    statistics, sizes = report.statistics, report.sizes
    tokens = f", {sizes['tokens']:,} tokens in all" if "tokens" in sizes else ""
    drawn = [[picture.figure for picture in some.values()] for some in (overview, places, maps)]
    sections = [
        Section("What was found", [*report.story(), CLASSES]),
        Section("How many patterns each head rests on", figures=drawn[0][:1]),
        Section(
            "Classes by layer", tables=[_classes(report), _jacobians(report)], figures=drawn[0][1:]
        ),
        Section("All heads", [HEADS], [_heads(report)]),
        *([Section("Where heads look", figures=drawn[1])] if places else []),
        Section("Statistics by layer and head", figures=drawn[2]),
        *(one.section for one in report.analyses),
        *(layer_of(report, layer, short) for layer in range(len(statistics.tallies))),
        _settings(report, short),
    ]
    if short:
        sections = [_on_light_ground(section) for section in sections]
    return Report(
        f"Attention heads of {report.name}, seen as retrieval",
        f"{len(statistics.heads)} heads in {len(statistics.tallies)} layers, looked at over "
        f"{sizes['sequences']} sequences{tokens}.",
        sections,
    )


def _classes(report: HeadReport) -> Table:
    counts = report.statistics.counts()
    rows = [
        [layer, *map(int, counts[layer]), tally.module]
        for layer, tally in enumerate(report.statistics.tallies)
    ]
    names = [f"class {head_class.name}" for head_class in HeadClass]
    return Table(["layer", *names, "module"], rows, "Heads of each layer by class.")


def _jacobians(report: HeadReport) -> Table:
    counts = report.statistics.counts().sum(0)
    rows = [
        [head_class.name, int(counts[head_class - 1]), *norms]
        for head_class, norms in report.statistics.jacobians().items()
    ]
    caption = "Mean norm of the softmax Jacobian over the states of the heads of each class."
    return Table(["class", "heads", "‖J‖", "β‖J‖"], rows, caption, 4)


def _heads(report: HeadReport) -> Table:
    rows = [
        [
            Link(head.name, name_of(head)),
            head.layer,
            head.head_class.name,
            head.kind,
            round(head.k),
            head.share,
            f"{head.share_low:.3f} to {head.share_high:.3f}",
            *(getattr(head, name) for name in COLUMNS.values()),
            _notes(head),
        ]
        for head in report.statistics.heads
    ]
    return Table(
        ["head", "layer", "class", "kind", "k", "k / N", "interval", *COLUMNS, "notes"],
        rows,
        "Each head leads to more about it.",
        3,
        ["layer", "class", "kind", "notes"],
    )


def _notes(head: Head) -> str:
    """What else is to be known of its class."""
    changes = head.class_content != head.head_class
    said = {
        "borderline": head.borderline,
        "sink": head.sink,
        f"{head.class_content.name} without special tokens": changes,
        "reads another sequence": head.cross,
    }
    return ", ".join(text for text, holds in said.items() if holds)


def _on_light_ground(section: Section) -> Section:
    return replace(section, figures=[replace(one, dark=None) for one in section.figures])


def _settings(report: HeadReport, short: bool) -> Section:
    said = ["The same model, sequences, settings and versions give the same figures."]
    if short:
        said.append(
            "The page is short, since there are many heads or looks: pictures are for light ground "
            "alone, and all numbers of each head are in heads.csv."
        )
    if report.settings["mode"] == "sample":
        said.append(
            f"{report.settings['sample']} states of each sequence were looked at, chosen at "
            f"random. The intervals hold the error that this makes."
        )
    tables = {
        "Of the probe.": ("setting", report.settings),
        "Sizes.": ("what", report.sizes),
        "Versions.": ("library", versions()),
    }
    return Section(
        "Settings",
        said,
        [
            Table([what, "value"], [[name, value] for name, value in own.items()], caption)
            for caption, (what, own) in tables.items()
        ],
    )
