"""The published CMV task, on made-up files of the form that Adaptive Biotechnologies hands out."""

import gzip

import pytest

from hopfield.cli import main
from hopfield.errors import ArgumentError
from hopfield.repertoire import contenders, run
from hopfield.repertoire.baselines import Confounders
from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.cmv import reproduce_cmv
from hopfield.repertoire.simulation import simulated
from hopfield.report import Figure

QUICK = {"inner_folds": 0, "classifier": RepertoireClassifier(kernels=4, heads=2, epochs=0)}
HEADER = "rearrangement\tamino_acid\tframe_type\ttemplates\tv_resolved\tj_resolved\tsample_tags"


@pytest.fixture(autouse=True)
def few(monkeypatch):
    quick = {"gapped k-mers": Confounders("V genes"), "depth alone": Confounders("depth")}
    blank = classmethod(lambda cls, draw, caption, alt: cls(b"", b"", caption, alt))
    monkeypatch.setattr(Figure, "drawn", blank)
    for module in (run, contenders):
        monkeypatch.setattr(module, "baselines", lambda *_: quick)


def write(folder, tags=True):
    """12 samples of cohort 1, 4 of cohort 2, one of neither."""
    folder.mkdir()
    names = [*(f"HIP{i:05}" for i in range(12)), *(f"Keck{i:04}_MC1" for i in range(4)), "Other1"]
    made = simulated(repertoires=len(names), sequences=20, witness=2)
    for i, (name, repertoire) in enumerate(zip(names, made.repertoires, strict=True)):
        said = f"Inferred CMV +,Cytomegalovirus {'+-'[i % 2]},{30 + i} Years,Female" * tags
        rows = [
            f"ACGT\t{junction}\tIn\t{count}\t{v}\t{j}\t{said}"
            for junction, v, j, count in repertoire.frame()
            .select("junction_aa", "v_call", "j_call", "duplicate_count")
            .iter_rows()
        ]
        text = "\n".join([HEADER, *rows]) + "\n"
        (folder / f"{name}.tsv.gz").write_bytes(gzip.compress(text.encode()))


def test_cohort_1_is_learned_from_and_cohort_2_told(tmp_path):
    write(tmp_path / "data")
    report = reproduce_cmv(tmp_path / "data", tmp_path / "run", **QUICK)
    one, data = report.validations[0], report.plan.study.data
    (split,) = one.splits
    assert [data.ids[i][:3] for i in split.train] == ["HIP"] * 12
    assert [data.ids[i][:4] for i in split.test] == ["Keck"] * 4
    assert one.target.classes == ("negative", "positive")
    assert one.target.values.tolist() == [1, 0] * 8
    assert data.metadata["age"].to_list() == [str(30 + i) for i in range(16)]
    assert set(data.metadata["sex"]) == {"female"}


def test_samples_without_a_status_are_an_error(tmp_path):
    write(tmp_path / "data", tags=False)
    with pytest.raises(ArgumentError, match="no sample HIP… with a CMV status"):
        reproduce_cmv(tmp_path / "data", tmp_path / "run", **QUICK)


def test_the_status_may_be_in_metadata_and_the_shell_says_what_was_published(tmp_path, capsys):
    write(tmp_path / "data", tags=False)
    files = sorted(path.name for path in (tmp_path / "data").glob("[HK]*"))
    rows = [f"{name}\t{i % 2}" for i, name in enumerate(files)]
    (tmp_path / "data" / "metadata.tsv").write_text("\n".join(["filename\tcmv", *rows]) + "\n")
    arguments = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "run")]
    quick = ["--inner-folds", "0", "--epochs", "0"]
    assert main(["repertoire", "reproduce", "cmv", *arguments, *quick]) == 0
    printed = capsys.readouterr().out
    assert "Not run by us" in printed
    assert "DeepRC .83" in printed
    assert "0.83" not in (tmp_path / "run" / "results.json").read_text()[:2000]
