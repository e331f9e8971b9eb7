"""Looks beyond statistics, asked for by name, in a report."""

import csv
import json
from importlib import import_module
from types import SimpleNamespace

import pytest
import torch

from hopfield.errors import ArgumentError
from hopfield.heads import Corpus, Source, probe
from hopfield.heads.report import figures, files, page
from hopfield.heads.report.further import TITLES, check_names, further
from hopfield.heads.report.report import HeadReport
from hopfield.report import Figure, Section
from tiny_models import make

further_module = import_module("hopfield.heads.report.further")
MASKS = SimpleNamespace(mask_token_id=98)


def corpus():
    return Corpus([torch.randint(3, 98, (33,)).tolist() for _ in range(2)], range(2))


def ask(model, names, processor=MASKS):
    return further(names, Source("tiny", model, processor), corpus(), seed=0, progress=False)


def test_each_is_made_once_in_the_order_asked_for():
    found = ask(make("bert", "sdpa"), ["flow", "space", "flow", "gradients", "convergence"])
    assert [one.name for one in found] == ["flow", "space", "gradients", "convergence"]
    assert [one.title for one in found] == [TITLES[one.name] for one in found]
    assert all(len(one.rows) == 8 for one in found)
    assert ask(make("bert", "sdpa"), []) == []


def test_what_a_model_does_not_allow_is_said_and_the_rest_is_there():
    found = ask(make("modernbert", "sdpa"), TITLES, SimpleNamespace())
    known = {one.name: one for one in found}
    assert "no token that masks" in known["gradients"].found[0]
    assert known["flow"].found[0].startswith("Not looked at: how the layers of ModernBertModel")
    assert known["flow"].title == TITLES["flow"]
    assert known["flow"].section.title == TITLES["flow"]
    assert known["space"].rows
    assert known["convergence"].rows


def test_where_memory_is_not_enough_the_rest_is_there(monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("1 TB")

    monkeypatch.setattr(further_module, "gradients", full)
    gradients, space = ask(make("bert", "sdpa"), ["gradients", "space"])
    assert gradients.found[0].startswith("Not looked at: memory is not enough; a smaller batch")
    assert space.rows


def test_unknown_names_are_refused():
    with pytest.raises(ArgumentError, match="a look is 'paths'; choose one of 'convergence'"):
        check_names(["space", "paths"])


def test_the_report_has_their_sections_tables_and_pictures(tmp_path, monkeypatch):
    pytest.importorskip("polars")
    for name in ("overview", "places", "maps"):
        monkeypatch.setattr(figures, name, lambda statistics: {})
    monkeypatch.setattr(
        Figure, "drawn", lambda draw, caption, alt: Figure(b"a", b"b", caption, alt)
    )
    monkeypatch.setattr(page, "layer_of", lambda *_: Section("Layer"))
    model = make("bert", "sdpa")
    found = ask(model, ["convergence", "gradients"], None)  # the latter says why it is not there
    settings, sizes = {"mode": "exact", "seed": 0}, {"sequences": 2}
    statistics = probe(model, None, corpus())
    report = HeadReport(tmp_path, "tiny", statistics, settings, sizes, (), found)
    files.write(report)
    html = (tmp_path / "report.html").read_text()
    for one in found:
        assert f">{one.title}<" in html
        assert one.found[0] in str(report)
    with (tmp_path / "convergence.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["head"] for row in rows] == [str(row["head"]) for row in found[0].rows]
    assert float(rows[3]["left"]) == pytest.approx(found[0].rows[3]["left"])
    assert not (tmp_path / "gradients.csv").exists()
    for name in ("convergence_kinds", "convergence_left"):
        assert (tmp_path / "figures" / f"{name}.png").exists()
        assert (tmp_path / "figures" / f"{name}.svg").read_text().startswith("<?xml")
    told = json.loads((tmp_path / "summary.json").read_text())["analyses"]
    assert told["convergence"] == list(found[0].found)
