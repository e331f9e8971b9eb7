"""The report on heads: its page, tables and pictures."""

import json
import re
from dataclasses import fields
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from PIL import Image

from hopfield.errors import ArgumentError, FileError
from hopfield.heads import Head, Watcher, load
from hopfield.heads.reading import read
from hopfield.heads.report import figures, files, load_report, look
from hopfield.heads.report.files import frame
from hopfield.heads.words import summary
from pages import Page
from saved_models import SCRIPT, draw_quickly, save, save_text, save_vision


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return load(save(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return save_text(tmp_path_factory.mktemp("text") / "text")


@pytest.fixture(scope="module")
def report(source, text, tmp_path_factory):
    """With all that is written, but fewer heat maps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "MAPS", {name: figures.MAPS[name] for name in ("kl", "induction")})
        return look(source, read(source, text=text), tmp_path_factory.mktemp("out") / "report")


@pytest.fixture
def quick(monkeypatch):
    draw_quickly(monkeypatch)


def pages_text(folder):
    return "".join(Page((folder / "report.html").read_text("utf-8")).text)


def test_the_page_is_whole_offline_and_small(report):
    html = (report.folder / "report.html").read_text("utf-8")
    page = Page(html)  # closed tags
    addresses = [a[key] for _, a in page.tags for key in ("src", "srcset", "href") if key in a]
    assert all(address.startswith(("data:image/png;base64,", "#head-")) for address in addresses)
    assert not re.search(r"https?:|@import|url\(", html)
    assert len(html) < 500_000
    text = "".join(page.text)
    for sentence in report.story():
        assert sentence in text


def test_tokens_are_escaped(report):
    html = (report.folder / "report.html").read_text("utf-8")
    page = Page(html)
    assert SCRIPT in "".join(page.text)
    assert [tag for tag, _ in page.tags].count("script") == 1  # its own
    assert "alert('no')</script>" not in html


def test_each_head_has_its_part(report):
    page = Page((report.folder / "report.html").read_text("utf-8"))
    parts = {attributes["id"] for tag, attributes in page.tags if tag == "details"}
    links = {a["href"].removeprefix("#") for tag, a in page.tags if tag == "a"}
    assert parts == links == {"head-0-0", "head-0-1", "head-1-0", "head-1-1"}
    assert [tag for tag, _ in page.tags].count("path") == 8  # k and distances of each
    assert sum("data-filter" in a for tag, a in page.tags if tag == "th") == 4


def test_tables_hold_every_field_of_every_head(report):
    heads = report.statistics.heads
    csv, parquet = (
        read(report.folder / f"heads.{kind}")
        for read, kind in ((pl.read_csv, "csv"), (pl.read_parquet, "parquet"))
    )
    assert parquet.equals(frame(report.statistics))
    assert csv.equals(parquet)
    names = {field.name for field in fields(Head)} - {"quantiles"}
    shares = [f"share_{at}" for at in ("05", "25", "50", "75", "95")]
    assert set(csv.columns) == names | set(shares)
    assert csv["head_class"].to_list() == [head.head_class.name for head in heads]
    assert csv["kl"].to_list() == [head.kl for head in heads]
    assert csv.select(shares).rows() == [head.quantiles for head in heads]


def test_pictures_open(report):
    names = {"violins", "classes", "jacobian_by_class", "distances", "kl", "induction"}
    folder = report.folder / "figures"
    assert {file.stem for file in folder.iterdir()} == names
    for name in names:
        with Image.open(folder / f"{name}.png") as image:
            assert min(image.size) > 200
        assert ElementTree.parse(folder / f"{name}.svg").getroot().tag.endswith("svg")


def test_the_summary_in_short(report):
    found = json.loads((report.folder / "summary.json").read_text("utf-8"))
    counts = [list(layer["classes"].values()) for layer in found["layers"]]
    assert counts == report.statistics.counts().tolist()
    assert found["story"] == report.story()
    assert found["settings"]["mode"] == "exact"
    assert found["sizes"] == {**report.sizes}
    assert found["sizes"]["sequences"] == 4
    assert set(found["versions"]) >= {"hopfield", "torch", "Python"}


def test_what_is_printed(report):
    story = report.story()
    assert str(report) == "\n".join([*story, "", f"report: {report.folder / 'report.html'}"])
    assert story[1:] == summary(report.statistics)
    assert story[0].startswith("Intervals rest on 4 groups of sequences")


def test_what_was_kept_is_loaded(report):
    found = load_report(report.folder)
    assert found.statistics.heads == report.statistics.heads
    assert (found.name, found.sizes) == (report.name, report.sizes)
    assert not found.examples


def test_a_stopped_run_goes_on(source, text, report, tmp_path, monkeypatch, quick):
    run, out = Watcher.run, tmp_path / "out"

    def stopped(self, batch):
        if self.done:
            raise KeyboardInterrupt
        return run(self, batch)

    sequences = read(source, text=text)
    monkeypatch.setattr(Watcher, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        look(source, sequences, out, batch_size=2)
    with pytest.raises(FileError, match="a probe that is not finished"):
        load_report(out)
    monkeypatch.setattr(Watcher, "run", run)
    look(source, sequences, out, batch_size=2)
    whole = look(source, sequences, tmp_path / "whole", batch_size=2)
    assert (out / "heads.csv").read_bytes() == (whole.folder / "heads.csv").read_bytes()
    assert pages_text(out) == pages_text(whole.folder)
    np.testing.assert_allclose(
        pl.read_csv(out / "heads.csv")["kl"], [head.kl for head in report.statistics.heads]
    )


@pytest.mark.usefixtures("quick")
def test_short_sequences_cannot_be_in_class_iv(source, text, tmp_path):
    found = look(
        source, read(source, text=text, max_length=31, max_sequences=5), tmp_path / "short"
    )
    assert "Too short for class IV" in pages_text(found.folder)
    assert not found.statistics.counts()[:, 3].any()
    found = look(source, read(source, text=text, max_length=32, max_sequences=4), tmp_path / "long")
    assert "Too short for class IV" not in str(found)


@pytest.mark.usefixtures("quick")
def test_images(tmp_path):
    source = load(save_vision(tmp_path / "model"))
    folder = tmp_path / "images"
    folder.mkdir()
    for name in "abc":
        Image.effect_noise((20, 20), 90).convert("RGB").save(folder / f"{name}.png")
    found = look(source, read(source, images=folder, max_sequences=2), tmp_path / "report")
    assert found.sizes["sequences"] == 2
    assert "tokens" not in found.sizes
    assert "induction" not in figures.maps(found.statistics)  # there are no tokens
    assert "none" not in pages_text(found.folder).split("Layer 0")[1]
    with pytest.raises(ArgumentError, match="reads images, not text"):
        read(source, text=folder)


def test_one_thing_is_read(source, text):
    with pytest.raises(ArgumentError, match="0 of text, dataset and images are given"):
        read(source)
    with pytest.raises(ArgumentError, match="2 of text, dataset and images are given"):
        read(source, text=text, images=text)
    with pytest.raises(ArgumentError, match="reads text, not images"):
        read(source, images=text)


def test_what_is_no_probe(report, tmp_path):
    with pytest.raises(FileError, match="holds no probe"):
        load_report(tmp_path)
    settings = (report.folder / "probe.json").read_text()
    (tmp_path / "probe.json").write_text(settings)
    with pytest.raises(FileError, match="not finished"):
        load_report(tmp_path)
    (tmp_path / "probe.npz").write_bytes(b"nothing")
    with pytest.raises(FileError, match="damaged"):
        load_report(tmp_path)
    (tmp_path / "probe.json").write_text("{}")
    with pytest.raises(FileError, match="holds a damaged probe"):
        load_report(tmp_path)


@pytest.mark.usefixtures("quick")
def test_a_page_that_would_be_large_is_short(source, text, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST", 1000)
    found = look(source, read(source, text=text, max_sequences=4), tmp_path / "short")
    html = (found.folder / "report.html").read_text("utf-8")
    assert "The page is short" in html
    assert 'prefers-color-scheme: dark)" srcset' not in html
    assert "Means over states, where not said otherwise" not in html


def test_jacobians_by_class_of_heads(report):
    heads = report.statistics.heads
    found = report.statistics.jacobians()
    assert set(found) == {head.head_class for head in heads}
    for head_class, (without, with_beta) in found.items():
        own = [head for head in heads if head.head_class == head_class]
        total = sum(head.states for head in own)
        assert without == pytest.approx(sum(h.jacobian * h.states for h in own) / total)
        assert with_beta == pytest.approx(sum(h.jacobian_beta * h.states for h in own) / total)
    text = pages_text(report.folder)
    assert "Mean norm of the softmax Jacobian over the states of the heads of each class" in text
