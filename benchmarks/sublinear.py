"""Retrieval by an index beside exact retrieval, and beside the best patterns of FAISS alone.

A million clustered vectors, at β where 90 % of the weight of a state lies on about 1, 1000 and half
of the patterns. States are stored patterns with noise that no calibration has seen. `limit` tells
the median error of the read-out in units of M, that of log Z, and of an index how many of 1000
states its 95 % intervals cover.
"""

import faiss
import torch
from torch.nn.functional import normalize

import hopfield
from benchmarks.harness import Result, race
from hopfield.memory import Memory, Probe
from hopfield.memory.index.lists import default_lists

PATTERNS, WIDTH, CLUSTERS, SPREAD = 1_000_000, 128, 2000, 0.45
QUERIES, HEAVIEST, NPROBE = 1000, 32, 16
PROBE = Probe()


def vectors(generator: torch.Generator) -> torch.Tensor:
    """Clusters of vectors, `(N, d)`, about 1 long."""
    centres = normalize(torch.randn(CLUSTERS, WIDTH, generator=generator), dim=-1)
    own = torch.randint(CLUSTERS, (PATTERNS,), generator=generator)
    noise = torch.randn(PATTERNS, WIDTH, generator=generator) * SPREAD / WIDTH**0.5
    return centres[own] + noise


def states(stored: torch.Tensor, number: int, generator: torch.Generator) -> torch.Tensor:
    """Stored patterns with noise of a third of their spread."""
    which = torch.randint(len(stored), (number,), generator=generator)
    noise = torch.randn(number, WIDTH, generator=generator) * SPREAD / 3 / WIDTH**0.5
    return stored[which] + noise


def median_k90(falling: torch.Tensor, beta: float) -> float:
    """The median number of patterns that hold 90 % of the weight, from falling dot products."""
    held = (beta * (falling - falling[:, :1])).double().exp().cumsum(-1)
    return ((held < 0.9 * held[:, -1:]).sum(-1) + 1).float().median().item()


def beta_for(falling: torch.Tensor, wanted: float) -> float:
    """The β at which that number is what is wanted."""
    low, high = 1e-3, 300.0
    for _ in range(25):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if median_k90(falling, middle) > wanted else (low, middle)
    return high


def run(device: str) -> list[Result]:
    faiss.omp_set_num_threads(torch.get_num_threads())
    generator = torch.Generator().manual_seed(5)
    stored = vectors(generator)
    memory = Memory(WIDTH)
    memory.add(stored)
    memory.build_index()
    searched = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(WIDTH), WIDTH, default_lists(PATTERNS), faiss.METRIC_INNER_PRODUCT
    )
    searched.train(stored[torch.randperm(PATTERNS, generator=generator)[:200_000]].numpy())
    searched.add(stored.numpy())
    searched.nprobe = NPROBE
    falling = (states(stored, 21, generator) @ stored.T).sort(-1, descending=True).values
    results = []
    for kind, wanted in (("1", 1.5), ("1000", 1000.0), ("N/2", PATTERNS / 2)):
        memory.beta = beta = beta_for(falling, wanted)
        queries = states(stored, QUERIES, generator)
        y, log_z = exact(stored, queries, beta)

        def best(state, beta=beta):
            scores, found = searched.search(state.numpy(), HEAVIEST)
            scores = beta * torch.from_numpy(scores)
            weights = scores.softmax(-1).unsqueeze(1)
            return (weights @ stored[torch.from_numpy(found)]).squeeze(1), scores.logsumexp(-1)

        told = {"exact": "", "index": accuracy(memory, queries, y, log_z)}
        found, log_found = best(queries)
        longest = stored.norm(dim=-1).max()
        told["FAISS"] = errors((found - y).norm(dim=-1) / longest, (log_found - log_z).abs())
        for number in (1, 32, 256):
            state = states(stored, number, generator)
            contenders = {
                "Memory, exact": lambda q=state: memory.retrieve(q),
                f"Memory, index=Probe({PROBE.lists}, {PROBE.samples})": lambda q=state: (
                    memory.retrieve(q, index=PROBE)
                ),
                f"FAISS IVF, top {HEAVIEST}, alone": lambda q=state, f=best: f(q),
            }
            limits = {
                name: lambda _, text=text: text
                for name, text in zip(contenders, told.values(), strict=True)
            }
            case = f"S = {number}, k90 ≈ {kind}, β = {beta:.3g}"
            rounds = 5 if number == 256 else 15
            results += race("a memory by its index", case, contenders, rounds, limits, device)
    return results


def exact(
    stored: torch.Tensor, queries: torch.Tensor, beta: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Read-out and log-partition of all patterns."""
    parts = [hopfield.partial(some, stored, beta=beta) for some in queries.split(250)]
    return (
        torch.cat([part.readout for part in parts]),
        torch.cat([part.log_partition for part in parts]),
    )


def accuracy(memory: Memory, queries: torch.Tensor, y: torch.Tensor, log_z: torch.Tensor) -> str:
    """What the index was off, and how often that was within its interval."""
    found = memory.retrieve(queries, index=PROBE)
    longest = max(held.longest for held in memory.blocks())
    off = (found.state - y).norm(dim=-1)
    off_log = (found.interval.log_partition - log_z).abs()
    covered = (off <= found.interval.error).float().mean()
    log_covered = (off_log <= found.interval.log_partition_error).float().mean()
    return f"{errors(off / longest, off_log)}, covered {covered:.1%}, {log_covered:.1%}"


def errors(off: torch.Tensor, off_log: torch.Tensor) -> str:
    """Medians."""
    return f"error {off.median():.1e} M, log Z {off_log.median():.1e}"
