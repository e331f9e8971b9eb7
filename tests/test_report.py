"""Pages: what is in them, and that nothing outside is needed."""

import re
import struct

import pytest
import torch

from hopfield import energies, landscape, plot, theory
from hopfield import report as module
from hopfield.errors import ArgumentError
from hopfield.phases import PhaseLabel
from hopfield.report import Bars, Detail, Figure, Link, Marked, Report, Section, Table, cell
from pages import Page

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def report():
    x = torch.linspace(0.1, 1, 5)
    figure = Figure.drawn(lambda: plot.band(x, {"y": x}, "t", "x", "y"), "seen", "a line")
    table = Table(["name <b>", "value"], [["a & b", 0.123456], ["c", 3]], "all <numbers>")
    text = "<script>alert('no')</script> & β"
    return Report("Title <i>", text, [Section("One", [text], [table], [figure])])


def test_text_is_escaped(report):
    page = Page(report.html())
    assert not any(tag in ("script", "i", "b", "numbers") for tag, _ in page.tags)
    text = "".join(page.text)
    for shown in ("Title <i>", "<script>alert('no')</script> & β", "a & b", "all <numbers>"):
        assert shown in text


def test_nothing_outside_is_needed(report):
    html = report.html()
    assert not re.search(r"https?:|@import|url\(", html)
    assert not any("href" in attributes for _, attributes in Page(html).tags)
    pictures = [
        a.get("src") or a.get("srcset") for t, a in Page(html).tags if t in ("img", "source")
    ]
    assert len(pictures) == 2
    assert all(address.startswith("data:image/png;base64,") for address in pictures)
    assert len(set(pictures)) == 2  # light and dark
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html


def test_numbers_are_short_and_right(report):
    page = Page(report.html())
    assert "0.1235" in "".join(page.text)
    cells = [attributes.get("class") for tag, attributes in page.tags if tag in ("th", "td")]
    assert cells == [None, "number", None, "number", None, "number"]


def test_cells():
    assert [cell(value) for value in (0.123456, 3, "x", float("nan"))] == [
        "0.1235",
        "3",
        "x",
        "none",
    ]
    assert [cell(value, 2) for value in (0.5, 3, 12.345)] == ["0.50", "3", "12.35"]
    table = Table(["a", "b"], [["c", 0.5]], "", decimals=3)
    assert ">0.500<" in Report("", "", [Section("", tables=[table])]).html()


def test_every_picture_has_words(report):
    images = [attributes for tag, attributes in Page(report.html()).tags if tag == "img"]
    assert all(image["alt"] for image in images)


def test_save_is_whole_or_not_at_all(report, tmp_path):
    path = report.save(tmp_path / "page.html")
    whole = path.read_text("utf-8")
    report.sections.append(Section("broken", tables=[object()]))
    with pytest.raises(Exception, match="filters"):
        report.save(path)
    assert path.read_text("utf-8") == whole
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_rows_must_fit_their_columns():
    with pytest.raises(ArgumentError, match="a row has 1 cells, the table 2 columns"):
        Table(["a", "b"], [["only one"]], "")
    with pytest.raises(ArgumentError, match="filters are on"):
        Table(["a", "b"], [], "", filters=["c"])


def test_filters_links_and_details():
    bad = "<script>alert('no')</script>"
    table = Table(["a", "b"], [[Link(bad, "one"), Marked(bad, "it", bad)]], "", filters=["b"])
    bars = Bars([0.0, 2.0, float("nan"), 1.0], [bad, "z"], bad)
    detail = Detail("one", bad, [bad], [bars], [table])
    html = Report("", "", [Section("", tables=[table], details=[detail])]).html()
    page = Page(html)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == 1  # its own
    assert ("details", {"id": "one"}) in page.tags
    assert ("a", {"href": "#one"}) in page.tags
    assert ("mark", {}) in page.tags
    assert ("th", {"data-filter": None}) in page.tags
    assert ("path", {"d": "M0 100V100h1V0h1V100h1V50h1V100z"}) in page.tags
    assert "".join(page.text).count(bad) == 10


def test_a_wide_picture_keeps_its_size(monkeypatch):
    monkeypatch.setattr(module, "PIXELS", 600_000)
    x = torch.linspace(0.1, 1, 5)

    def draw():
        figure = plot.band(x, {"y": x}, "t", "x", "y")
        figure.set_size_inches(50, 30)
        return figure

    picture = Figure.drawn(draw, "", "")
    assert picture.width == 50
    width, height = struct.unpack(">II", picture.light[16:24])
    assert 590_000 < width * height <= 600_000
    html = Report("", "", [Section("", figures=[picture])]).html()
    assert "min-width: 4000px" in html


def figures():
    x = torch.logspace(-1, 2, 6)
    label = torch.randint(0, 3, (6, 9))
    many = torch.rand(6, 9)
    two = torch.tensor([[1.0, 0.0], [-1.0, 0.5]])
    plane = landscape.plane(energies.Modern(two, beta=3.0), points=9)
    split = landscape.bifurcation(two, [0.5, 2.0])
    stored = theory.on_sphere(8, 4, 2.0, torch.Generator().manual_seed(0))
    grid = landscape.trade_off(stored, [4, 8], [0.1, 3.0])
    stored_in = [theory.measure_capacity(d, 1.0, trials=2) for d in (4, 5, 6)]
    assert PhaseLabel.GLOBAL in label
    return {
        "phase_shares": lambda: plot.phase_shares(x, label, "t"),
        "energies": lambda: plot.energies(many, "t"),
        "error_bounds": lambda: plot.error_bounds(x, x * 0, x, "t"),
        "band": lambda: plot.band(x, {"many": many, "one": x}, "t", "x", "y", (0.5, "level")),
        "bifurcation": lambda: plot.bifurcation(split, "t"),
        "capacities": lambda: plot.capacities(stored_in, "t"),
        "storage_curves": lambda: plot.storage_curves([10, 100], {"one": [1.0, 0.5]}, "t"),
        "landscape": lambda: plot.landscape(plane, two, "t"),
        "once_against_delta": lambda: plot.once_against_delta(grid, 0, 1, "t"),
        "over_grid": lambda: plot.over_grid(grid.retrieved(), grid, "t", "share"),
        "phase_diagram": lambda: plot.phase_diagram(grid, "t"),
        "share_against_delta": lambda: plot.share_against_delta(grid, 1, "t"),
        "share_once": lambda: plot.share_once(grid, "t"),
        "shares_of_phases": lambda: plot.shares_of_phases(
            x, {phase: torch.full((6,), 1 / 3) for phase in PhaseLabel}, "t"
        ),
        "steps": lambda: plot.steps(grid, "t"),
        "images": lambda: plot.images({"a": torch.rand(3, 4, 4), "b": torch.rand(2, 4, 4)}, "t"),
    }


@pytest.mark.parametrize("name", [name for name in plot.__all__ if name != "theme"])
def test_every_plot_draws_on_both_grounds(name):
    picture = Figure.drawn(figures()[name], "caption", "alt")
    assert picture.light.startswith(PNG)
    assert picture.dark.startswith(PNG)
    assert picture.light != picture.dark
    figure = figures()[name]()
    if name != "images":
        assert all(axes.get_ylabel() for axes in figure.axes)
        assert any(axes.get_xlabel() for axes in figure.axes)
