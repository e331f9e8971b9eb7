"""Explanations: what was planted comes first, scores are sums, each output has its own."""

import copy
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from hopfield.errors import ArgumentError
from hopfield.plot.logos import COLOUR, KINDS, logo
from hopfield.repertoire import explanation, ledger
from hopfield.repertoire.attribution import attribute
from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.dataset import RepertoireDataset
from hopfield.repertoire.explanation import explain
from hopfield.repertoire.ledger import RECEPTOR
from hopfield.repertoire.model import Architecture, RepertoireNetwork
from hopfield.repertoire.motifs import Motif
from hopfield.repertoire.repertoire import ALPHABET
from hopfield.repertoire.report.explanation import page, sections, write, write_motifs
from hopfield.repertoire.seeding import Seeds
from hopfield.repertoire.tasks import Task, Tasks


@pytest.fixture(scope="module")
def data(planted):
    return RepertoireDataset.from_repertoires(planted.repertoires, planted.metadata)


@pytest.fixture(scope="module")
def few(data):
    return data.subset(range(8))


@pytest.fixture(scope="module")
def explained(fitted, data):
    return explain(fitted, data)


def telling(*tasks, outputs):
    """A classifier as it begins, with a head at random."""
    torch.manual_seed(0)
    network = RepertoireNetwork(Architecture((), (), outputs=outputs, kernels=4, heads=2))
    torch.nn.init.normal_(network.head.weight)
    classifier = RepertoireClassifier()
    classifier.network_, classifier.tasks_, classifier.locus_ = network, Tasks(tasks), "TRB"
    classifier.seeds_ = Seeds((), ())
    return classifier


def test_what_was_planted_comes_first(explained, planted):
    truth = planted.truth.select(RECEPTOR).unique()
    first = explained.sequences.head(len(truth))
    assert len(first.join(truth, on=RECEPTOR, how="semi")) >= 0.8 * len(truth)
    assert any("SFEN" in motif.consensus for motif in explained.motifs[:3])
    assert explained.motifs[0].seed is not None


def test_sequences_have_the_form_of_the_challenge(explained, fitted, data):
    found = explained.sequences
    assert found.columns == ["junction_aa", "v_call", "j_call", "score", "rank"]
    assert found["rank"].to_list() == list(range(1, len(found) + 1))
    assert found["score"].is_sorted(descending=True)
    assert (found["score"] > 0).all()
    assert not found.select(RECEPTOR).is_duplicated().any()
    fewer = explain(fitted, data.repertoires[:4], top=7)
    assert len(fewer.sequences) == 7
    assert fewer.repertoires["repertoire_id"].to_list() == ["0", "1", "2", "3"]


def test_repertoires_are_accounted_for(explained, fitted, data):
    rows = explained.repertoires
    assert rows["repertoire_id"].to_list() == list(data.ids)
    logits = fitted.decision_function(data.repertoires)
    np.testing.assert_allclose(rows["output"], logits, atol=1e-4)
    np.testing.assert_allclose(rows["weight"], fitted.predict_proba(data)[:, 1], atol=1e-5)
    differences = (rows["output"] - rows["reference"]).abs()
    assert (rows["gap"].abs() <= pl.Series(np.maximum(0.01 * differences, 1e-3))).all()
    assert rows["receptors"].unique().to_list() == [200]
    assert rows["state_90"].is_between(1, 200).all()
    has = rows.filter(pl.Series(data.metadata["diagnosis"] == "positive"))
    assert (has["receptors_90"] < 100).all()
    assert set(rows["phase"]) <= {"fixed point", "metastable", "global"}


def test_each_repertoire_has_its_associations(explained, fitted, data):
    rows = explained.repertoires.row(1, named=True)
    own = explained.associations.filter(repertoire_id=rows["repertoire_id"])
    assert len(own) == rows["receptors_90"]
    assert own["score"].is_sorted(descending=True)
    weights = fitted.network_.log_weights(data[1])[rows["state"]].exp()
    frame = data[1].frame().with_columns(association=pl.Series(weights.double().numpy()))
    found = own.join(frame, on=RECEPTOR, maintain_order="left")
    np.testing.assert_allclose(found["association"], found["association_right"], rtol=1e-5)


def test_associations_are_bounded(fitted, few, monkeypatch):
    monkeypatch.setattr(explanation, "EACH", 2)
    found = explain(fitted, few).associations.group_by("repertoire_id").len()
    assert found["len"].max() == 2


def test_scores_are_summed_over_repertoires(fitted, data):
    one = explain(fitted, [data[1]]).sequences
    two = explain(fitted, [data[1], data[1]]).sequences
    np.testing.assert_allclose(two["score"], 2 * one["score"], rtol=1e-6)
    best = one.row(0, named=True)
    added = attribute(fitted.network_, data[1], torch.ones(1)).scores
    weight = fitted.predict_proba([data[1]])[0, 1]
    assert best["score"] == pytest.approx(added.max().item() * weight, rel=1e-4)
    frame = data[1].frame().row(int(added.argmax()), named=True)
    assert {name: best[name] for name in RECEPTOR} == {name: frame[name] for name in RECEPTOR}


def test_scores_that_are_summed_early_are_the_same(fitted, few, monkeypatch):
    late = explain(fitted, few).sequences
    monkeypatch.setattr(ledger, "PENDING", 500)
    early = explain(fitted, few).sequences
    np.testing.assert_allclose(early["score"], late["score"])


