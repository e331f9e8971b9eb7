"""Every example runs, says what it found and leaves its pictures."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SAYS = {
    "attention_replaced": (r"exchanged, 3 steps +[01]\.\d{3}", ["attention_replaced.png"]),
    "bit_patterns": (r"HopfieldPooling +seed 0: test accuracy [01]\.\d{3}", ["bit_patterns.png"]),
    "digit_bags": (
        r"HopfieldPooling +test AUC [01]\.\d{3}",
        ["digit_bags.png", "digit_bags_weights.png"],
    ),
    "heads_learning": (
        r"seed0, step 10: held-out loss \d\.\d{3}",
        [f"heads_learning_{name}.png" for name in ("classes", "jacobian", "k", "weights")],
    ),
    "landscape": (
        r"beta_1: 3 attractors",
        [
            *(f"landscape_beta_{beta}.png" for beta in ("0.2", "1", "12")),
            *(f"landscape_{n}.png" for n in ("epanechnikov", "polynomial", "random_features")),
            "landscape_two.png",
        ],
    ),
    "latch_sequence": (r"LSTM +seed 0: test accuracy [01]\.\d{3}", ["latch_sequence.png"]),
}
SPREAD = {"sharded_memory": r"2 processes, \d+ patterns .*: 100 % retrieved"}
PAGES = {"real_repertoires": (r"lane alone +[01]\.\d{3}", "run/report.html")}


def test_every_example_is_tested():
    programs = {path.stem for path in EXAMPLES.glob("*.py") if "__main__" in path.read_text()}
    assert programs == SAYS.keys() | SPREAD.keys() | PAGES.keys()


@pytest.mark.parametrize("name", SAYS)
def test_example(name, tmp_path):
    image = pytest.importorskip("matplotlib.image")
    pytest.importorskip("transformers" if name == "heads_learning" else "sklearn")
    command = [sys.executable, EXAMPLES / f"{name}.py", "--quick", "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    says, pictures = SAYS[name]
    assert re.search(says, done.stdout)
    assert sorted(path.name for path in tmp_path.iterdir()) == pictures
    for picture in pictures:
        assert image.imread(tmp_path / picture).std() > 0


@pytest.mark.parametrize("name", PAGES)
def test_example_with_a_page(name, tmp_path):
    pytest.importorskip("polars")
    pytest.importorskip("pyimmunarch")
    command = [sys.executable, EXAMPLES / f"{name}.py", "--quick", "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    says, page = PAGES[name]
    assert re.search(says, done.stdout)
    assert "research use only" in (tmp_path / page).read_text("utf-8")


@pytest.mark.parametrize("name", SPREAD)
def test_example_over_processes(name, tmp_path):
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [sys.executable, *torchrun, EXAMPLES / f"{name}.py", "--quick", "--out", tmp_path]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(SPREAD[name], done.stdout)
