"""Self-contained HTML pages: the one writer that every report of this library uses.

A page needs no network: styles and pictures are inside it. It follows the reader's light or dark
setting, and reads well on a narrow screen. All text is escaped. Filters of tables need JavaScript;
without it all rows are there.
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

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.plot.theme import DPI, GROUND, SIZE, theme

PIXELS = 12e6  # of a picture; larger ones are drawn coarser


@dataclass(frozen=True)
class Link:
    """A cell that leads to a `Detail` of the page."""

    text: str
    to: str


@dataclass(frozen=True)
class Marked:
    """A cell of text with a part that stands out."""

    before: str
    text: str
    after: str


@dataclass(frozen=True)
class Table:
    """Rows of text and numbers, links and marked text.

    Attributes:
        columns: a name for each.
        rows: as many cells each.
        caption: what the table shows.
        decimals: of fractions; None for four significant digits of each.
        filters: columns by whose values readers can choose rows; they can then search text, too.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str
    decimals: int | None = None
    filters: Sequence[str] = ()

    def __post_init__(self) -> None:
        if missing := set(self.filters) - set(self.columns):
            raise ArgumentError(f"filters are on {missing}, the table has {self.columns!r}")
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
        dark: on dark ground; None: the light one serves for both.
        caption: what the picture shows.
        alt: the same for those who do not see it.
        width: in inches, as it was drawn; one that is wider than the page can be moved.
    """

    light: bytes
    dark: bytes | None
    caption: str
    alt: str
    width: float = SIZE[0]

    @classmethod
    def drawn(cls, draw: Callable[[], Any], caption: str, alt: str) -> "Figure":
        """What `draw` returns, a Matplotlib figure, drawn once for each ground."""
        pictures = {}
        for ground in GROUND:
            buffer = io.BytesIO()
            with theme(ground):
                figure = draw()
                wide, high = figure.get_size_inches()
                finest = (PIXELS / (wide * high)) ** 0.5
                figure.savefig(buffer, format="png", dpi=min(DPI, finest))
            pictures[ground] = _smaller(buffer)
        return cls(pictures["light"], pictures["dark"], caption, alt, wide)


@dataclass(frozen=True)
class Bars:
    """A small picture of bars, drawn by the page itself.

    Attributes:
        heights: of each, from 0; NaN for none.
        labels: below, from the first bar to the last.
        caption: what the picture shows.
    """

    heights: Sequence[float]
    labels: Sequence[str]
    caption: str

    @property
    def outline(self) -> str:
        """The path of the bars, 1 wide each and 100 high at most."""
        there = [height if height == height else 0.0 for height in self.heights]
        most = max(there) or 1.0
        tops = (f"V{100 - 100 * height / most:.3g}h1" for height in there)
        return f"M0 100{''.join(tops)}V100z"


@dataclass(frozen=True)
class Detail:
    """A part of a section that readers unfold.

    Attributes:
        name: that links lead to, one for each detail of a page.
        title: what is seen before.
        paragraphs: what it says.
        bars: small pictures, side by side.
        tables: rows.
    """

    name: str
    title: str
    paragraphs: Sequence[str] = ()
    bars: Sequence[Bars] = ()
    tables: Sequence[Table] = ()


@dataclass(frozen=True)
class Section:
    """A part of a page: paragraphs, then tables, then figures, then details."""

    title: str
    paragraphs: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    details: Sequence[Detail] = ()


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
        environment.tests |= {"number": is_number, "link": is_link, "marked": is_marked}
        source, script = (
            resources.files("hopfield").joinpath(name).read_text("utf-8")
            for name in ("report.html", "report.js")
        )
        versions = (f"{name} {metadata.version(name)}" for name in ("hopfield", "torch"))
        footer = "Written by " + " on ".join(versions) + "."
        changes = any(part.details or any(t.filters for t in part.tables) for part in self.sections)
        return environment.from_string(source).render(
            report=self, footer=footer, script=script if changes else ""
        )

    def save(self, path: str | Path) -> Path:
        """Write the page to a file, whole or not at all; the path."""
        path = Path(path)
        beside = path.with_name(path.name + ".part")
        try:
            beside.write_text(self.html(), "utf-8")
            return beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def _smaller(png: io.BytesIO) -> bytes:
    """A picture in 256 colours: a third of the size, and to the eye the same."""
    image = _check.extra("PIL.Image", "plot")
    buffer = io.BytesIO()
    colours = image.open(png).convert("RGB").quantize(256, dither=image.Dither.NONE)
    colours.save(buffer, "png", optimize=True)
    return buffer.getvalue()


def address(png: bytes) -> str:
    """A picture as an address that contains it."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def is_number(value: object) -> bool:
    """Whether a cell is set like a number."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_link(value: object) -> bool:
    """Whether a cell leads somewhere."""
    return isinstance(value, Link)


def is_marked(value: object) -> bool:
    """Whether a part of a cell stands out."""
    return isinstance(value, Marked)


def cell(value: object, decimals: int | None = None) -> str:
    """A table cell as text: so many decimals of fractions, or four significant digits, at least."""
    if value != value:
        return "none"
    if isinstance(value, Real) and not isinstance(value, Integral):
        number = float(value)
        if decimals is None:
            whole = 1e4 <= abs(number) < 1e7  # no powers of ten for what can be counted
            return f"{number:.0f}" if whole else f"{number:#.4g}".removesuffix(".")
        return f"{number:.{decimals}f}"
    return str(value)
