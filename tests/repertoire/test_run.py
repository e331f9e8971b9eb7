"""`train` from data to files: nothing leaks, what was stopped goes on, what is redacted is gone."""

import json
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from hopfield.cli import main
from hopfield.errors import ArgumentError
from hopfield.repertoire import contenders, run
from hopfield.repertoire.baselines import (
    BASELINES,
    Confounders,
    KmerRegression,
    MinMaxSVM,
    PublicClones,
)
from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.contenders import POOLING, Pooling, candidates_of
from hopfield.repertoire.dataset import RepertoireDataset
from hopfield.repertoire.plan import plan, shuffled
from hopfield.repertoire.repertoire import ALPHABET, Repertoire
from hopfield.repertoire.run import train
from hopfield.repertoire.simulation import simulate, simulated
from hopfield.repertoire.targets import Target
from hopfield.report import Figure

SMALL = {"kernels": 4, "heads": 2, "queries": 1, "v_size": 0, "j_size": 0, "epochs": 0}
FEW = 42


@pytest.fixture(scope="module")
def data():
    made = simulated(
        repertoires=FEW, sequences=20, signal="SFEN", witness=0.3, batches=2, subjects=32
    )
    metadata = made.metadata.with_columns(
        other=pl.Series(["no", "yes", None, "yes", "no", "no"] * (FEW // 6)),
    )
    nothing = (None,) * FEW
    return RepertoireDataset(made.repertoires[0].locus, tuple(made.repertoires), metadata, nothing)


@pytest.fixture
def few(monkeypatch):
    """Two baselines that take no time, a confounder called k-mers and another; no pictures."""

    def two(features, target, seed=0):
        quick = {"gapped k-mers": Confounders("V genes", seed), "sex alone": Confounders("sex")}
        for model in quick.values():
            model.grid = model.grid[:1]
        return quick

    blank = classmethod(lambda cls, draw, caption, alt: cls(b"", b"", caption, alt))
    monkeypatch.setattr(Figure, "drawn", blank)
    for module in (run, contenders):
        monkeypatch.setattr(module, "baselines", two)


def small(data, out, label="diagnosis", **how):
    how = {"inner_folds": 0, "folds": 2, "batch": None} | how
    return train(data, label, out, classifier=RepertoireClassifier(**SMALL), **how)


def test_all_is_told_by_models_that_did_not_see_it(data, few, tmp_path, monkeypatch):
    fits, fit = [], Pooling.fit

    def noted(self, study, rows, *rest):
        fits.append(rows)
        return fit(self, study, rows, *rest)

    monkeypatch.setattr(Pooling, "fit", noted)
    report = small(data, tmp_path / "run", inner_folds=2, candidates=({}, {"most_kmers": 2}))
    subjects = data.metadata["subject_id"].to_numpy()
    first, second = report.plan.splits
    for split in (first, second):
        assert not {*subjects[split.train]} & {*subjects[split.test]}
    learned = [set(rows.tolist()) for rows in fits]
    search = 2 * 2  # candidates, inner folds
    for number, split in enumerate((first, second)):
        own = learned[number * (search + 1) :][: search + 1]
        assert all(rows < {*split.train} for rows in own[:search])
        assert own[search] == {*split.train}
    assert len(learned[-1]) == FEW
    assert len(learned) == 2 * (search + 1) + 2 + search + 1  # the random starts, the final model
    one = report.validations[0]
    assert sorted([*first.test, *second.test]) == list(range(FEW))
    assert list(one.metrics) == [
        POOLING,
        "pooling, random start",
        "gapped k-mers",
        "ensemble",
        "sex alone",
    ]
    assert set(report.chosen) == {"fold 1", "fold 2", "final model"}


@pytest.mark.parametrize(("most", "fewer"), [(32, 8), (4, 1), (1, 1)])
def test_candidates_are_fewer_k_mers_or_a_higher_rate_than_what_was_typed(most, fewer):
    classifier = RepertoireClassifier(most_kmers=most, learning_rate=1e-4)
    assert candidates_of(classifier) == (
        {},
        {"most_kmers": fewer},
        {"learning_rate": pytest.approx(3e-4)},
    )


def test_labels_of_the_test_repertoires_change_no_prediction(data, tmp_path, monkeypatch):
    for model in (KmerRegression, MinMaxSVM, PublicClones, Confounders):
        monkeypatch.setattr(model, "grid", model.grid[:2])
    monkeypatch.setattr(run, "write", lambda report: None)
    split = pl.Series("set", ["train"] * 32 + ["test"] * 10)
    labels = data.metadata["diagnosis"].to_list()
    other = [*labels[:32], *labels[:31:-1]]
    assert other != labels
    told = []
    for number, column in enumerate((labels, other)):
        metadata = data.metadata.with_columns(split, diagnosis=pl.Series(column))
        one = replace(data, metadata=metadata)
        report = small(one, tmp_path / str(number), split="set", subject=None)
        told.append(report.validations[0].predictions)
    assert {*BASELINES, POOLING, "all confounders"} < set(told[0])
    for model in told[0]:
        np.testing.assert_array_equal(told[0][model], told[1][model])


def test_what_was_stopped_goes_on(data, few, tmp_path, monkeypatch):
    fit, fits = Pooling.fit, []

    def stopped(self, *arguments):
        fits.append(self.name)
        if len(fits) == 2:
            raise KeyboardInterrupt
        return fit(self, *arguments)

    monkeypatch.setattr(Pooling, "fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        small(data, tmp_path / "stopped")
    resumed = small(data, tmp_path / "stopped")
    assert len(fits) == 1 + 1 + 4  # the first fold is not fit again; the final model comes last
    small(data, tmp_path / "whole")
    for name in ("predictions.tsv", "model/model.safetensors"):
        there = [(tmp_path / run / name).read_bytes() for run in ("stopped", "whole")]
        assert there[0] == there[1]
    made = len(fits)
    again = small(data, tmp_path / "stopped")
    assert len(fits) == made
    assert again.validations[0].findings() == resumed.validations[0].findings()
    with pytest.raises(ArgumentError, match="seed: 0, now 1"):
        small(data, tmp_path / "stopped", seed=1)
    older = replace(data, metadata=data.metadata.with_columns(age=pl.col("age") + 1))
    with pytest.raises(ArgumentError, match=r"settings \(metadata"):
        small(older, tmp_path / "stopped")


def test_files_of_a_run(data, few, tmp_path):
    lanes = pl.Series("lane", ["1"] * (FEW - 2) + ["2"] * 2)  # too few to learn from
    known = replace(data, metadata=data.metadata.with_columns(lanes))
    report = small(known, tmp_path / "run", batch="lane")
    out = tmp_path / "run"
    page = (out / "report.html").read_text()
    for what in (
        "For research use only",
        "1 of 2 batches left out",
        "ROC",
        "predicted probability",
        "subject_id",
    ):
        assert what in page
    table = pl.read_csv(out / "predictions.tsv", separator="\t")
    assert table["repertoire_id"].to_list() == list(data.ids)
    own = report.validations[0].predictions[POOLING]
    np.testing.assert_allclose(table[f"diagnosis: {POOLING}"], own[:, 1])
    figures = json.loads((out / "results.json").read_text())["targets"][0]
    auc = figures["splits"][POOLING]["metrics"]["pooled"]["auc"]["value"]
    assert auc == report.validations[0].headline(POOLING).value
    assert set(figures["batches"]) < set(figures["splits"])
    ranked = pl.read_csv(out / "sequences.tsv", separator="\t")
    assert ranked["rank"][0] == 1
    assert set(ranked["output"]) == {"positive"}
    assert ranked["junction_aa"][0] in page
    model = RepertoireClassifier.load(out / "model")
    assert model.digest_ == data.digest
    assert str(report).startswith(f"diagnosis of {FEW} repertoires, each predicted by models")
    assert f"\n{POOLING}  " in str(report)
    assert all(note in str(report) for note in report.plan.notes)
    assert "With 1 of 2 batches left out, one at a time, the AUC of" in str(report)
    assert str(out / "report.html") in str(report)


def test_files_name_nobody_if_redacted_escape_what_metadata_says_and_tell_of_shuffles(
    data, few, tmp_path
):
    names = data.metadata["diagnosis"].replace("positive", "<script>alert(1)</script>")
    evil = replace(data, metadata=data.metadata.with_columns(names))
    report = small(evil, tmp_path / "run", redact=True, shuffle_labels=3)
    for path in (tmp_path / "run").glob("*.*"):
        text = path.read_text()
        assert "repertoire-0" not in text
        assert "subject-0" not in text
    assert not (tmp_path / "run" / "data.tsv").exists()
    assert not (tmp_path / "run" / "sequences.tsv").exists()
    page = (tmp_path / "run" / "report.html").read_text()
    assert report.explanations[0].sequences["junction_aa"][0] not in page
    assert "This report is redacted" in page
    assert "Nothing else was dropped" not in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "LABELS ARE SHUFFLED" in page
    assert "LABELS ARE SHUFFLED" in str(report)
    with pytest.raises(ArgumentError, match="redact: true, now false"):
        small(evil, tmp_path / "run", shuffle_labels=3)


def test_the_weights_of_a_redacted_model_show_no_public_clone(data, few, tmp_path):
    clone = "CASSWHYMKQDTEAFF"
    row = pl.DataFrame({"junction_aa": [clone], "v_call": ["TRBV2"], "j_call": ["TRBJ1-1"]})
    carriers = data.metadata["diagnosis"] == "positive"
    repertoires = [
        Repertoire.from_frame("TRB", pl.concat([one.frame(), row], how="diagonal").fill_null(1))
        if carries
        else one
        for one, carries in zip(data, carriers, strict=True)
    ]
    planted = RepertoireDataset.from_repertoires(repertoires, data.metadata)
    for name, redact in (("open", False), ("redacted", True)):
        small(planted, tmp_path / name, redact=redact)
        model = RepertoireClassifier.load(tmp_path / name / "model")
        best = model.network_.junctions.weight[:, : len(ALPHABET)].argmax(1)
        shown = ["".join(ALPHABET[i] for i in kernel) for kernel in best.tolist()]
        assert any(kernel in clone for kernel in shown) is not redact
        assert (clone in (tmp_path / name / "model" / "model.json").read_text()) is not redact


@pytest.mark.parametrize("change", ["removed", "emptied", "another"])
def test_a_model_that_was_changed_is_made_again(data, few, tmp_path, change):
    folder = tmp_path / "run" / "model"
    report = small(data, tmp_path / "run")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    if change == "removed":
        shutil.rmtree(folder)
    elif change == "emptied":
        (folder / "model.safetensors").write_bytes(b"")
    else:
        other = RepertoireClassifier(**SMALL, seed=9).fit(data, data.target("diagnosis"))
        other.save(folder)
    again = small(data, tmp_path / "run")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    assert again.explanations[0].sequences.equals(report.explanations[0].sequences)


def test_several_labels_are_judged_each_by_itself(data, few, tmp_path):
    report = small(data, tmp_path / "run", label=["diagnosis", "other"])
    first, second = report.validations
    assert [first.target.name, second.target.name] == ["diagnosis", "other"]
    assert first.metrics[POOLING].pooled.repertoires == FEW
    assert second.metrics[POOLING].pooled.repertoires == second.target.labelled.sum() == 35
    assert not np.isnan(second.predictions[POOLING]).any()


def test_repertoires_without_a_label_are_left_out_and_told(data):
    planned = plan(data, "other", folds=2)
    assert len(planned.study.data) == 35
    assert planned.notes[0] == "7 repertoires have no label and are left out."


def test_words_among_ages_stop_nothing_and_are_said(data):
    ages = pl.Series("age", [">80", "forty", *["50"] * (FEW - 2)])
    planned = plan(replace(data, metadata=data.metadata.with_columns(ages)), "diagnosis")
    assert planned.study.features.confounders["age"][:2].tolist() == [
        [80, 0],
        [pytest.approx(50 + 30 / 41), 1],
    ]
    assert [note.rsplit(", ", 1)[0] for note in planned.notes[-2:]] == [
        "Column 'age': of cells such as '>89' the number is taken",
        "Column 'age': what is no number is taken for missing",
    ]


def test_shuffled_labels_stay_together_and_are_said():
    first = Target("a", "binary", np.tile([0.0, 1.0, np.nan], 10), ("n", "y"))
    second = Target("b", "regression", np.arange(30.0), ())
    one, two = shuffled([first, second], 0)
    np.testing.assert_array_equal(one.values, first.values[two.values.astype(int)])
    assert not np.array_equal(two.values, second.values)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"folds": 1}, "folds is 1"),
        ({"inner_folds": 1}, "inner_folds is 1"),
        ({"subject": "nobody"}, "nobody"),
        ({"split": "sex"}, "'train' and 'test' are expected"),
        ({"label": "nothing"}, "no column 'nothing'"),
        ({"label": ["diagnosis", "diagnosis"]}, "named twice"),
        ({"seed": -1}, "seed is -1"),
        ({"shuffle_labels": -1}, "shuffle_labels is -1"),
        ({"seed": 2**32}, "seed is 4294967296"),
    ],
)
def test_bad_settings(data, tmp_path, how, message):
    with pytest.raises(ArgumentError, match=message):
        small(data, tmp_path / "run", **how)
    assert not (tmp_path / "run").exists()


def test_from_the_shell(few, tmp_path, capsys):
    metadata = simulate(tmp_path / "cohort", repertoires=16, sequences=30, witness=0.2)
    arguments = [
        "--metadata",
        str(metadata),
        *("--label", "diagnosis", "--label", "sex"),
        "--out",
        str(tmp_path / "run"),
    ]
    quick = ["--inner-folds", "0", "--epochs", "0", "--folds", "2", "--no-batch"]
    assert main(["repertoire", "train", *arguments, *quick]) == 0
    printed = capsys.readouterr()
    assert "diagnosis of 16 repertoires" in printed.out
    assert "sex of 16 repertoires" in printed.out
    assert "fold 2: gapped k-mers" in printed.err
    assert "rows read" in (tmp_path / "run" / "report.html").read_text()
