"""`HeadReport`: what a probe of a model found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hopfield.heads.examples import Example
from hopfield.heads.report.analysis import Analysis
from hopfield.heads.statistics import HeadStatistics
from hopfield.heads.words import summary

PAGE = "report.html"
FEW = 10  # groups of sequences, below which intervals are not to be trusted


@dataclass(frozen=True, eq=False)
class HeadReport:
    """What `look` found; printed, it is said in words.

    Attributes:
        folder: with `report.html`, `heads.csv`, `heads.parquet`, `summary.json` and `figures/`.
        name: of the model.
        statistics: of its heads.
        settings: of the probe.
        sizes: of the model and of what it was looked at with.
        examples: by layer and head, what a few states read most.
        analyses: looks that were asked for besides.
    """

    folder: Path
    name: str
    statistics: HeadStatistics
    settings: Mapping[str, Any]
    sizes: Mapping[str, int]
    examples: Sequence[Sequence[Sequence[Example]]] = ()
    analyses: Sequence[Analysis] = ()

    def story(self) -> list[str]:
        """What the statistics say, in sentences; first what limits them."""
        return [*_limits(self.statistics), *summary(self.statistics)]

    def __str__(self) -> str:
        further = (sentence for one in self.analyses for sentence in one.found)
        return "\n".join([*self.story(), *further, "", f"report: {self.folder / PAGE}"])


def _limits(statistics: HeadStatistics) -> list[str]:
    """What the corpus is too small for."""
    groups = int((statistics.tallies[0].states > 0).sum())
    if groups >= FEW:
        return []
    return [
        f"Intervals rest on {groups} group{'s' * (groups != 1)} of sequences alone, and are too "
        f"narrow; {FEW} sequences or more are needed."
    ]
