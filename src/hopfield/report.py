"""Self-contained HTML pages: the one writer that every report of this library uses.

A page needs no network: styles and pictures are inside it. It follows the reader's light or dark
setting, and reads well on a narrow screen. All text is escaped.
"""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import metadata, resources
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from hopfield.errors import ArgumentError
from hopfield.plot.theme import GROUND, theme


@dataclass(frozen=True)
class Table:
    """Rows of text and numbers.

    Attributes:
        columns: a name for each.
        rows: as many cells each.
        caption: what the table shows.
        decimals: of fractions; None for four significant digits of each.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str
    decimals: int | None = None

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ArgumentError(
                    f"a row has {len(row)} cells, the table {len(self.columns)} columns: {row!r}"
                )


@dataclass(frozen=True)
class Figure:
    """A picture for light and for dark ground, as PNG files.

    Attributes:
        light: on light ground.
        dark: on dark ground.
        caption: what the picture shows.
        alt: the same for those who do not see it.
    """

    light: bytes
    dark: bytes
    caption: str
    alt: str

    @classmethod
    def drawn(cls, draw: Callable[[], Any], caption: str, alt: str) -> "Figure":
        """What `draw` returns, a Matplotlib figure, drawn once for each ground."""
        pictures = {}
        for ground in GROUND:
            buffer = io.BytesIO()
            with theme(ground):
                draw().savefig(buffer, format="png")
            pictures[ground] = buffer.getvalue()
        return cls(pictures["light"], pictures["dark"], caption, alt)


@dataclass(frozen=True)
class Section:
    """A part of a page: paragraphs, then tables, then figures."""

    title: str
    paragraphs: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()


@dataclass
class Report:
    """A page.

    Attributes:
        title: of the page.
        summary: what it says, in a sentence or two.
        sections: in order.
    """

    title: str
    summary: str
    sections: list[Section] = field(default_factory=list)

    def html(self) -> str:
        """The page."""
        environment = Environment(autoescape=True, undefined=StrictUndefined)
        environment.filters |= {"cell": cell, "address": address}
        environment.tests["number"] = is_number
        source = resources.files("hopfield").joinpath("report.html").read_text("utf-8")
        versions = (f"{name} {metadata.version(name)}" for name in ("hopfield", "torch"))
        footer = "Written by " + " on ".join(versions) + "."
        return environment.from_string(source).render(report=self, footer=footer)

    def save(self, path: str | Path) -> Path:
        """Write the page to a file, whole or not at all; the path."""
        path = Path(path)
        beside = path.with_name(path.name + ".part")
        try:
            beside.write_text(self.html(), "utf-8")
            return beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def address(png: bytes) -> str:
    """A picture as an address that contains it."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def is_number(value: object) -> bool:
    """Whether a cell is set like a number."""
    return isinstance(value, Real) and not isinstance(value, bool)


def cell(value: object, decimals: int | None = None) -> str:
    """A table cell as text: so many decimals of fractions, or four significant digits."""
    if value != value:
        return "none"
    if isinstance(value, Real) and not isinstance(value, Integral):
        return f"{float(value):#.4g}" if decimals is None else f"{float(value):.{decimals}f}"
    return str(value)
