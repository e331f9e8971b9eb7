"""The command line, and the demonstration that it runs."""

import subprocess
import sys

import pytest
import torch

import hopfield.demo.page as page
from hopfield import demo as demo_module
from hopfield.cli import main
from hopfield.demo import digits, experiments


@pytest.fixture
def small(monkeypatch):
    """A demonstration of a few digits."""
    load = digits.load_digits

    def few(seed):
        data = load(seed)
        fields = ("stored", "stored_label", "pixels")
        cut = {name: getattr(data, name)[:400] for name in fields}
        tests = {name: getattr(data, name)[:40] for name in ("test_pixels", "test_label")}
        return digits.Digits(**cut, **tests, mean=data.mean)

    sweep = torch.logspace(0, 3, 4)
    monkeypatch.setattr(page, "load_digits", few)
    monkeypatch.setattr(page, "SWEEP", sweep)
    monkeypatch.setattr(experiments, "SWEEP", sweep)
    monkeypatch.setattr(page, "FOLLOWED", 60)


def test_demo_writes_what_it_says(small, tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "new" / "demo"), "--seed", "3"]) == 0
    printed = capsys.readouterr()
    assert "pixel error: retrieval" in printed.out
    assert "digits: 100%" in printed.err
    made = {path.name for path in (tmp_path / "new" / "demo").iterdir()}
    pictures = ("completed", "energy", "phases", "through_beta", "jacobian", "one_update", "bound")
    assert made == {"report.html", *(f"{name}.png" for name in pictures)}


def test_demo_finds_what_the_theory_says(small, tmp_path):
    rows = dict(demo_module.demo(tmp_path).rows)
    assert rows["pixel error: retrieval"] < rows["pixel error: mean image"]
    assert rows["largest rise of energy in an update"] < 1e-6
    assert rows["at that β, largest error as a share of its bound"] <= 1
    retrieved = rows["at that β, retrieved from noise in ONE update"]
    assert retrieved >= rows["at that β, guaranteed to be stored"]


def test_the_same_seed_gives_the_same_figures(small, tmp_path):
    first, again = (demo_module.demo(tmp_path / name, seed=1).rows for name in ("a", "b"))
    assert first == again
    assert (tmp_path / "a" / "phases.png").read_bytes() == (
        tmp_path / "b" / "phases.png"
    ).read_bytes()


def test_a_file_where_the_folder_should_be(tmp_path, capsys):
    (tmp_path / "taken").write_text("")
    assert main(["demo", "--out", str(tmp_path / "taken")]) == 1
    assert capsys.readouterr().err.startswith("hopfield: ")


@pytest.mark.parametrize("library", ["sklearn", "matplotlib"])
def test_a_missing_library_is_named_with_its_extra(library, tmp_path, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    assert main(["demo", "--out", str(tmp_path)]) == 1
    extra = {"sklearn": "learn", "matplotlib": "plot,learn"}[library]
    assert f"pip install 'hopfield[{extra}]'" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["nonsense"], 2), (["--help"], 0)])
def test_usage(arguments, code):
    done = subprocess.run(
        [sys.executable, "-m", "hopfield", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert "usage: hopfield" in done.stdout + done.stderr


def test_an_interrupt_ends_without_a_traceback(tmp_path, capsys, monkeypatch):
    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("hopfield.demo.demo", interrupted)
    assert main(["demo", "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "hopfield: stopped\n"
    monkeypatch.setattr("hopfield.repertoire.cmv.reproduce_cmv", interrupted)
    assert main(["repertoire", "reproduce", "cmv", "--data", "in", "--out", "out"]) == 130
    assert capsys.readouterr().err == "hopfield: stopped; the same command goes on from there\n"


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_out_of_range(seed, tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "out"), f"--seed={seed}"]) == 1
    assert "seed is" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