def test_the_other_class_has_the_other_sign(fitted, few):
    one, other = explain(fitted, few), explain(fitted, few, output="healthy")
    np.testing.assert_allclose(other.repertoires["output"], -one.repertoires["output"])
    np.testing.assert_allclose(other.repertoires["weight"], 1 - one.repertoires["weight"])
    assert (one.output, other.output) == ("positive", "healthy")
    assert r"speaks for \x1b[31mMS;" in str(replace(one, output="\x1b[31mMS"))


def test_a_class_of_several_is_told_above_their_mean(data):
    several = Task("kind", "multiclass", ("a", "b", "c"), (1.0, 1.0, 1.0))
    classifier = telling(several, Task("age", "regression", mean=50, spread=10), outputs=4)
    found = explain(classifier, data.repertoires[:2], output="b")
    outputs = classifier.decision_function(data.repertoires[:2])
    above = outputs[:, 1] - outputs[:, :3].mean(1)
    np.testing.assert_allclose(found.repertoires["output"], above, atol=1e-4)
    quantity = explain(classifier, data.repertoires[:2], task=1)
    ages = classifier.predict_proba(data.repertoires[:2])[1]
    np.testing.assert_allclose(quantity.repertoires["output"], ages, atol=1e-3)
    assert quantity.output == quantity.target == "age"
    added = attribute(classifier.network_, data[0], torch.eye(4)[3]).scores.max().item()
    alone = explain(classifier, [data[0]], task=1).sequences
    assert alone["score"][0] == pytest.approx(10 * added, rel=1e-4)
    with pytest.raises(ArgumentError, match="output is None; choose one of 'a', 'b', 'c'"):
        explain(classifier, data)
    with pytest.raises(ArgumentError, match="task is 2; a number below 2: 'kind', 'age'"):
        explain(classifier, data, task=2)


def test_what_cannot_be_explained_is_an_error(fitted, planted):
    with pytest.raises(ArgumentError, match="not fit"):
        explain(RepertoireClassifier(), planted.repertoires)
    with pytest.raises(ArgumentError, match="0 loci"):
        explain(fitted, [])
    with pytest.raises(ArgumentError, match="top is 0"):
        explain(fitted, planted.repertoires, top=0)


def test_where_nothing_speaks_there_is_nothing(fitted, data):
    silent = copy.deepcopy(fitted)
    torch.nn.init.zeros_(silent.network_.head.weight)
    found = explain(silent, data.repertoires[:2])
    assert len(found.sequences) == 0
    assert found.sequences.columns == [*RECEPTOR, "score", "rank"]
    assert found.motifs == ()
    assert "none of which speaks for positive" in str(found)
    assert "No motif speaks for positive" in page(found).html()


def test_pages_and_folders(explained, tmp_path):
    explained = replace(explained, motifs=explained.motifs[:1])
    best = explained.sequences["junction_aa"][0]
    names = ["sequences.tsv.gz", "sequences.associations.tsv", "sequences.html"]
    assert [path.name for path in write(explained, tmp_path / names[0])] == names
    assert set(names) == {path.name for path in tmp_path.iterdir()}
    text = (tmp_path / "sequences.html").read_text()
    assert "For research use only" in text
    assert best in text
    assert "<figure" in text
    write_motifs(explained, tmp_path / "new" / "motifs")
    made = {path.name for path in (tmp_path / "new" / "motifs").iterdir()}
    assert made == {"repertoires.tsv", "motif-1.png", "motif-1.tsv"}


def test_redacted_has_no_sequence_and_no_name(explained):
    redacted = explained.redacted()
    text = (
        page(replace(redacted, motifs=())).html() + redacted.sequences.write_csv() + str(redacted)
    )
    assert "repertoire-0" not in text
    assert not set(explained.sequences["junction_aa"]) & set(re.findall(r"\b[A-Z]+\b", text))
    assert redacted.sequences.columns == ["v_call", "j_call", "score", "rank"]
    assert "SFEN" in redacted.motifs[0].consensus
    assert redacted.motifs[0].seed is None
    assert redacted.associations.columns == ["repertoire_id", *RECEPTOR[1:], "score", "association"]
    assert set(redacted.associations["repertoire_id"]) <= set(redacted.repertoires["repertoire_id"])
    first = explained.motifs[0]
    clone = np.eye(len(ALPHABET))[np.arange(len(first.matrix))]  # one receptor of many people
    for motif in (replace(first, receptors=4.9), replace(first, matrix=clone)):
        few = replace(explained, motifs=(motif,)).redacted()
        assert few.motifs == ()
        assert "fewer than 5 receptors or more than 6 clear residues, 1 of all motifs." in str(few)
        assert "No motif is shown for positive." in sections(few)[0].paragraphs


def test_logos_show_bits_at_each_place(explained):
    motif: Motif = explained.motifs[0]
    drawn = logo(motif.matrix, motif.information, ALPHABET, "SFEN").axes[0]
    assert drawn.get_ylim()[1] >= motif.information.max()
    assert [int(tick) for tick in drawn.get_xticks()] == list(range(1, 10))
    assert "bits" in drawn.get_ylabel()
    assert sorted("".join(KINDS.values())) == list(ALPHABET)
    assert len(set(COLOUR.values())) == len(COLOUR)
