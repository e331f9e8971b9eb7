"""What a probe of a model found, as a page, pictures and tables."""

from hopfield.heads.report.files import load_report, write
from hopfield.heads.report.look import look
from hopfield.heads.report.report import HeadReport

__all__ = ["HeadReport", "load_report", "look", "write"]
