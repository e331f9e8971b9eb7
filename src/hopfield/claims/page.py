"""The page of claims, and the same as a page of the documentation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hopfield.claims.claim import Claim, Finding, Measured, Verdict
from hopfield.files.whole import make_folder, written_whole
from hopfield.report import Report, Section, Table, cell

INTRODUCTION = (
    "Each statement of the abstract of “Hopfield Networks is All You Need” (Ramsauer et al., arXiv "
    "2008.02217) is checked by a function, by a criterion that stood in the code before the run."
)
PICTURES = "images/claims"
INTERVALS = (
    "Intervals are of 95 % (exact for shares, Student's for capacities, order statistics for "
    "medians), or, where that is said, the range over seeds."
)


@dataclass(frozen=True)
class Checked:
    """A claim with what was found of it.

    Attributes:
        claim: what is said.
        finding: what was found.
        seconds: how long that took, in all runs together.
        where: versions and machine.
    """

    claim: Claim
    finding: Finding
    seconds: float
    where: dict[str, Any]


def page(checked: Sequence[Checked], about: dict[str, Any]) -> Report:
    """The page: a table of verdicts, then each claim with its numbers and pictures."""
    rows = [
        [one.claim.name, one.claim.source, str(one.finding.verdict), one.seconds] for one in checked
    ]
    overview = Table(
        ["claim", "where", "verdict", "seconds"], rows, "What was checked, and what it came to.", 1
    )
    return Report(
        "The claims of “Hopfield Networks is All You Need”",
        summary(checked),
        [
            Section("Verdicts", [INTRODUCTION, INTERVALS], [overview]),
            *(_section(one) for one in checked),
            Section("How it was run", tables=[_about(about)]),
        ],
    )


def summary(checked: Sequence[Checked]) -> str:
    """How many of each verdict."""
    counts = {
        str(verdict): sum(one.finding.verdict == verdict for one in checked) for verdict in Verdict
    }
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    if not checked:
        return "No claim was checked yet."
    slowest = max(checked, key=lambda one: one.seconds)
    total = sum(one.seconds for one in checked)
    return (
        f"Of {len(checked)} claims: {told}. {total:.0f} seconds in all, {slowest.seconds:.0f} of "
        f"them for {slowest.claim.name}."
    )


def _section(one: Checked) -> Section:
    claim, finding = one.claim, one.finding
    rows = [_row(number) for number in finding.numbers]
    tables = [Table(["measured", "value", "from", "to"], rows, "Numbers.")] if rows else []
    tables += [Table(more.columns, more.rows, more.caption) for more in finding.tables]
    texts = [
        f"{claim.says} ({claim.source})",
        f"Criterion: {claim.criterion}",
        f"Verdict: {finding.verdict}. {finding.reason}",
        took(one),
    ]
    return Section(claim.name, texts, tables, list(claim.draw(finding).values()))


def took(one: Checked) -> str:
    """How long it took, and on what."""
    where = one.where
    return (
        f"It took {one.seconds:.1f} s with hopfield {where['hopfield']} on torch {where['torch']}: "
        f"{where['machine']}."
    )


def _row(number: Measured) -> list[object]:
    ends = ["" if end is None else end for end in (number.low, number.high)]
    return [number.name, number.value, *ends]


def _about(about: dict[str, Any]) -> Table:
    rows = [[name, "none" if value is None else str(value)] for name, value in about.items()]
    return Table(["setting", "value"], rows, "Settings, versions and machine of the last call.")


def document(checked: Sequence[Checked], about: dict[str, Any], folder: Path) -> Path:
    """Write the page of the documentation, `claims.md`, and its pictures into a folder."""
    pictures = folder / PICTURES
    make_folder(pictures)
    shown: dict[str, list[tuple[str, str]]] = {}
    for one in checked:
        shown[one.claim.name] = []
        for name, figure in one.claim.draw(one.finding).items():
            path = pictures / f"{one.claim.name}-{name}.png"
            path.write_bytes(figure.light)
            shown[one.claim.name].append((f"{PICTURES}/{path.name}", figure.caption))
    target = folder / "claims.md"
    with written_whole(target) as part:
        part.write_text(markdown(checked, about, shown), "utf-8")
    return target


def markdown(
    checked: Sequence[Checked],
    about: dict[str, Any],
    pictures: Mapping[str, Sequence[tuple[str, str]]],
) -> str:
    """The page of the documentation.

    Args:
        checked: the claims.
        about: how they were checked.
        pictures: of each claim, by name: path and caption.
    """
    lines = ["# The claims of the paper, checked", "", summary(checked), "", INTRODUCTION, ""]
    lines += [f"{INTERVALS} This page was written by `python -m benchmarks.claims`.", ""]
    lines += ["| claim | where | verdict | seconds |", "|---|---|---|--:|"]
    for one in checked:
        name, where = one.claim.name, one.claim.source
        lines.append(f"| [{name}](#{name}) | {where} | {one.finding.verdict} | {one.seconds:.1f} |")
    for one in checked:
        lines += ["", f"## {one.claim.name}", "", f"{one.claim.says} ({one.claim.source})", ""]
        lines += [f"*Criterion.* {one.claim.criterion}", ""]
        lines += [f"**{one.finding.verdict}.** {one.finding.reason}", "", took(one)]
        if one.finding.numbers:
            lines += ["", "| measured | value | interval |", "|---|--:|---|"]
            lines += [_markdown_row(number) for number in one.finding.numbers]
        for table in one.finding.tables:
            lines += ["", f"{table.caption}", "", f"| {' | '.join(table.columns)} |"]
            lines += ["|" + "--:|" * len(table.columns)]
            lines += [f"| {' | '.join(map(cell, row))} |" for row in table.rows]
        for path, caption in pictures.get(one.claim.name, ()):
            lines += ["", f"![{caption}]({path})"]
    lines += ["", "## How it was run", "", "| setting | value |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in about.items() if value is not None]
    return "\n".join(lines) + "\n"


def _markdown_row(number: Measured) -> str:
    ends = [end for end in (number.low, number.high) if end is not None]
    name = number.name.replace("|", "\\|")
    return f"| {name} | {cell(number.value)} | {' to '.join(map(cell, ends))} |"
