"""`hopfield memory`: the memory from the shell."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import torch

from hopfield.cli import main
from hopfield.memory import Memory

FORMATS = [".npy", ".safetensors", ".parquet"]


@pytest.fixture
def x():
    drawn = torch.randn(300, 8, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.normalize(drawn)


@pytest.fixture
def folder(tmp_path, x, monkeypatch):
    """A folder with vectors in all formats, which are larger than a batch."""
    monkeypatch.setattr("hopfield.memory.files.adding.NUMBERS_AT_ONCE", 8 * 64)
    monkeypatch.setattr("hopfield.memory.files.retrieving.STATES_AT_ONCE", 64)
    folder = tmp_path / "Größe ξ"
    folder.mkdir()
    save(folder, "x", x)
    save(folder, "few", x[:3].double())
    return folder


def save(folder, name, tensor):
    np.save(folder / f"{name}.npy", tensor.numpy())
    safetensors.torch.save_file({"x": tensor.contiguous()}, folder / f"{name}.safetensors")
    lists = pa.FixedSizeListArray.from_arrays(pa.array(tensor.flatten().numpy()), tensor.shape[1])
    pq.write_table(pa.table({"x": lists}), folder / f"{name}.parquet")


def memory(*arguments):
    return main(["memory", *map(str, arguments)])


def printed(capsys, *arguments, status=0):
    """The JSON object that a command prints."""
    assert memory(*arguments, "--json") == status
    return json.loads(capsys.readouterr().out)


def loaded(path, name="state"):
    """A result in a file."""
    if path.suffix == ".npy":
        own = path if name == "state" else path.with_suffix(f".{name}.npy")
        return torch.from_numpy(np.load(own))
    if path.suffix == ".safetensors":
        return safetensors.torch.load_file(path)[name]
    return torch.tensor(pq.read_table(path).to_pydict()[name])


@pytest.mark.parametrize("ending", FORMATS)
def test_from_creating_to_compacting(ending, folder, x, capsys):
    path, file, out = folder / "memory", folder / f"x{ending}", folder / f"out{ending}"
    assert memory("create", path, "--dim", 8, "--beta", 2, "--dtype", "float32") == 0
    assert "patterns    0 of width 8, float32" in capsys.readouterr().out
    assert memory("add", path, file) == 0
    said = capsys.readouterr()
    assert said.out == "added 300 patterns, ids from 0 to 299; 300 in all\n"
    assert "checking: 100%" in said.err
    assert "adding: 100%" in said.err
    options = ("--steps", 50, "--tol", 1e-4, "--k", 2, "--out", out)
    assert memory("retrieve", path, file, *options) == 0
    said = capsys.readouterr()
    assert said.out.startswith("300 states, at most ")
    assert "300 converged" in said.out
    assert "retrieving: 100%" in said.err
    whole = Memory.open(path)
    expected = whole.retrieve(x, steps=50, tol=1e-4)
    assert torch.allclose(loaded(out), expected.state, atol=1e-5)
    assert torch.equal(loaded(out, "steps"), expected.steps)
    assert torch.equal(loaded(out, "converged"), expected.converged)
    heaviest = whole.associate(expected.state, 2)
    assert torch.equal(loaded(out, "ids"), heaviest.ids)
    assert torch.allclose(loaded(out, "weights"), heaviest.weights, atol=1e-5)
    assert memory("remove", path, 3, 4) == 0
    assert capsys.readouterr().out == "removed 2 patterns; 298 are left\n"
    assert memory("compact", path) == 0
    said = capsys.readouterr()
    assert "segments: 0 before, 1 after\nremoved: 2 before, 0 after\n" in said.out
    assert "compacting: 100%" in said.err
    assert memory("check", path) == 0
    said = capsys.readouterr()
    assert "all as they were written" in said.out
    assert "checking: 100%" in said.err
    assert memory("info", path) == 0
    assert "patterns    298 of width 8" in capsys.readouterr().out


def test_few_states_are_printed_one_by_one(folder, capsys):
    path = folder / "memory"
    assert memory("create", path, "--from", folder / "x.npy", "--beta", 200) == 0
    capsys.readouterr()
    assert memory("retrieve", path, folder / "few.npy", "--steps", 9, "--tol", 1e-3, "--k", 2) == 0
    head, names, *rows = capsys.readouterr().out.splitlines()
    assert head.startswith("3 states, at most ")
    assert names.split() == ["steps", "converged", "change", "ids", "weights", "left_out"]
    assert [row.split()[0] for row in rows] == ["0", "1", "2"]
    assert rows[1].split()[2] == "yes"
    assert rows[1].split()[4] == "1"


def test_all_is_printed_as_json(folder, capsys):
    path, few = folder / "memory", folder / "few.safetensors"
    made = printed(
        *(capsys, "create", path, "--from", folder / "x.parquet", "--separation", "topk:5"),
        *("--similarity", "cosine", "--dtype", "bfloat16", "--beta", "auto"),
    )
    assert made["patterns"] == 300
    assert made["beta"] is None
    assert (made["separation"], made["similarity"]) == ("topk:5", "cosine")
    assert (made["dtype"], made["values"], made["index"]) == ("bfloat16", None, False)
    found = printed(capsys, "retrieve", path, few)
    assert [row["ids"] for row in found["rows"]] == [[0], [1], [2]]
    assert {**found, "rows": []} == {
        **{"states": 3, "steps": 1, "converged": None, "bound": None, "files": [], "rows": []}
    }
    assert printed(capsys, "retrieve", path, folder / "x.npy")["rows"] == []
    info = printed(capsys, "info", path)
    assert info["beta"] > 0
    assert info["bytes"] == printed(capsys, "check", path)["bytes"] > 0
    assert printed(capsys, "remove", path, 7) == {"removed": 1, "patterns": 299}
    compacted = printed(capsys, "compact", path)
    assert (compacted["before"]["removed"], compacted["after"]["removed"]) == (1, 0)
    added = printed(capsys, "add", path, folder / "few.npy", folder / "few.parquet")
    assert added == {"added": 6, "first_id": 300, "last_id": 305, "patterns": 305}
    wrong = printed(capsys, "remove", path, 7, status=1)
    assert wrong["error"] == "ArgumentError"
    assert "ids (7)" in wrong["message"]


def test_labels_and_ids(folder, x, capsys):
    path, file, few = folder / "memory", folder / "all.parquet", folder / "few.npy"
    table = pq.read_table(folder / "x.parquet")
    labels, ids = pa.array([n % 3 for n in range(300)]), pa.array(range(1000, 1300))
    pq.write_table(table.append_column("label", labels).append_column("id", ids), file)
    options = ("--values", "label", "--ids", "id", "--beta", 200)
    assert printed(capsys, "create", path, "--from", file, *options)["values"] == "labels"
    rows = printed(capsys, "retrieve", path, few)["rows"]
    assert [row["labels"] for row in rows] == [0, 1, 2]
    assert [row["ids"] for row in rows] == [[1000], [1001], [1002]]
    for ending in FORMATS:
        out = folder / f"out{ending}"
        assert memory("retrieve", path, few, "--out", out) == 0
        found = loaded(out) if ending == ".npy" else loaded(out, "labels")
        assert found.tolist() == [0, 1, 2]
    np.save(folder / "ids.npy", np.arange(1290, 1300))
    np.save(folder / "values.npy", x[:, :2].numpy())
    capsys.readouterr()
    removed = printed(capsys, "remove", path, "--ids", folder / "ids.npy")
    assert removed == {"removed": 10, "patterns": 290}
    wrong = ("add", path, folder / "x.npy", "--values", folder / "values.npy")
    assert "values of shape (2,)" in printed(capsys, *wrong, status=1)["message"]


@pytest.mark.parametrize("scan", ["exact", "int8"])
def test_vectors_are_read_out(scan, folder, x, capsys):
    path, out = folder / "memory", folder / "out.safetensors"
    np.save(folder / "values.npy", x[:, :2].numpy())
    options = ("--values", folder / "values.npy", "--scan", scan)
    assert printed(capsys, "create", path, "--from", folder / "x.npy", *options)["values"] == 2
    found = printed(capsys, "retrieve", path, folder / "x.npy", "--out", out)
    assert found["files"] == [str(out)]
    assert (found["bound"] is None) == (scan == "exact")
    assert loaded(out, "readout").shape == (300, 2)
    assert memory("retrieve", path, out, "--column", "state") == 0


def test_what_goes_wrong_is_told(folder, x, capsys):
    path, file = folder / "memory", folder / "x.npy"
    assert memory("create", path, "--from", file) == 0
    bad = x.clone()
    bad[130, 3] = torch.nan
    save(folder, "nan", bad)
    save(folder, "narrow", x[:, :4])
    np.save(folder / "ids.npy", np.arange(300) // 2 + 500)
    np.save(folder / "line.npy", np.zeros(8))
    np.save(folder / "long.npy", np.full((3, 8), 1e300))
    np.save(folder / "x.ids.npy", x.numpy())
    (folder / "empty.npy").touch()
    (folder / "folder.npy").mkdir()
    (folder / "table.csv").touch()
    before = file.read_bytes()
    wrong = {
        "in 1 of 64 vectors": ("add", path, folder / "nan.npy"),
        "nan.parquet, rows 128 to 191": ("add", path, folder / "nan.parquet"),
        "this memory holds patterns of width 8": ("add", path, folder / "narrow.npy"),
        "32 ids (500, 501": ("add", path, file, "--ids", folder / "ids.npy"),
        "it has float64 (8,)": ("add", path, folder / "line.npy"),
        "empty.npy is damaged": ("add", path, folder / "empty.npy"),
        "folder.npy: Is a directory": ("add", path, folder / "folder.npy"),
        "ends in none of .npy": ("add", path, folder / "table.csv"),
        "none.npy: No such file": ("add", path, folder / "none.npy"),
        "has no column 'y'": ("add", path, folder / "x.parquet", "--column", "y"),
        "nowhere is no memory": ("add", folder / "nowhere", file),
        "x.npy is no memory": ("info", file),
        "memory is there already": ("create", path, "--from", file),
        "there is no folder": ("create", folder / "none" / "memory", "--dim", 8),
        "dim is 0": ("create", folder / "new", "--dim", 0),
        "one width is expected": (
            *("create", "--from", file, "--from", folder / "narrow.npy", folder / "new"),
        ),
        "separation Entmax": ("create", folder / "new", "--dim", 8, "--separation", "entmax"),
        "beta is -1": ("create", folder / "new", "--dim", 8, "--beta", -1),
        "NaN": ("create", folder / "new", "--from", folder / "nan.safetensors"),
        "nan.npy, rows 128 to 191": ("retrieve", path, folder / "nan.npy"),
        "noisy has shape (64, 4)": ("retrieve", path, folder / "narrow.npy"),
        "dim is 99999999999999": ("create", folder / "new", "--dim", 99999999999999),
        "values was given but": ("create", folder / "new", "--dim", 8, "--values", file),
        "column was given but": ("create", folder / "new", "--dim", 8, "--column", "x"),
        "nope.npy: No such file": ("add", path, file, "--values", folder / "nope.npy"),
        "too long for float32; scale them down; in": ("retrieve", path, folder / "long.npy"),
        "steps is 18446744073709551616": ("retrieve", path, file, "--steps", 2**64),
        "steps is 0": ("retrieve", path, file, "--steps", 0),
        "tol is -1": ("retrieve", path, file, "--tol", -1),
        "rtol was given but": ("retrieve", path, file, "--rtol", 1),
        "k is 0": ("retrieve", path, file, "--k", 0),
        "cannot be written": ("retrieve", path, file, "--out", folder / "none" / "out.npy"),
        "out.csv ends in none": ("retrieve", path, file, "--out", folder / "out.csv"),
        "is what is read here": ("retrieve", path, file, "--out", file),
        "x.npy is what is read here": (*("retrieve", path, folder / "x.ids.npy", "--out", file),),
        "lies in the folder of the memory": ("retrieve", path, file, "--out", path / "out.npy"),
        "1 ids (300) that this memory": ("remove", path, 300),
        "1 ids (3) that occur more than once": ("remove", path, 3, 3),
        "ids is float32 (300, 8)": ("remove", path, "--ids", file),
    }
    capsys.readouterr()
    for says, command in wrong.items():
        assert memory(*command) == 1, says
        said = capsys.readouterr()
        assert said.out == ""
        error = said.err.splitlines()[-1]
        assert error.startswith("hopfield: ")
        assert says in error
    assert len(Memory.open(path)) == 300
    assert not (folder / "new").exists()
    assert file.read_bytes() == before


def test_damage_has_a_status_of_its_own(folder, capsys):
    path = folder / "memory"
    assert memory("create", path, "--from", folder / "x.npy") == 0
    assert memory("compact", path) == 0
    assert memory("add", path, folder / "x.npy") == 0
    (segment,), (log,) = path.glob("segment-*"), path.glob("log-*")
    data = bytearray(segment.read_bytes())
    data[-1] ^= 1
    segment.write_bytes(data)
    capsys.readouterr()
    assert memory("check", path) == 3
    assert f"{segment} is damaged" in capsys.readouterr().err.splitlines()[-1]
    log.unlink()
    assert memory("check", path) == 3
    error = capsys.readouterr().err.splitlines()[-1]
    assert segment.name in error
    assert f"{log} is missing" in error
    assert printed(capsys, "info", path, status=3)["error"] == "MemoryCorrupt"


def test_a_lock_has_a_status_of_its_own(folder, capsys):
    path = folder / "memory"
    assert memory("create", path, "--from", folder / "x.npy") == 0
    with Memory.open(path) as writing:
        writing.remove([1])
        for command in (("add", path, folder / "x.npy"), ("remove", path, 2), ("compact", path)):
            assert memory(*command) == 4
            assert "is being written to" in capsys.readouterr().err.splitlines()[-1]
        assert memory("retrieve", path, folder / "few.npy") == 0
    assert memory("remove", path, 2) == 0


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(28, "No space left on device", "x")])
def test_what_was_stored_before_a_stop_is_told(stop, folder, capsys, monkeypatch):
    path, add = folder / "memory", Memory.add
    assert memory("create", path, "--dim", 8) == 0

    def stopping(self, *what):
        if len(self) == 128:
            raise stop
        return add(self, *what)

    monkeypatch.setattr(Memory, "add", stopping)
    status, says = (130, "stopped") if stop is KeyboardInterrupt else (1, "x: No space left")
    assert memory("add", path, folder / "x.npy") == status
    error = capsys.readouterr().err.splitlines()[-1]
    assert says in error
    assert error.endswith("; 128 patterns were stored before")
    assert len(Memory.open(path)) == 128


def test_a_stopped_retrieval_writes_nothing(folder, capsys, monkeypatch):
    path, retrieve = folder / "memory", Memory.retrieve
    assert memory("create", path, "--from", folder / "x.npy") == 0
    calls = []

    def stopping(self, *what, **settings):
        calls.append(what)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return retrieve(self, *what, **settings)

    monkeypatch.setattr(Memory, "retrieve", stopping)
    before = sorted(folder.iterdir())
    for ending in FORMATS:
        calls.clear()
        out = folder / f"out{ending}"
        assert memory("retrieve", path, folder / "x.npy", "--out", out) == 130
        assert capsys.readouterr().err.splitlines()[-1] == "hopfield: stopped"
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("ending", FORMATS)
def test_no_rows(ending, folder, x, capsys):
    path, out = folder / "memory", folder / f"out{ending}"
    save(folder, "none", x[:0])
    none = folder / f"none{ending}"
    assert printed(capsys, "create", path, "--from", none)["dim"] == 8
    assert printed(capsys, "add", path, none, folder / "few.npy")["added"] == 3
    found = printed(capsys, "retrieve", path, none, "--tol", 1, "--k", 2, "--out", out)
    assert (found["states"], found["converged"]) == (0, 0)
    assert len(loaded(out)) == 0


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["nonsense"],
        ["create", "memory"],
        ["create", "memory", "--dim", "4", "--from", "x.npy"],
        ["create", "memory", "--dim", "four"],
        ["create", "memory", "--dim", "4", "--beta", "nought"],
        ["create", "memory", "--dim", "4", "--separation", "topk:0"],
        ["add", "memory"],
        ["remove", "memory"],
        ["remove", "memory", "1", "--ids", "x.npy"],
        ["remove", "memory", "one"],
    ],
)
def test_usage(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        memory(*command)
    assert stopped.value.code == 2
    assert "usage: hopfield memory" in capsys.readouterr().err


def test_the_help_says_what_the_status_means(capsys):
    with pytest.raises(SystemExit):
        memory("--help")
    said = " ".join(capsys.readouterr().out.split())
    assert "3 the memory is damaged; 4 another process writes to it; 130 stopped" in said


def test_as_a_process(folder):
    assert memory("create", folder / "memory", "--from", folder / "x.safetensors") == 0
    next((folder / "memory").glob("log-*")).unlink()
    command = [sys.executable, "-m", "hopfield", "memory", "check", str(folder / "memory")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert "is missing" in done.stderr
    assert "Traceback" not in done.stderr


def shell(folder, line, **environment):
    """What a shell makes of a command line after `hopfield memory`, in a folder."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"'{sys.executable}' -m hopfield memory {line}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | environment,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_output_that_cannot_be_written(folder, x):
    with Memory.create(folder / "memory", 8) as made:
        made.add(x)
    for line, code, says in (
        ("info memory | true", 141, ""),
        ("remove memory 999 --json | true", 141, ""),
        ("info memory --json > /dev/full", 1, "hopfield: what was to be printed: No space left"),
        ("remove memory 999 --json > /dev/full", 1, "hopfield: what was to be printed"),
    ):
        done = shell(folder, line)
        assert done.returncode == code, line
        assert says in done.stderr
        assert "Traceback" not in done.stderr
        assert "Exception" not in done.stderr


