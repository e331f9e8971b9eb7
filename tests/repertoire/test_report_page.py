"""The page of a run: its pictures, and what tells a reader how far to trust it."""

import re

import numpy as np
import polars as pl
import pytest

from hopfield.plot import evaluation
from hopfield.plot.theme import theme
from hopfield.repertoire import contenders, run
from hopfield.repertoire.baselines import Confounders
from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.dataset import RepertoireDataset
from hopfield.repertoire.report import explanation
from hopfield.repertoire.report.files import explained
from hopfield.repertoire.report.page import page
from hopfield.repertoire.simulation import simulated
from hopfield.report import Figure


@pytest.fixture(scope="module")
def sections(tmp_path_factory):
    """Of a run with two classes, three classes and a quantity."""
    made = simulated(repertoires=30, sequences=20, signal="SFEN", witness=0.3)
    metadata = made.metadata.with_columns(
        kind=pl.Series(["a", "b", "c"] * 10), amount=pl.Series(np.arange(30.0) % 11)
    )
    data = RepertoireDataset("TRB", tuple(made.repertoires), metadata, (None,) * 30)
    quick = {"gapped k-mers": Confounders("V genes"), "J genes alone": Confounders("J genes")}

    def drawn(cls, draw, caption, alt):
        """As it is, but not made into a file, which takes most of the time."""
        with theme():
            return cls(draw(), draw(), caption, alt)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "drawn", classmethod(drawn))
        for module in (run, contenders):
            patch.setattr(module, "baselines", lambda *_: quick)
        patch.setattr(run, "write", lambda report: None)
        report = run.train(
            data,
            ["diagnosis", "kind", "amount"],
            tmp_path_factory.mktemp("out") / "run",
            classifier=RepertoireClassifier(kernels=8, heads=8, queries=1, epochs=0),
            folds=2,
            inner_folds=0,
        )
        patch.setattr(explanation, "LOGOS", 0)
        made = page(report, explained(report))
        return {section.title: section for section in made.sections}


def test_every_target_has_its_pictures(sections):
    names = {
        name: [
            figure.light.axes[0].get_title()
            for figure in sections[f"{name}: all models on the same repertoires"].figures
        ]
        for name in ("diagnosis", "kind", "amount")
    }
    models = [
        row[0] for row in sections["diagnosis: all models on the same repertoires"].tables[0].rows
    ]
    reliable = [f"Reliability: {model}" for model in models]
    by_class = [f"Reliability: Hopfield pooling, {name}" for name in "abc"]
    assert names == {
        "diagnosis": ["diagnosis: all models", "ROC: diagnosis", *reliable],
        "kind": ["kind: all models", "ROC: Hopfield pooling, by class", *by_class],
        "amount": ["amount: all models", "Hopfield pooling"],
    }
    curves = sections["kind: all models on the same repertoires"].figures[1].light.axes[0]
    assert [text.get_text()[0] for text in curves.get_legend().get_texts()] == ["a", "b", "c"]


def test_models_stand_side_by_side(sections):
    for name, columns in (("diagnosis", 7), ("kind", 7), ("amount", 7)):
        table = sections[f"{name}: all models on the same repertoires"].tables[0]
        assert [row[0] for row in table.rows] == [
            "Hopfield pooling",
            "pooling, random start",
            "gapped k-mers",
            "ensemble",
            "J genes alone",
        ]
        assert len(table.columns) == columns
        assert table.rows[0][-1] == ""
        for row in table.rows[1:]:
            assert re.match(r"(0|1)\.\d{4}$|<\s0\.0001$", row[-1])


def test_a_quantity_has_its_own_words(sections):
    section = sections["amount: all models on the same repertoires"]
    assert "mean prediction of" in section.paragraphs[0]
    assert "the dotted line is the mean (0)" in section.figures[0].caption
    assert section.tables[0].decimals == 3  # a spread of 3.2
    assert "probability" not in sections["amount: Receptors"].paragraphs[0]
    assert "probability" in sections["kind, a: Receptors"].paragraphs[0]
    rests = sections["amount: On how many receptors answers rest"]
    assert "phase says on how many receptors that state rests" in rests.paragraphs[-1]


def test_what_was_not_chosen_is_not_shown(sections):
    captions = [table.caption for table in sections["Settings"].tables]
    assert captions == ["Of the run.", "Of the final model.", "Versions."]


def test_k_mers_that_chance_explains_are_marked(sections):
    tables = {
        name: sections[f"{name}: what training began at"].tables[0]
        for name in ("diagnosis", "amount")
    }
    assert tables["diagnosis"].rows[0][1:3] == ["> 50", "no"]
    assert [row[2] for row in tables["amount"].rows] == ["yes", "yes"]


def test_the_cohort_is_counted(sections):
    tables = sections["Cohort"].tables[::2]  # after each comes the same by batch
    assert [row[:3] for row in tables[1].rows] == [["a", 10, 10], ["b", 10, 10], ["c", 10, 10]]
    assert tables[2].rows[0][:3] == ["from 0 to 10", 30, 30]


def test_the_cohort_shows_age_and_sex_and_comes_first(sections):
    assert list(sections)[1:3] == ["Cohort", "Data"]
    table = sections["Cohort"].tables[0]
    assert table.columns[-2:] == ["age", "sex"]
    for *_, age, sex in table.rows:
        assert re.match(r"\d+ \(\d+ to \d+\)$", age)
        assert re.match(r"\d+ female, \d+ male$", sex)


def test_each_fold_has_all_figures_and_each_fit_its_epoch(sections):
    captions = {
        name: [table.caption for table in sections[f"{name}: folds"].tables[:3]]
        for name in ("diagnosis", "amount")
    }
    assert captions["diagnosis"] == [
        f"The {figure} in each fold." for figure in ("AUC", "PR-AUC", "Brier score")
    ]
    assert captions["amount"][0] == "The R² in each fold; below 0 it is no better than the mean."
    (fits,) = sections["How Hopfield pooling was trained"].tables
    assert [row[:3] for row in fits.rows] == [
        [name, "as given", 0] for name in ("fold 1", "fold 2", "final model")
    ]
    assert all(loss > 0 for *_, loss in fits.rows)


def test_every_curve_is_drawn_and_looks_different():
    corner = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0])
    _, *curves = evaluation.roc({f"class {i}": corner for i in range(9)}, "title").axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in curves}) == 9


def test_intervals_are_drawn_where_they_belong():
    values = np.array([0.9, np.nan])
    figure = evaluation.intervals(
        ["us", "them"], values, values - 0.1, values + 0.05, "title", "AUC", 0.5
    )
    drawn = figure.axes[0]
    assert [text.get_text() for text in drawn.get_yticklabels()] == ["us", "them"]
    np.testing.assert_allclose(drawn.collections[0].get_segments()[0], [[0.8, 0], [0.95, 0]])
