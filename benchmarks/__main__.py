"""Run the benchmarks on 1 and on 2 threads and write the table of the documentation.

python -m benchmarks                   all of them; writes docs/speed.json and docs/speed.md
python -m benchmarks one_step bags     some of them, renewed in both
"""

import argparse
import importlib
import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks import memory
from benchmarks.table import markdown

TIMED = (
    "one_step",
    "few_states",
    "stopping",
    "separations",
    "theory",
    "million",
    "sublinear",
    "kept",
    "bags",
    "layers",
    "repertoires",
    "heads",
    "importing",
)
DOCS = Path(__file__).parent.parent / "docs"


def processor() -> str:
    """The name of the processor, or of the accelerator."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def run_timed(names: list[str], device: str, threads: int) -> list[dict[str, object]]:
    """The results of timed benchmarks in this process."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    results = []
    for name in names:
        module = importlib.import_module(f"benchmarks.{name}")
        results += [result.as_dict() for result in module.run(device)]
    return results


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", choices=[*TIMED, "memory", []], metavar="NAME")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--json", type=Path, help="write results here (used by the run itself)")
    options = parser.parse_args()
    names = options.names or [*TIMED, "memory"]
    timed: list[dict[str, object]] = []
    peaks: list[dict[str, object]] = []
    for threads in options.threads:
        if len(options.threads) > 1:  # a process for each, since threads cannot be taken back
            command = [sys.executable, "-m", "benchmarks", *names, "--device", options.device]
            part = DOCS / f"speed.{threads}.part"
            subprocess.run([*command, "--threads", str(threads), "--json", str(part)], check=True)
            found = json.loads(part.read_text())
            part.unlink()
            timed += found["timed"]
            peaks += found["memory"]
        else:
            timed = run_timed([n for n in names if n != "memory"], options.device, threads)
            peaks = memory.run(threads) if "memory" in names else []
    machine = f"{processor()}, PyTorch {torch.__version__}, Python {platform.python_version()}"
    found = {"machine": machine, "timed": timed, "memory": peaks}
    if options.json is not None:
        options.json.write_text(json.dumps(found))
    elif len(options.threads) > 1:
        page = DOCS / "speed.json"
        if options.names and page.exists():
            found = renewed(json.loads(page.read_text()), found)
        page.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
        (DOCS / "speed.md").write_text(markdown(found))


def renewed(before: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """What was found before, with the benchmarks that ran now in place of their former selves."""
    ran = {row["benchmark"] for row in found["timed"]}
    order = list(dict.fromkeys(row["benchmark"] for row in before["timed"]))
    timed = [row for row in before["timed"] if row["benchmark"] not in ran] + found["timed"]
    rank = {name: number for number, name in enumerate([*order, *sorted(ran - {*order})])}
    timed.sort(key=lambda row: rank[row["benchmark"]])
    return {**found, "timed": timed, "memory": found["memory"] or before["memory"]}


if __name__ == "__main__":
    main()
