"""`hopfield repertoire predict` and `hopfield repertoire explain`."""

import re
import shutil

import polars as pl
import pytest

from hopfield.cli import main
from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.reading import write_table
from hopfield.repertoire.simulation import simulated

pytestmark = pytest.mark.filterwarnings("always::hopfield.errors.DataWarning")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A model, and a folder of files that it has not seen, one of which cannot be read."""
    made = simulated(repertoires=20, sequences=100, witness=0.1)
    classifier = RepertoireClassifier(kernels=4, heads=2, most_kmers=2, epochs=0)
    classifier.fit(made.repertoires[:16], made.metadata["diagnosis"][:16])
    folder = tmp_path_factory.mktemp("cohort")
    classifier.save(folder / "model")
    (folder / "new").mkdir()
    for name, repertoire in zip("=bcd", made.repertoires[16:], strict=True):
        write_table(repertoire.frame(), folder / "new" / f"{name}.tsv")
    (folder / "new" / "e.tsv").write_text("x\ty\n1\t2\n")
    return folder


def run(command, cohort, *options):
    arguments = [cohort / "model", cohort / "new", *options]
    return main(["repertoire", command, *map(str, arguments)])


def test_predict_writes_a_table(cohort, tmp_path, capsys):
    out = tmp_path / "predictions.tsv"
    assert run("predict", cohort, "-o", out) == 0
    said = capsys.readouterr()
    assert said.out == f"4 of 5 repertoires: {out} (for research use only)\n"
    assert "left out: 'e'" in said.err
    assert "predicting: 100%" in said.err
    table = pl.read_csv(out, separator="\t")
    assert table["repertoire_id"].to_list() == ["'=", "b", "c", "d", "e"]
    assert table["predicted: label"].to_list()[:4] == ["healthy", "positive"] * 2
    assert table["receptors"].to_list() == [100] * 4 + [None]
    assert max(map(len, re.findall(r"\d\.(\d*)", out.read_text()))) == 6


def test_explain_writes_receptors_motifs_and_a_page(cohort, tmp_path, capsys):
    out = tmp_path / "sequences.tsv"
    assert run("explain", cohort, "-o", out, "--top", 20) == 0
    said = capsys.readouterr()
    assert "motif" in said.out
    assert "SFEN" in said.out
    assert "for research use only" in said.out
    assert "explaining: 100%" in said.err
    table = pl.read_csv(out, separator="\t")
    assert table.columns == ["junction_aa", "v_call", "j_call", "score", "rank"]
    assert table["rank"].to_list() == list(range(1, 21))
    assert table["junction_aa"].str.contains("SFEN").sum() >= 16
    assert "For research use only" in (tmp_path / "sequences.html").read_text()
    table = pl.read_csv(tmp_path / "sequences.associations.tsv", separator="\t")
    assert table["association"].is_between(0, 1).all()


def test_explain_without_sequences_and_names(cohort, tmp_path, capsys):
    out, folder = tmp_path / "sequences.tsv", tmp_path / "motifs"
    assert run("explain", cohort, "-o", out, "--motifs", folder, "--redact") == 0
    assert "junction_aa" not in pl.read_csv(out, separator="\t").columns
    rows = pl.read_csv(folder / "repertoires.tsv", separator="\t")
    assert rows["repertoire_id"].to_list() == [1, 2, 3, 4]
    assert (folder / "motif-1.png").stat().st_size > 1000
    assert "junction_aa" not in (tmp_path / "sequences.associations.tsv").read_text()
    assert run("explain", cohort, "-o", out, "--motifs", out) == 1  # before the work
    assert "is a file; a folder, new or there already, is expected" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["predict", "explain"])
def test_what_goes_wrong_is_told(command, cohort, tmp_path, capsys):
    out = tmp_path / "out.tsv"
    assert run(command, cohort, "-o", out, "--strict") == 1
    assert "no known format" in capsys.readouterr().err
    assert main(["repertoire", command, str(tmp_path), str(cohort / "new"), "-o", str(out)]) == 1
    assert "holds no model" in capsys.readouterr().err
    assert not out.exists()
    with pytest.raises(SystemExit):
        main(["repertoire", command, "--help"])
    assert "for research use only" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("command", ["check", "predict", "explain"])
@pytest.mark.parametrize("name", ["metadata.tsv", "=.tsv", "e.tsv"])
def test_what_is_read_is_not_written_over(command, name, cohort, tmp_path, capsys):
    folder = tmp_path / "new"
    shutil.copytree(cohort / "new", folder)
    (folder / "metadata.tsv").write_text("file\n=.tsv\ne.tsv\n")
    before = (folder / name).read_bytes()
    inputs = [folder] if command == "check" else [cohort / "model", folder]
    assert main(["repertoire", command, *map(str, inputs), "-o", str(folder / name)]) == 1
    assert "is what is read here; write to another file" in capsys.readouterr().err
    assert (folder / name).read_bytes() == before


@pytest.mark.parametrize("command", ["check", "predict", "explain"])
def test_where_nothing_can_be_written_is_told_before_the_work(command, tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    wrong = {"none/out.tsv": "there is no folder", "folder": "is a folder"}
    inputs = ["nowhere.tsv"] if command == "check" else ["no model", "nowhere.tsv"]
    for out, says in wrong.items():
        assert main(["repertoire", command, *inputs, "-o", str(tmp_path / out)]) == 1
        assert says in capsys.readouterr().err


def test_targets_and_classes_that_there_are(cohort, tmp_path, capsys):
    out = tmp_path / "out.tsv"
    assert run("explain", cohort, "-o", out, "--target", "age") == 1
    assert "--target is 'age'; choose one of 'label'" in capsys.readouterr().err
    assert run("explain", cohort, "-o", out, "--class", "MS") == 1
    assert "output is 'MS'; choose one of 'healthy', 'positive'" in capsys.readouterr().err
    assert run("explain", cohort, "-o", out, "--target", "label", "--class", "healthy") == 0
    assert "speaks for healthy" in capsys.readouterr().out
