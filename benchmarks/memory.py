"""Peak memory of forward and backward, each in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch

import hopfield

SIZES = (4096, 8192, 16384)


def written_out(q, k, v):
    return torch.softmax(q @ k.T / 8, -1) @ v


def loop_written_out(q, k, v):
    for _ in range(3):
        q = written_out(q, k, k)
    return written_out(q, k, v)


LAYER = hopfield.Hopfield(64, steps=4)
CONTENDERS = {
    "softmax(q kᵀ) v": lambda q, k, v: written_out(q, k, v).sum(),
    "update": lambda q, k, v: hopfield.update(q, k, v).sum(),
    "update, backend=blockwise": lambda q, k, v: hopfield.update(
        q, k, v, backend="blockwise"
    ).sum(),
    "update, sparsemax": lambda q, k, v: hopfield.update(q, k, v, separation="sparsemax").sum(),
    "update, entmax": lambda q, k, v: hopfield.update(q, k, v, separation="entmax").sum(),
    "update, TopK(32)": lambda q, k, v: hopfield.update(
        q, k, v, separation=hopfield.TopK(32)
    ).sum(),
    "energy": lambda q, k, v: hopfield.energy(q, k).sum() + 0 * v.sum(),
    "retrieve, 10 steps": lambda q, k, v: hopfield.retrieve(q, k, v, steps=10).readout.sum(),
    "loop of 4 steps, written out": lambda q, k, v: loop_written_out(q, k, v).sum(),
    "Hopfield layer, 4 steps": lambda q, k, v: LAYER(q, k, v).sum(),
}


def peak(name: str, size: int) -> int:
    """Bytes beyond the inputs, at most, while one contender runs (Linux)."""
    q, k, v = (t.requires_grad_() for t in torch.randn(3, size, 64).unbind())
    CONTENDERS[name](*(t[:64] for t in (q, k, v))).backward()  # warm up
    return beyond(lambda: CONTENDERS[name](q, k, v).backward())


def beyond(function: Callable[[], object]) -> int:
    """Bytes beyond what there is, at most, while a function runs (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = status("VmRSS")
    function()
    return status("VmHWM") - before


def status(field: str) -> int:
    """A size of this process, in bytes (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def run(threads: int) -> list[dict[str, object]]:
    """Every contender at every size; megabytes."""
    results = []
    for name in CONTENDERS:
        sizes = {}
        for size in SIZES:
            command = [sys.executable, "-m", "benchmarks.memory", name, str(size), str(threads)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            sizes[str(size)] = json.loads(done.stdout) / 1e6
        results.append({"contender": name, "threads": threads, "megabytes": sizes})
        print("memory", name, {size: round(value) for size, value in sizes.items()}, flush=True)
    return results


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[3]))
    print(json.dumps(peak(sys.argv[1], int(sys.argv[2]))))
