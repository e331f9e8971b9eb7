"""Repertoires: embedding beside a convolution over one-hot residues, update, files, simulation.

python -m benchmarks.repertoires FILE   the peak memory, in MB, of a process that predicts it
"""

import gzip
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import torch
from torch import Tensor
from torch.nn.functional import conv1d, one_hot, selu

from benchmarks.harness import Result, race
from hopfield.repertoire import (
    Architecture,
    RepertoireDataset,
    RepertoireNetwork,
    simulate,
    simulated,
)
from hopfield.repertoire.embedding import JunctionEmbedding, positions
from hopfield.repertoire.repertoire import Repertoire

AT_ONCE = 10_000  # sequences that the convolution takes, as one-hot tensors are large
LARGE = 300_000


def run(device: str) -> list[Result]:
    made = simulated(repertoires=4, sequences=10_000).repertoires
    large = simulated(repertoires=1, sequences=LARGE).repertoires[0]
    return [
        *embedding(made[0], device),
        *update(made, device),
        *prediction(large, device),
        *simulation(),
    ]


def embedding(repertoire: Repertoire, device: str) -> list[Result]:
    """10 000 junctions to vectors."""
    module = JunctionEmbedding().to(device)
    groups = [group.residues for group in repertoire.by_length()]
    longest = groups[-1].shape[1]
    padded = torch.cat(
        [torch.nn.functional.pad(group, (0, longest - group.shape[1])) for group in groups]
    ).to(device)
    channels = positions(longest).to(device)[repertoire.lengths.long() - 1]
    behind = (padded == 0)[:, None]

    def convolved() -> Tensor:
        residues = one_hot(padded.long(), 21)[..., 1:].mT.float()
        seen = torch.cat([residues, channels], 1)
        scores = conv1d(seen, module.weight, module.bias, padding=4)
        return selu(scores.masked_fill(behind, -torch.inf).amax(-1))

    contenders = {"conv1d on one-hot": convolved, "look-ups": lambda: module(groups)}
    gradient = torch.randn(len(repertoire), 32, device=device)
    rate = {name: per_second(len(repertoire)) for name in contenders}
    name = "embedding of receptors"
    results = race(name, "10 000, forward", contenders, 9, rate, device)
    both = {who: lambda own=own: own().backward(gradient) for who, own in contenders.items()}
    return results + race(name, "10 000, forward and backward", both, 7, rate, device)


def update(repertoires: list[Repertoire], device: str) -> list[Result]:
    """Embedding and pooling of a batch of 4 × 10 000, and a step of Adam."""
    first = repertoires[0]
    network = network_of(first).to(device)

    def forward() -> Tensor:
        with torch.no_grad():
            return network(repertoires)

    total = sum(map(len, repertoires))
    optimizer = torch.optim.Adam(p for p in network.parameters() if p.requires_grad)

    def updated() -> None:
        optimizer.zero_grad()
        network(repertoires).sum().backward()
        optimizer.step()

    contenders = {"forward": forward, "update": updated}
    rate = {name: per_second(total) for name in contenders}
    return race("repertoires", "4 × 10 000", contenders, 9, rate, device)


def prediction(repertoire: Repertoire, device: str) -> list[Result]:
    """A packed table of 300 000 rows to a prediction, in a process that has run before."""
    network = network_of(repertoire).to(device)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "repertoire.tsv"
        frame = repertoire.frame().with_columns(
            pl.int_range(pl.len()).alias("sequence_id"), pl.lit("T").alias("productive")
        )
        frame.write_csv(plain, separator="\t")
        packed = plain.with_suffix(".tsv.gz")
        packed.write_bytes(gzip.compress(plain.read_bytes(), 6))

        def read(of: Path) -> RepertoireDataset:
            return RepertoireDataset.from_metadata(of)

        def predict() -> Tensor:
            with torch.no_grad():
                return network([read(packed)[0]])

        contenders = {
            "read, .tsv": lambda: read(plain),
            "read, .tsv.gz": lambda: read(packed),
            "read .tsv.gz and predict": predict,
        }
        command = [sys.executable, "-m", "benchmarks.repertoires", str(packed)]
        peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        notes = {"read .tsv.gz and predict": lambda _: f"{peak} MB in a process of its own"}
        return race("a repertoire from disk", "300 000 rows", contenders, 5, notes, device)


def network_of(repertoire: Repertoire) -> RepertoireNetwork:
    return RepertoireNetwork(Architecture(repertoire.v_genes, repertoire.j_genes))


def simulation() -> list[Result]:
    """4 × 50 000 receptors with a motif, drawn, and drawn and written."""
    what = {"repertoires": 4, "sequences": 50_000, "signal": "SFEN", "witness": 0.001}

    def written() -> None:
        with tempfile.TemporaryDirectory() as folder:
            simulate(folder, **what)

    contenders = {"in memory": lambda: simulated(**what), "as AIRR files": written}
    rate = {name: per_second(200_000) for name in contenders}
    return race("simulation", "4 × 50 000", contenders, 5, rate)


def per_second(sequences: int) -> Callable[[float], str]:
    return lambda seconds: f"{sequences / seconds / 1e3:.0f} 000 sequences/s"


if __name__ == "__main__":
    alone = RepertoireDataset.from_metadata(sys.argv[1])[0]
    with torch.no_grad():
        network_of(alone)([alone])
    print(round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
