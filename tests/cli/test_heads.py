"""`hopfield heads probe` and `hopfield heads compare`."""

import shutil

import pytest

from hopfield.cli import main
from hopfield.heads import Watcher
from saved_models import draw_quickly, save, save_text


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A model and text."""
    folder = tmp_path_factory.mktemp("given")
    return save(folder / "model"), save_text(folder / "text")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    draw_quickly(monkeypatch)


def probe(model, out, *options):
    return main(["heads", "probe", str(model), "--out", str(out), *map(str, options)])


def test_probe_and_compare(given, tmp_path, capsys):
    model, text = given
    for name, seed in (("a", 1), ("b", 2)):
        options = ("--mode", "sample", "--sample", 8, "--seed", seed, "--max-sequences", 3)
        assert probe(model, tmp_path / name, "--text", text, "--dtype", "float32", *options) == 0
    said = capsys.readouterr()
    assert "4 heads in 2 layers" in said.out
    assert said.out.endswith(f"\nreport: {tmp_path / 'b' / 'report.html'}\n")
    assert "probing: 100%" in said.err
    assert "reading: " in said.err
    page = (tmp_path / "b" / "report.html").read_text("utf-8")
    assert "8 states of each sequence were looked at, chosen at random" in page
    both = [str(tmp_path / name) for name in "ab"]
    assert main(["heads", "compare", *both, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "heads are in another class in B" in said
    assert said.endswith(f"report: {tmp_path / 'out' / 'report.html'}\n")
    assert main(["heads", "compare", both[0], str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "holds no probe" in capsys.readouterr().err


def test_a_stopped_probe_goes_on(given, tmp_path, capsys, monkeypatch):
    model, text = given
    run = Watcher.run

    def stopped(self, batch):
        if self.done:
            raise KeyboardInterrupt
        return run(self, batch)

    monkeypatch.setattr(Watcher, "run", stopped)
    options = ("--text", text, "--batch-size", 2)
    assert probe(model, tmp_path / "out", *options) == 130
    assert "stopped; the same command goes on from there" in capsys.readouterr().err
    monkeypatch.setattr(Watcher, "run", run)
    assert probe(model, tmp_path / "out", *options) == 0
    assert "50%" in capsys.readouterr().err  # where it began
    assert probe(model, tmp_path / "out", *options, "--seed", 3) == 1
    assert "holds a probe with other settings (seed: 0, now 3)" in capsys.readouterr().err


def test_what_goes_wrong_is_told(given, tmp_path, capsys):
    model, text = given
    mute = tmp_path / "mute"
    shutil.copytree(model, mute)
    for file in mute.glob("token*"):
        file.unlink()
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "binary.txt").write_bytes(b"a\0b")
    (tmp_path / "latin.txt").write_bytes("Grüße".encode("latin-1"))
    (tmp_path / "nothing").mkdir()
    wrong = {
        "is no folder": (tmp_path / "missing", "--text", text),
        "holds no config.json": (tmp_path, "--text", text),
        "has no tokenizer": (mute, "--text", text),
        "dtype is 'float7'; 'auto'": (model, "--text", text, "--dtype", "float7"),
        "device is 'nowhere'": (model, "--text", text, "--device", "nowhere"),
        "is empty": (model, "--text", tmp_path / "empty.txt"),
        "is binary": (model, "--text", tmp_path / "binary.txt"),
        "is no text in UTF-8": (model, "--text", tmp_path / "latin.txt"),
        "cannot be read": (model, "--text", tmp_path / "missing.txt"),
        "holds no .txt files": (model, "--text", tmp_path / "nothing"),
        "reads text, not images": (model, "--images", text),
        "max_length=64 or less": (model, "--text", text, "--max-length", 65),
        "batch_size is 0": (model, "--text", text, "--batch-size", 0),
        "seed is -1": (model, "--text", text, "--seed", -1),
        "max_sequences is 0": (model, "--text", text, "--max-sequences", 0),
    }
    for says, (given_model, *options) in wrong.items():
        assert probe(given_model, tmp_path / "out", *options) == 1, says
        error = capsys.readouterr().err.splitlines()[-1]
        assert error.startswith("hopfield: ")
        assert says in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [[], ["--text", "a", "--images", "b"], ["--mode", "half"]])
def test_usage(options, capsys):
    with pytest.raises(SystemExit) as stopped:
        probe("model", "out", *options)
    assert stopped.value.code == 2
    assert "usage: hopfield heads probe" in capsys.readouterr().err


def test_a_missing_library_is_named_before_the_work(given, tmp_path, capsys, monkeypatch):
    model, text = given
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    assert probe(model, tmp_path / "out", "--text", text) == 1
    assert "pip install 'hopfield[heads]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
