"""A memory on disk: opening it, adding to it, and reading from it while another process adds."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch.nn.functional import normalize

import hopfield
from benchmarks.harness import Result, race

PATTERNS, WIDTH, BETA = 1_000_000, 128, 40.0
ADDED, SECONDS = 100, 6.0
WRITER = """
import sys, time, torch, hopfield
memory, until, added = hopfield.Memory.open(sys.argv[1]), time.time() + float(sys.argv[2]), 0
rows = torch.randn({added}, {width})
print("ready", flush=True)
while time.time() < until:
    memory.add(rows)
    added += len(rows)
print(added)
"""


def run(device: str) -> list[Result]:
    state = torch.randn(1, WIDTH)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memory"
        memory = hopfield.Memory.create(path, WIDTH, BETA)
        memory.add(normalize(torch.randn(PATTERNS, WIDTH), dim=-1))
        contenders = {
            "a scan of an open memory": lambda: memory.retrieve(state),
            "open, and a scan": lambda: hopfield.Memory.open(path).retrieve(state),
        }
        results = race("a memory on disk", "a million, d = 128", contenders, 11, None, device)
        rows = torch.randn(ADDED, WIDTH)
        in_memory = hopfield.Memory(WIDTH)
        contenders = {
            "kept on disk": lambda: memory.add(rows),
            "in memory": lambda: in_memory.add(rows),
        }
        results += race("a memory on disk", f"add {ADDED}", contenders, 51, None, device)
        memory.close()
        alone = reading(path, state, None)
        code = WRITER.format(added=ADDED, width=WIDTH)
        command = [sys.executable, "-c", code, str(path), str(SECONDS)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        writer.stdout.readline()
        beside = reading(path, state, writer)
        added = int(writer.communicate()[0])
        results += [
            result("a retrieval, nobody adds", alone, alone, ""),
            result(
                "a retrieval, another process adds",
                beside,
                alone,
                f"{added / SECONDS:.0f} patterns added a second, {ADDED} at a time",
            ),
        ]
    return results


def reading(path: Path, state: torch.Tensor, writer: subprocess.Popen[str] | None) -> list[float]:
    """Seconds of each retrieval, each from the newest state of the memory."""
    memory, times, until = hopfield.Memory.open(path), [], time.time() + SECONDS
    while time.time() < until if writer is None else writer.poll() is None:
        start = time.perf_counter()
        memory.refresh()
        memory.retrieve(state)
        times.append(time.perf_counter() - start)
    return times


def result(contender: str, own: list[float], first: list[float], limit: str) -> Result:
    """How one did, to the median of the first."""
    low, middle, high = statistics.quantiles(own, n=4, method="inclusive")
    scale = statistics.median(first)
    print(f"{contender}: {middle * 1e3:.1f} ms, {len(own)} times {limit}", flush=True)
    return Result(
        "a memory on disk",
        "reading and writing",
        contender,
        torch.get_num_threads(),
        middle * 1e3,
        middle / scale,
        low / scale,
        high / scale,
        limit,
    )
