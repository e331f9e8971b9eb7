"""Statistics of all heads of MiniLM beside the model's own forward, and beside eager attention.

The usual way: `output_attentions=True`, all weights of all layers, and a sort for k. Peaks of
memory are of one forward in a process of its own, for 6 layers and for 12.
"""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import minilm
from benchmarks.harness import Result, race
from benchmarks.memory import status
from hopfield.heads import Batch, Watcher

SIZES = (128, 256, 512)
BATCH = 8


def usual(model: nn.Module, inputs: dict[str, Any]) -> list[Any]:
    """The k of every state from all weights, kept until the model is through."""
    found = []
    for weights in model(**inputs, output_attentions=True).attentions:
        falling = -np.sort(-weights.numpy(), axis=-1)
        found.append((torch.from_numpy(falling).cumsum(-1) < 0.9).sum(-1) + 1)
    return found


def contenders(model: nn.Module, batch: Batch) -> dict[str, Callable[[], object]]:
    """Forward, with statistics in three modes, and by eager attention."""
    eager = copy.deepcopy(model)
    eager.set_attn_implementation("eager")
    watchers = {mode: Watcher(model, mode=mode) for mode in ("sample", "exact", "side")}
    return {
        "sdpa, no statistics": lambda: model(**batch.inputs),
        **{
            f"hopfield, {mode}": lambda watcher=watcher: watcher.run(batch)
            for mode, watcher in watchers.items()
        },
        "eager, no statistics": lambda: eager(**batch.inputs),
        "eager, output_attentions, sort: k": lambda: usual(eager, batch.inputs),
    }


@torch.no_grad()
def run(device: str) -> list[Result]:
    """A race at each length; the last with peaks of memory."""
    if device != "cpu":
        raise SystemExit("this benchmark is of the CPU")
    source = minilm.model()
    results = []
    for size in SIZES:
        batch = next(minilm.text(source, size, BATCH).batches(BATCH))
        names = contenders(source.model, batch)
        limits = None
        if size == SIZES[-1]:
            limits = {name: lambda _, name=name: peaks(name, SIZES[-1]) for name in names}
        case = f"{BATCH} sequences of {size}"
        results += race("MiniLM heads", case, names, 9, limits)
    return results


def peaks(name: str, size: int) -> str:
    """The most memory of one forward beyond the model, for 6 layers and for 12."""
    found = []
    for layers in (6, 12):
        command = [sys.executable, "-m", "benchmarks.heads", name, str(size), str(layers)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found.append(f"{json.loads(done.stdout) / 1e6:.0f} MB with {layers} layers")
    return "; ".join(found)


@torch.no_grad()
def peak(name: str, size: int, layers: int) -> int:
    """Bytes beyond the model, at most, while one contender runs (Linux)."""
    source = minilm.model()
    own: Any = source.model.encoder
    config = source.model.config
    own.layer = nn.ModuleList(  # with one config for all, which says how attention is computed
        copy.deepcopy(own.layer[n % 6], {id(config): config}) for n in range(layers)
    )
    small = next(minilm.text(source, 32, 1).batches(1))
    contenders(source.model, small)[name]()  # warm up
    batch = next(minilm.text(source, size, BATCH).batches(BATCH))
    chosen = contenders(source.model, batch)[name]
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = status("VmRSS")
    chosen()
    return status("VmHWM") - before


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(peak(sys.argv[1], *map(int, sys.argv[2:]))))
