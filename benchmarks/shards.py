"""A memory over two processes beside the same in one, one thread each: python -m benchmarks.shards.

One association with a million patterns; the processes take turns in one run, the second waiting
while the first works alone.
"""

import os
import sys
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
from torch.multiprocessing import spawn

from benchmarks.harness import race
from hopfield.memory import Memory, ShardedMemory

PATTERNS, WIDTH, WORLD = 1_000_000, 128, 2


def work(rank: int, meeting: str) -> None:
    torch.set_num_threads(1)
    if rank > 0:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (to the end of the process)
    stored = torch.randn(PATTERNS, WIDTH, generator=torch.Generator().manual_seed(0))
    memory = Memory(WIDTH)
    memory.add(stored)
    alone = ShardedMemory(stored)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=WORLD)
    both = ShardedMemory(stored[rank * PATTERNS // WORLD : (rank + 1) * PATTERNS // WORLD])
    little = ShardedMemory(stored[rank : rank + 1])
    for states in (1, 32):
        noisy = torch.randn(states, WIDTH, generator=torch.Generator().manual_seed(1))

        def first(one, noisy=noisy):
            if rank == 0:
                one.retrieve(noisy)
            dist.barrier()

        contenders = {
            "Memory": lambda first=first: first(memory),
            "ShardedMemory, 1 process": lambda first=first: first(alone),
            "ShardedMemory, 2 processes": lambda noisy=noisy: both.retrieve(noisy),
            "the exchange alone, 2 processes": lambda noisy=noisy: little.retrieve(noisy),
        }
        race("shards", f"S = {states}, d = {WIDTH}", contenders, 15 if states == 1 else 7)
    dist.destroy_process_group()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        spawn(work, (str(Path(folder, "meeting")),), nprocs=WORLD)
