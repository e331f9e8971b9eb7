"""One memory, spread over the processes that `torchrun` starts: each maps its share of the rows.

    torchrun --nproc-per-node 2 examples/sharded_memory.py --out folder

The first process stores patterns in `folder/memory`, all open it, and retrieve them from three
quarters of their numbers. With one process, or as plain `python`, it does the same.
"""

from argparse import ArgumentParser
from pathlib import Path
from time import perf_counter

import torch
import torch.distributed as dist

from hopfield.memory import Memory, ShardedMemory
from hopfield.processes import processes

WIDTH, STATES = 64, 100


def main(folder: Path, count: int) -> None:
    patterns = torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(0))
    first = not dist.is_initialized() or dist.get_rank() == 0
    if first and not folder.exists():
        with Memory.create(folder, WIDTH, beta=2.0) as memory:
            memory.add(patterns)
    if dist.is_initialized():
        dist.barrier()
    shared = ShardedMemory.open(folder, timeout=60.0)
    noisy = patterns[:STATES].clone()
    noisy[:, 3 * WIDTH // 4 :] = 0.0
    start = perf_counter()
    found = shared.retrieve(noisy, steps=5, tol=1e-3)
    seconds = perf_counter() - start
    ids = shared.associate(found.state).ids.squeeze(-1)
    right = (ids == torch.arange(STATES)).float().mean().item()
    if first:
        world = dist.get_world_size() if dist.is_initialized() else 1
        print(
            f"{world} processes, {len(shared)} patterns of width {WIDTH}: {100 * right:.0f} % "
            f"retrieved in up to {int(found.steps.max())} steps, {seconds:.2f} s; "
            f"{world * STATES * (WIDTH + 1) * 4} bytes a step"
        )


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the memory")
    parser.add_argument("--patterns", type=int, default=200_000, help="how many")
    parser.add_argument("--quick", action="store_true", help="few patterns")
    chosen = parser.parse_args()
    with processes():
        main(chosen.out / "memory", 2_000 if chosen.quick else chosen.patterns)
