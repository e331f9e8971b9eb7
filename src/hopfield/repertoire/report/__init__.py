"""What a run found: as a page, as tables, as JSON."""

from hopfield.repertoire.report.files import write
from hopfield.repertoire.report.report import FINAL, RepertoireReport

__all__ = ["FINAL", "RepertoireReport", "write"]
