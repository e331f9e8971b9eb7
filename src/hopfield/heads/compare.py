"""`compare`: the heads of two models, or of two checkpoints of one, side by side."""

from dataclasses import dataclass
from pathlib import Path

from hopfield import _check
from hopfield.files.claim import claim
from hopfield.heads.differences import Differences
from hopfield.heads.report.comparison import write_comparison
from hopfield.heads.report.files import load_report
from hopfield.heads.report.report import PAGE

RECORD = "comparison.json"  # tells a folder of a comparison
SAME = ("sequences", "mode", "sample", "seed")  # settings of probes that saw the same states


@dataclass(frozen=True)
class Comparison:
    """What `compare` found; printed, it is said in words.

    Attributes:
        folder: with `report.html`, `layers.csv` and `figures/`; and `heads.csv`, where heads are
            compared one by one.
        names: of A and B.
        differences: what sets them apart.
    """

    folder: Path
    names: tuple[str, str]
    differences: Differences

    def __str__(self) -> str:
        first, second = self.names
        said = [f"A: {first}", f"B: {second}", "", *self.differences.findings()]
        return "\n".join([*said, "", f"report: {self.folder / PAGE}"])


def compare(first: str | Path, second: str | Path, out: str | Path) -> Comparison:
    """Set two models side by side: heads one by one if both have the same, layers by their depth.

    Args:
        first: the folder that `probe`, `look` or `hopfield heads probe` wrote to; called A.
        second: another; called B.
        out: the folder to write to, made if it is missing.

    Raises:
        FileError: a folder holds no finished probe.
        ArgumentError: `out` holds something else than a comparison, or is a file.
        MissingExtraError: polars or matplotlib is not installed.
    """
    for library in ("polars", "matplotlib"):
        _check.extra(library, "heads")
    reports, out = (load_report(first), load_report(second)), Path(out)
    claim(out, RECORD, {}, "comparison")
    one, other = reports
    paired = all(one.settings[name] == other.settings[name] for name in SAME)
    found = Differences.of(one.statistics, other.statistics, paired=paired)
    write_comparison(one, other, found, out)
    return Comparison(out, (one.name, other.name), found)
