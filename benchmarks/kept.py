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


READER = """
import sys, threading, time, torch, hopfield
from pathlib import Path

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))

torch.set_num_threads(int(sys.argv[3]))
state = torch.randn(int(sys.argv[2]), {width})
small = hopfield.Memory({width}, {beta})
small.add(torch.randn(70_000, {width}))
small.retrieve(state)  # what the library and its kernels take
memory, before, most, done = hopfield.Memory.open(sys.argv[1]), anonymous(), [0], [False]

def watch():
    while not done[0]:
        most[0] = max(most[0], anonymous())
        time.sleep(0.002)

watcher = threading.Thread(target=watch)
watcher.start()
start = time.perf_counter()
memory.retrieve(state)
seconds = time.perf_counter() - start
done[0] = True
watcher.join()
print(seconds, most[0] - before)
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
        results += peaks(path)
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


def peaks(path: Path) -> list[Result]:
    """Memory that a retrieval takes beside the map, which the system may drop, at most (Linux)."""
    code, times, sizes = READER.format(width=WIDTH, beta=BETA), [], []
    for states in (1, 32, 256):
        arguments = [str(path), str(states), str(torch.get_num_threads())]
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, size = map(float, done.stdout.split())
        times.append([seconds] * 2)
        sizes.append(f"{size / 1e6:.0f} MB beside the map of {4 * PATTERNS * WIDTH / 1e6:.0f} MB")
    named = zip((1, 32, 256), times, sizes, strict=True)
    return [
        result(f"S = {states}, once", own, times[0], size, "memory of a retrieval")
        for states, own, size in named
    ]


def reading(path: Path, state: torch.Tensor, writer: subprocess.Popen[str] | None) -> list[float]:
    """Seconds of each retrieval, each from the newest state of the memory."""
    memory, times, until = hopfield.Memory.open(path), [], time.time() + SECONDS
    while time.time() < until if writer is None else writer.poll() is None:
        start = time.perf_counter()
        memory.refresh()
        memory.retrieve(state)
        times.append(time.perf_counter() - start)
    return times


def result(
    contender: str,
    own: list[float],
    first: list[float],
    limit: str,
    case: str = "reading and writing",
) -> Result:
    """How one did, to the median of the first."""
    low, middle, high = statistics.quantiles(own, n=4, method="inclusive")
    scale = statistics.median(first)
    print(f"{contender}: {middle * 1e3:.1f} ms, {len(own)} times {limit}", flush=True)
    return Result(
        "a memory on disk",
        case,
        contender,
        torch.get_num_threads(),
        middle * 1e3,
        middle / scale,
        low / scale,
        high / scale,
        limit,
    )
