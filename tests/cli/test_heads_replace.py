"""`hopfield heads replace`."""

import pytest

from hopfield.cli import main
from hopfield.errors import ArgumentError
from hopfield.heads import Corpus, probe
from hopfield.heads.replacement import load_replaced, scores
from saved_models import draw_quickly, save, save_text


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A model and text."""
    folder = tmp_path_factory.mktemp("given")
    text = save_text(folder / "text", [30 + 5 * (n % 7) for n in range(40)])
    return save(folder / "model"), text


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    draw_quickly(monkeypatch)


def replaced(given, out, *options):
    model, text = given
    command = ["heads", "replace", str(model), "--text", str(text), "--save", str(out)]
    return main([*command, *map(str, options)])


def test_a_model_becomes_smaller(given, tmp_path, capsys):
    out = tmp_path / "smaller"
    assert replaced(given, out, "--loss-budget", 0.2, "--kinds", "uniform", "zero") == 0
    said = capsys.readouterr()
    assert "of 4 heads are replaced" in said.out
    assert "nan" not in said.out
    assert "1 − cosine of the embedding" in said.out
    assert said.out.endswith(f"\n{out}\n")
    for shown in ("statistics of heads", "scoring heads", "choosing heads"):
        assert shown in said.err
    smaller = load_replaced(out)
    assert smaller.config.hopfield_replaced["heads"]
    with pytest.raises(ArgumentError, match="without replaced heads"):
        probe(smaller, None, Corpus([[1, 2, 3]], [0]))
    assert main(["heads", "probe", str(out), "--text", str(given[1]), "--out", "x"]) == 1
    assert "load_replaced loads it" in capsys.readouterr().err
    assert (out / "report.html").exists()


def test_what_was_stopped_goes_on(given, tmp_path, capsys, monkeypatch):
    out, score = tmp_path / "smaller", scores.replaced
    left = [20]

    def stopping(*what):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return score(*what)

    monkeypatch.setattr(scores, "replaced", stopping)
    options = ("--loss-budget", 0.2, "--batch-size", 2)
    assert replaced(given, out, *options) == 130
    assert "the same command goes on from there" in capsys.readouterr().err
    assert len((out / "replacement.measured.jsonl").read_text().splitlines()) == 1
    assert replaced(given, out, *options) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--loss-budget", -1), "budget is -1"),
        (("--loss-budget", 0.1, "--seed", -1), "seed is -1"),
        (("--loss-budget", 0.1, "--epochs", -1), "epochs is -1"),
        (("--loss-budget", 0.1, "--measure", "causal"), "BertModel predicts no tokens"),
        (("--loss-budget", 0.1, "--max-sequences", 3), "give more text"),
        (("--loss-budget", 1e-9), "no head fits the budget"),
    ],
)
def test_what_is_refused(given, tmp_path, capsys, options, said):
    assert replaced(given, tmp_path / "out", *options) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
