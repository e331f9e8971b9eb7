"""`Analysis`: a look at heads that goes beyond their statistics, as a part of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hopfield.heads.report.figures import Picture
from hopfield.report import Section, Table

KINDS = ("I", "II", "III", "IV", "k = 1")  # of states, as they are shown


@dataclass(frozen=True, eq=False)
class Analysis:
    """What a look found.

    Attributes:
        name: of its table, NAME.csv.
        title: of its section.
        found: what comes out, in sentences with numbers.
        method: how it was looked for, in sentences.
        tables: shown in the page.
        pictures: by the name of the file.
        rows: of its table: one for each head.
    """

    name: str
    title: str
    found: Sequence[str]
    method: Sequence[str]
    tables: Sequence[Table] = ()
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    rows: Sequence[Mapping[str, object]] = ()

    @property
    def section(self) -> Section:
        """It, as a part of a page."""
        figures = [picture.figure for picture in self.pictures.values()]
        return Section(self.title, [*self.found, *self.method], self.tables, figures)