def test_a_terminal_that_shows_little(folder):
    Memory.create(folder / "é", 8)
    for line, says in (("create --help", "(1/\\u221ad)"), ("info é", "/\\xe9")):
        done = shell(folder, line, PYTHONIOENCODING="ascii", COLUMNS="200")
        assert (done.returncode, done.stderr) == (0, "")
        assert says in done.stdout


def test_paths_with_nul(capsys):
    with pytest.raises(SystemExit):
        memory("info", "a\0b")
    assert "an argument has the character NUL" in capsys.readouterr().err


def test_an_index_is_made_and_asked(folder, x, capsys):
    pytest.importorskip("faiss")
    path, out = folder / "memory", folder / "found.safetensors"
    assert memory("create", path, "--from", folder / "x.npy", "--beta", 2) == 0
    assert memory("retrieve", path, folder / "few.npy", "--lists", 4) == 1
    assert "has no index; build_index() makes one" in capsys.readouterr().err
    assert printed(capsys, "index", path, "--lists", 10)["index"] is True
    assert memory("retrieve", path, folder / "few.npy", "--lists", 10, "--out", out) == 0
    torch.testing.assert_close(
        loaded(out), Memory.open(path).retrieve(x[:3]).state, atol=1e-4, rtol=1e-4
    )
    assert (loaded(out, "interval") < 1e-3).all()
    assert memory("retrieve", path, folder / "few.npy", "--samples", 3) == 1
    assert "samples is 3" in capsys.readouterr().err
