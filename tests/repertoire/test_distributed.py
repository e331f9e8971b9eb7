"""Two processes train the network that one does."""

import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from conftest import SMALL
from hopfield.processes import processes
from hopfield.repertoire import distributed
from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.simulation import simulated

COHORT = {"repertoires": 14, "sequences": 40, "signal": "SFEN", "witness": 0.1, "seed": 5}
SETTINGS = [SMALL | {"batch": 3, "seed": 2}, SMALL | {"batch": 1, "start": "random", "epochs": 1}]
SCRIPT = f"""
import os, sys, warnings
from pathlib import Path
from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.simulation import simulated

made = simulated(**{COHORT})
for number, settings in enumerate({SETTINGS}):
    folder = Path(sys.argv[1], f"{{number}} {{os.environ['RANK']}}")
    checkpoint = Path(sys.argv[1], "checkpoint.pt")
    model = RepertoireClassifier(**settings)
    model.fit(made.repertoires, made.metadata["diagnosis"], checkpoint=checkpoint)
    assert not checkpoint.exists() or os.environ["RANK"] != "0"
    model.save(folder)
    model.save(Path(sys.argv[1], "both"))
"""


def test_two_processes_give_the_parameters_of_one(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, script, tmp_path], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    made = simulated(**COHORT)
    for number, settings in enumerate(SETTINGS):
        model = RepertoireClassifier(**settings).fit(made.repertoires, made.metadata["diagnosis"])
        first, second = (
            load_file(tmp_path / f"{number} {rank}" / "model.safetensors") for rank in (0, 1)
        )
        for name, wanted in model.network_.state_dict().items():
            torch.testing.assert_close(first[name], wanted, rtol=1e-4, atol=1e-5)
            assert torch.equal(first[name], second[name])
    both = RepertoireClassifier.load(tmp_path / "both")
    assert torch.equal(both.network_.head.weight, first["head.weight"])
    assert len([*(tmp_path / "both").iterdir()]) == 2


def test_one_process_shares_with_nobody(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with processes():
        assert (distributed.rank(), distributed.world()) == (0, 1)
        rows = torch.arange(5).numpy()
        assert distributed.own(rows).tolist() == [*range(5)]
        values = torch.randn(5, 2)
        assert distributed.gathered(values, 5) is values
        parameter = torch.zeros(3)
        distributed.sum_gradients([parameter])
        assert parameter.grad is None


@pytest.mark.parametrize("world", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [0, 1, 5, 6])
def test_shares_are_all_rows_once(monkeypatch, world, count):
    rows, shares = torch.arange(count).numpy(), []
    monkeypatch.setattr(distributed, "world", lambda: world)
    for rank in range(world):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        shares += distributed.own(rows).tolist()
    assert sorted(shares) == rows.tolist()
