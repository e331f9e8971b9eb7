"""`Lists`: the patterns of a memory once more, those that lie together one after the other.

FAISS finds the lists of an inverted file (IVF): by k-means, every pattern to its nearest mean. They
are kept as one array, not as its own file, because associations read whole lists and single members
of others, and for this want an array that is mapped from disk.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from torch import Tensor
from tqdm import tqdm

from hopfield import _check
from hopfield._text import one_line
from hopfield.errors import FileError
from hopfield.reduction.inputs import tiles

ROWS_AT_ONCE = 2**14
TRAINED_ON = 64  # patterns for each list; more move the means no more
ROUNDS = 10


@dataclass(frozen=True)
class Lists:
    """The first n patterns of a memory, list by list.

    Attributes:
        patterns: `(n, d)`, as they are stored.
        rows: `(n,)`, which of the n each one is.
        starts: `(L + 1,)`, where the lists begin.
        means: `(L, d)`, of the members, float32; 0 of a list that has none.
        variances: `(L,)`, the mean of ‖x − mean‖² / d.
        radii: `(L,)`, the largest ‖x − mean‖, rounded up.
    """

    patterns: Float[Tensor, "n d"]
    rows: Int[Tensor, " n"]
    starts: Int[Tensor, " L1"]
    means: Float[Tensor, "L d"]
    variances: Float[Tensor, " L"]
    radii: Float[Tensor, " L"]

    @property
    def sizes(self) -> Int[Tensor, " L"]:
        """How many members each list has."""
        return self.starts.diff()

    @property
    def of_each(self) -> Int[Tensor, " n"]:
        """The list of each pattern."""
        return torch.repeat_interleave(torch.arange(len(self.sizes)), self.sizes)

    def without(self, removed: Tensor) -> "Lists":
        """The lists of the patterns that stay, which are counted anew; `removed` is `(n,)`."""
        stays = ~removed[self.rows]
        ranks = (~removed).cumsum(0) - 1
        sizes = torch.bincount(self.of_each[stays], minlength=len(self.sizes))
        return _described(self.patterns[stays], ranks[self.rows[stays]], sizes)

    def write(self, path: Path) -> None:
        """As a safetensors file.

        Raises:
            FileError: the disk is full, or refuses it; no file is left.
        """
        tensors = {field.name: getattr(self, field.name) for field in fields(self)}
        try:
            safetensors.torch.save_file(tensors, path)
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, SafetensorError):
                raise FileError(f"{path} cannot be written: {one_line(error)}") from error
            raise

    @classmethod
    def mapped(cls, path: Path) -> "Lists":
        """The lists in a file: pages come from the disk as they are read."""
        with safe_open(path, "pt") as file:
            return cls(**{name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118


def build(blocks: list[Tensor], lists: int, seed: int, progress: bool) -> Lists:
    """Lists of the patterns of all blocks, `(·, d)`.

    Args:
        blocks: at least one, not empty.
        lists: L, at most as many as patterns.
        seed: of k-means and of the sample that it sees.
        progress: show how far it is.

    Raises:
        MissingExtraError: faiss is not installed.
    """
    faiss: Any = _check.extra("faiss", "memory")
    sizes = [len(block) for block in blocks]
    patterns, d = sum(sizes), blocks[0].shape[-1]
    generator = torch.Generator().manual_seed(seed)
    seen = torch.randperm(patterns, generator=generator)[: TRAINED_ON * lists].sort().values
    sample = torch.cat(
        [
            block[seen[(seen >= end - size) & (seen < end)] - (end - size)].float()
            for block, size, end in zip(blocks, sizes, np.cumsum(sizes).tolist(), strict=True)
        ]
    )
    clustering = faiss.Clustering(d, lists)
    clustering.niter, clustering.seed = ROUNDS, seed % 2**31
    clustering.min_points_per_centroid, clustering.max_points_per_centroid = 1, TRAINED_ON
    nearest = faiss.IndexFlatL2(d)
    clustering.train(sample.numpy(), nearest)
    found = torch.empty(patterns, dtype=torch.int64)
    first = 0
    with tqdm(total=patterns, desc="patterns to lists", disable=not progress) as bar:
        for block in blocks:
            for which in tiles(len(block), ROWS_AT_ONCE):
                _, list_of = nearest.search(block[which].float().numpy(), 1)
                found[first : first + len(list_of)] = torch.from_numpy(list_of[:, 0])
                first += len(list_of)
                bar.update(len(list_of))
    rows = found.argsort(stable=True)
    ordered = torch.empty(patterns, d, dtype=blocks[0].dtype)
    ranks = torch.empty_like(rows)
    ranks[rows] = torch.arange(patterns)
    for block, at in zip(blocks, ranks.split(sizes), strict=True):
        ordered[at] = block
    return _described(ordered, rows, torch.bincount(found, minlength=lists))


def _described(patterns: Tensor, rows: Tensor, sizes: Tensor) -> Lists:
    """Lists of so many patterns each, one after the other."""
    starts = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
    means = torch.zeros(len(sizes), patterns.shape[-1])
    variances, radii = torch.zeros(2, len(sizes))
    for one, (low, high) in enumerate(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)):
        if low < high:
            members = patterns[low:high].float()
            means[one] = members.mean(0, dtype=torch.float64)
            squares = (members - means[one]).square()
            variances[one] = squares.mean()
            radii[one] = squares.sum(-1).amax().sqrt() * (1 + 1e-5)
    return Lists(patterns, rows, starts, means, variances, radii)


def default_lists(patterns: int) -> int:
    """How many lists are worth it: 4 √N."""
    return max(1, min(patterns // 8, round(4 * patterns**0.5)))
