"""Repertoires: embedding beside a convolution over one-hot residues, an update, a prediction."""

import gzip
import tempfile
from pathlib import Path

import polars as pl
import torch
from torch import Tensor
from torch.nn.functional import conv1d, one_hot, selu

from benchmarks.harness import Result, race
from hopfield.repertoire import Architecture, RepertoireDataset, RepertoireNetwork, simulated
from hopfield.repertoire.embedding import JunctionEmbedding, positions
from hopfield.repertoire.repertoire import Repertoire

AT_ONCE = 10_000  # sequences that the convolution takes, as one-hot tensors are large
LARGE = 300_000


def run(device: str) -> list[Result]:
    made = simulated(repertoires=4, sequences=10_000).repertoires
    large = simulated(repertoires=1, sequences=LARGE).repertoires[0]
    return [*embedding(made[0], device), *update(made, device), *prediction(large, device)]


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
    """Embedding and pooling of a batch of 4 × 10 000, and their gradient."""
    first = repertoires[0]
    network = RepertoireNetwork(Architecture(first.v_genes, first.j_genes)).to(device)

    def forward() -> Tensor:
        with torch.no_grad():
            return network(repertoires)

    total = sum(map(len, repertoires))
    rate = {name: per_second(total) for name in ("forward", "forward and backward")}
    contenders = {
        "forward": forward,
        "forward and backward": lambda: network(repertoires).sum().backward(),
    }
    return race("repertoires", "4 × 10 000", contenders, 9, rate, device)


def prediction(repertoire: Repertoire, device: str) -> list[Result]:
    """A packed table of 300 000 rows to a prediction, in a process that has run before."""
    network = RepertoireNetwork(Architecture(repertoire.v_genes, repertoire.j_genes)).to(device)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "repertoire.tsv"
        frame = repertoire.frame().with_columns(
            pl.int_range(pl.len()).alias("sequence_id"), pl.lit("T").alias("productive")
        )
        frame.write_csv(path, separator="\t")
        packed = path.with_suffix(".tsv.gz")
        packed.write_bytes(gzip.compress(path.read_bytes(), 6))

        def read(of: Path) -> RepertoireDataset:
            return RepertoireDataset.from_metadata(of)

        def predict() -> Tensor:
            with torch.no_grad():
                return network([read(packed)[0]])

        contenders = {"read, .tsv.gz": lambda: read(packed), "read and predict": predict}
        return race("a repertoire from disk", "300 000 rows", contenders, 5, device=device)


def per_second(sequences: int):
    return lambda seconds: f"{sequences / seconds / 1e3:.0f} 000 sequences/s"
