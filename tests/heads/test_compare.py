"""Two models side by side."""

import numpy as np
import polars as pl
import pytest

from hopfield.errors import ArgumentError, FileError
from hopfield.heads import load, probe
from hopfield.heads.compare import compare
from hopfield.heads.differences import Differences, mean_share
from hopfield.heads.reading import read
from hopfield.heads.report.files import load_report
from hopfield.plot.theme import theme
from pages import Page
from saved_models import draw_quickly, save, save_text

MODELS = {"a": {"seed": 1}, "b": {"seed": 2}, "deeper": {"layers": 3}, "wider": {"heads": 4}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Probes of models on the same text; of the last one on other text."""
    folder = tmp_path_factory.mktemp("compare")
    texts = [save_text(folder / f"text{n}", (700,), seed=n) for n in (0, 1)]
    for name, given in MODELS.items():
        sizes = {"num_attention_heads": given.pop("heads", 2)}
        source = load(save(folder / f"model-{name}", **given, **sizes))
        for suffix, text in zip(("", "-other"), texts, strict=True):
            probe(source.model, None, read(source, text=text), out=folder / f"{name}{suffix}")
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    draw_quickly(monkeypatch)


def test_heads_are_compared_one_by_one(folder, tmp_path):
    found = compare(folder / "a", folder / "b", tmp_path / "out")
    assert found.differences.paired
    first, second = (load_report(folder / name).statistics for name in "ab")
    table = pl.read_csv(tmp_path / "out" / "heads.csv")
    assert table["share_a"].to_list() == [head.share for head in first.heads]
    assert table["class_b"].to_list() == [head.head_class.name for head in second.heads]
    assert (table["changed"] == (table["class_a"] != table["class_b"])).all()
    np.testing.assert_allclose(table["difference"], table["share_b"] - table["share_a"])
    assert (table["low"] <= table["difference"]).all()
    assert (table["difference"] <= table["high"]).all()
    layers = pl.read_csv(tmp_path / "out" / "layers.csv")
    assert layers["depth"].to_list() == [0.0, 1.0]
    assert layers["layer_a"].to_list() == layers["layer_b"].to_list() == [0, 1]
    assert layers["share_a"].to_list() == pytest.approx([mean_share(h) for h in first.layers])
    changed = int(table["changed"].sum())
    assert f"{changed} of 4 heads are in another class in B" in str(found)
    assert str(found).endswith(f"report: {tmp_path / 'out' / 'report.html'}")


def test_a_model_does_not_differ_from_itself(folder, tmp_path):
    found = compare(folder / "a", folder / "a", tmp_path / "out").differences
    assert not any(pair.difference.clear or pair.changed for pair in found.heads)
    assert all((p.difference.low, p.difference.high) == (0, 0) for p in found.heads)
    assert (
        "0 of 4 heads are in another class in B. k / N differs by more than chance explains in 0:"
        in " ".join(found.findings())
    )


def test_sequences_of_other_texts_are_drawn_apart(folder, tmp_path):
    found = compare(folder / "a", folder / "a-other", tmp_path / "out").differences
    assert not found.paired
    assert "A and B saw different sequences" in " ".join(found.findings())
    assert all(pair.difference.high > pair.difference.low for pair in found.heads)


def test_models_of_other_sizes_are_compared_by_depth(folder, tmp_path):
    found = compare(folder / "deeper", folder / "a", tmp_path / "out")
    assert not found.differences.heads
    assert not (tmp_path / "out" / "heads.csv").exists()
    layers = pl.read_csv(tmp_path / "out" / "layers.csv")
    assert layers.select("layer_a", "layer_b", "depth").rows() == [(0, 0, 0.0), (2, 1, 1.0)]
    assert "layers are compared by depth" in str(found)
    wider = compare(folder / "a", folder / "wider", tmp_path / "wide").differences
    assert not wider.heads
    assert [(len(level.first), len(level.second)) for level in wider.levels] == [(2, 4), (2, 4)]


def test_intervals_hold_what_draws_of_groups_give(folder):
    """Against a bootstrap written plainly."""
    first, second = (load_report(folder / name).statistics for name in "ab")
    found = Differences.of(first, second, paired=True).heads[1].difference
    random, groups = np.random.default_rng(7), 12
    shares = [s.tallies[0].shares[:groups, 1] for s in (first, second)]
    assert not any(s.tallies[0].shares[groups:].any() for s in (first, second))
    differences = []
    for _ in range(2000):
        chosen = random.integers(groups, size=groups)
        medians = [
            np.quantile(np.repeat(np.arange(1025), own[chosen].sum(0)), 0.5, method="inverted_cdf")
            for own in shares
        ]
        differences.append((medians[1] - medians[0]) / 1024)
    expected = np.quantile(differences, [0.025, 0.975])
    np.testing.assert_allclose([found.low, found.high], expected, atol=0.012)


def test_the_page(folder, tmp_path):
    for other, tables in (("b", 2), ("deeper", 1)):
        out = tmp_path / other
        compare(folder / "a", folder / other, out)
        page = Page((out / "report.html").read_text("utf-8"))
        assert [tag for tag, _ in page.tags].count("table") == tables
        assert str(folder / other) in "".join(page.text)


def test_pictures_can_be_drawn(folder):
    from hopfield.heads.report.comparison import _pictures

    statistics = {name: load_report(folder / name).statistics for name in ("a", "b", "deeper")}
    names = {"depth", "classes_a", "classes_b"}
    for other, violins in (("b", {"violins"}), ("deeper", {"violins_a", "violins_b"})):
        found = Differences.of(statistics["a"], statistics[other], paired=True)
        pictures = _pictures(statistics["a"], statistics[other], found)
        assert set(pictures) == names | violins
        with theme():
            for picture in pictures.values():
                picture.draw().draw_without_rendering()


def test_what_cannot_be_compared(folder, tmp_path):
    with pytest.raises(FileError, match="holds no probe"):
        compare(folder / "a", folder / "none", tmp_path / "out")
    with pytest.raises(ArgumentError, match="is not empty and holds no comparison"):
        compare(folder / "a", folder / "b", folder / "b")
    (tmp_path / "file").write_text("")
    with pytest.raises(ArgumentError, match="is a file"):
        compare(folder / "a", folder / "b", tmp_path / "file")
