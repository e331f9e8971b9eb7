"""`predict`: what a model says of files, and what is wrong with them."""

import shutil

import numpy as np
import polars as pl
import pytest
import torch

from hopfield.errors import DataWarning, FileError
from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.dataset import RepertoireDataset
from hopfield.repertoire.prediction import predict
from hopfield.repertoire.reading import write_table
from hopfield.repertoire.repertoire import Repertoire
from hopfield.repertoire.tasks import Task, Tasks


@pytest.fixture
def folder(planted, tmp_path):
    """Files of six repertoires, of which the last cannot be used."""
    for name, repertoire in zip("abcde", planted.repertoires, strict=False):
        write_table(repertoire.frame(), tmp_path / f"{name}.tsv.gz")
    (tmp_path / "f.tsv").write_text("x\ty\n1\t2\n")
    return tmp_path


def test_repertoires_are_told_as_by_the_classifier(fitted, planted, folder, tmp_path_factory):
    model = fitted.save(tmp_path_factory.mktemp("model"))
    with pytest.warns(DataWarning, match="1 of 6 repertoires are left out: 'f'"):
        found = predict(model, folder)
    assert found["repertoire_id"].to_list() == list("abcdef")
    probabilities = fitted.predict_proba(planted.repertoires[:5])
    name = fitted.tasks_.tasks[0].name
    columns = [f"{name}: {c}" for c in fitted.classes_]
    np.testing.assert_allclose(found.select(columns).head(5), probabilities, atol=1e-5)
    expected = fitted.predict(planted.repertoires[:5]).tolist()
    assert found[f"predicted: {name}"].to_list() == [*expected, None]
    assert found["receptors"].to_list() == [200] * 5 + [None]
    assert "no known format" in found["notes"][5]
    assert found["notes"].head(5).is_null().all()


def test_one_file_and_repertoires_in_memory(fitted, planted, folder):
    shutil.copy(folder / "a.tsv.gz", folder / "copy.tsv.gz")  # no warning: nothing is learned
    (folder / "f.tsv").unlink()
    assert len(predict(fitted, folder)) == 6
    data = RepertoireDataset.from_repertoires(planted.repertoires[:1])
    one, same = predict(fitted, folder / "a.tsv.gz"), predict(fitted, data)
    assert one["repertoire_id"].to_list() == ["a"]
    assert one.drop("repertoire_id").equals(same.drop("repertoire_id"))
    assert one.schema["notes"] == pl.String


def test_strict_and_other_loci_are_errors(fitted, folder):
    with pytest.raises(FileError, match="no known format"):
        predict(fitted, folder, strict=True)
    with pytest.raises(FileError, match="TRA"):
        predict(fitted, folder / "a.tsv.gz", locus="TRA")


def test_what_is_odd_is_noted(fitted, planted, tmp_path):
    frame = planted.repertoires[0].frame().with_columns(v_call=pl.lit("TRBV29-1"))
    bad = pl.DataFrame({"junction_aa": ["CAS*F"], "v_call": "", "j_call": "", "duplicate_count": 1})
    both = pl.concat([frame, bad], how="vertical_relaxed")
    write_table(both, tmp_path / "a.tsv")
    network = fitted.network_
    known = network.architecture.v_genes
    assert "TRBV29-1" in known
    (dropped,) = predict(fitted, tmp_path / "a.tsv")["notes"]
    assert dropped.startswith("dropped: ")
    assert "unknown to the model" not in dropped
    strange = RepertoireDataset.from_repertoires(
        [Repertoire.from_frame("TRB", frame.with_columns(v_call=pl.lit("TRBV99-1")))]
    )
    (note,) = predict(fitted, strange)["notes"]
    assert note.endswith("100% of the receptors have V genes unknown to the model")


@pytest.mark.parametrize(("rows", "noted"), [(1, True), (99, True), (100, False), (200, False)])
def test_a_repertoire_of_another_depth_is_noted(fitted, planted, rows, noted):
    assert fitted.depths_ == (200, 200)
    some = Repertoire.from_frame("TRB", planted.repertoires[0].frame().head(rows))
    (note,) = predict(fitted, RepertoireDataset.from_repertoires([some]))["notes"]
    wanted = f"{rows} receptors, where the model learned from 200 to 200 each"
    assert note == (wanted if noted else None)


def test_several_targets_have_columns_of_their_own(fitted, planted):
    from hopfield.repertoire.model import Architecture, RepertoireNetwork

    classifier = RepertoireClassifier()
    network = RepertoireNetwork(Architecture((), (), outputs=4, kernels=2, heads=1))
    torch.nn.init.normal_(network.head.weight)
    several = Task("kind", "multiclass", ("a", "b", "c"), (1.0, 1.0, 1.0))
    classifier.network_, classifier.locus_, classifier.depths_ = network, "TRB", (200, 200)
    classifier.tasks_ = Tasks((several, Task("age", "regression", mean=50, spread=10)))
    found = predict(classifier, RepertoireDataset.from_repertoires(planted.repertoires[:2]))
    names = ["predicted: kind", "kind: a", "kind: b", "kind: c", "predicted: age"]
    assert found.columns == ["repertoire_id", *names, "receptors", "notes"]
    kinds, ages = classifier.predict_proba(planted.repertoires[:2])
    np.testing.assert_allclose(found.select(names[1:4]), kinds, atol=1e-6)
    np.testing.assert_allclose(found["predicted: age"], ages, atol=1e-5)
