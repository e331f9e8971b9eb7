"""Junctions as vectors: a convolution over residues and position, and its maximum.

Over one-hot residues a convolution is a sum of rows of its weight. The rows of three neighbours are
summed once for all 21³ neighbours there are; then a kernel of nine is three look-ups a position,
and no one-hot tensor is made. The gradient flows to the best position of each kernel alone.
"""

import math
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv1d, embedding_bag, pad

from hopfield import _check
from hopfield._threads import pool
from hopfield.errors import ArgumentError
from hopfield.repertoire.repertoire import ALPHABET, SYMBOLS

CHANNELS = 3  # of position: from the start, from the end, from the middle
ROWS_AT_ONCE = 4096
INSTALLED = find_spec("numba") is not None


class Tables(NamedTuple):
    """A convolution as look-ups.

    Attributes:
        weight: `(size, 21, F)`, what each residue adds at each place of a kernel; padding 0.
        residues: `(T, 21³, F)`, what three neighbours add, for each third of a kernel.
        positions: `(longest, longest, F)`, what the position adds and the bias, by length − 1.
    """

    weight: Float[Tensor, "size symbols F"]
    residues: Float[Tensor, "T codes F"]
    positions: Float[Tensor, "longest longest F"]


class JunctionEmbedding(nn.Module):
    """SELU of the maximum over positions of a convolution over residues and position.

    Exactly `selu(conv1d(x, weight, bias, padding=kernel_size // 2).amax(-1))` where x has a channel
    for each residue, one-hot, and three of position, which fall from 1 to 0 over the junction from
    its start, from its end, and from its middle.

    Args:
        kernels: F, how many.
        kernel_size: residues that a kernel sees: 3, 9 or 15.

    Attributes:
        weight: `(F, 23, kernel_size)`, as `conv1d` has it.
        bias: `(F,)`.
    """

    def __init__(self, kernels: int = 32, kernel_size: int = 9) -> None:
        super().__init__()
        _check.positive_int("kernels", kernels)
        if kernel_size not in (3, 9, 15):
            raise ArgumentError(f"kernel_size is {kernel_size}; 3, 9 or 15 is expected")
        self.kernel_size = kernel_size
        self.weight = nn.Parameter(torch.empty(kernels, len(ALPHABET) + CHANNELS, kernel_size))
        self.bias = nn.Parameter(torch.empty(kernels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew, so that a score has variance 1."""
        nn.init.normal_(self.weight, std=1 / math.sqrt(self.kernel_size))
        nn.init.zeros_(self.bias)

    def tables(self, longest: int) -> Tables:
        """The convolution as look-ups, for junctions of up to `longest` residues."""
        weight = pad(self.weight[:, : len(ALPHABET)], (0, 0, 1, 0)).permute(2, 1, 0).contiguous()
        one, two, three = weight.unflatten(0, (-1, 3)).unbind(1)  # each (T, 21, F)
        residues = one[:, :, None, None] + two[:, None, :, None] + three[:, None, None, :]
        channels = positions(longest).to(self.weight)
        of_position = self.weight[:, len(ALPHABET) :]
        added = conv1d(channels, of_position, self.bias, padding=self.kernel_size // 2)
        return Tables(weight, residues.flatten(1, 3), added.mT.contiguous())

    def forward(
        self, groups: Sequence[UInt8[Tensor, "n length"]], tables: Tables | None = None
    ) -> Float[Tensor, "N F"]:
        """The embeddings of all junctions, in order.

        Args:
            groups: junctions of one length each, codes 1 to 20.
            tables: those of this module, where they are at hand.
        """
        if tables is None:
            tables = self.tables(max((group.shape[1] for group in groups), default=1))
        return nn.functional.selu(highest_scores(groups, tables))


@cache
@torch.inference_mode(False)  # what is kept serves training too
def positions(longest: int) -> Tensor:
    """The position channels of junctions of each length up to `longest`, `(longest, 3, longest)`.

    0 behind the end, where a convolution pads.
    """
    length = torch.arange(1, longest + 1)[:, None]
    place = torch.arange(longest)
    span = (length - 1).clamp(min=1)
    start = 1 - place / span
    end = place / span
    middle = 1 - (2 * place / span - 1).abs()
    return torch.stack([start, end, middle], 1) * (place < length)[:, None]


def highest_scores(
    groups: Sequence[UInt8[Tensor, "n length"]], tables: Tables
) -> Float[Tensor, "N F"]:
    """The highest score of each kernel over the positions of each junction."""
    rows = [part for group in groups for part in group.contiguous().split(ROWS_AT_ONCE)]
    if (
        INSTALLED
        and tables.residues.device.type == "cpu"
        and tables.residues.dtype == torch.float32
    ):
        scores: Tensor = HighestScores.apply(
            tables.weight, tables.residues.detach(), tables.positions, rows
        )
        return scores
    return looked_up(rows, tables)


def looked_up(groups: Sequence[Tensor], tables: Tables) -> Tensor:
    """The same in PyTorch's operations: any device, any dtype."""
    none = tables.residues.new_empty(0, tables.residues.shape[-1])
    return torch.cat([none, *(all_scores(group, tables).amax(1) for group in groups)])


def all_scores(residues: UInt8[Tensor, "n length"], tables: Tables) -> Float[Tensor, "n length F"]:
    """The scores of each kernel at each position, before SELU."""
    parts, codes, kernels = tables.residues.shape
    flat = tables.residues.flatten(0, 1)
    count, length = residues.shape
    half = 3 * parts // 2
    padded = pad(residues.to(flat.device), (half, half)).int()
    code = (padded[:, :-2] * SYMBOLS + padded[:, 1:-1]) * SYMBOLS + padded[:, 2:]
    starts = [code[:, 3 * t : 3 * t + length] + t * codes for t in range(parts)]
    scores = embedding_bag(torch.stack(starts, -1).view(-1, parts), flat, mode="sum")
    return scores.view(count, length, kernels) + tables.positions[length - 1, :length]


class HighestScores(torch.autograd.Function):
    """`looked_up`, compiled; keeps the best positions, a byte each, for backward."""

    @staticmethod
    def forward(
        ctx: Any, weight: Tensor, residues: Tensor, positions: Tensor, groups: list[Tensor]
    ) -> Tensor:
        """What `Tables` holds, of which `residues` has no gradient; groups of few rows each."""
        count, kernels = sum(map(len, groups)), residues.shape[-1]
        best = residues.new_empty(count, kernels)
        where = torch.empty(count, kernels, dtype=torch.uint8)
        ctx.groups, ctx.shapes = groups, (weight.shape, positions.shape)
        ctx.save_for_backward(where)
        tables, added = residues.numpy(), positions.detach().numpy()

        def work(some: Iterable[tuple[Tensor, ...]]) -> None:
            for group, best, where in some:
                length = group.shape[1]
                arrays = group.numpy(), tables, added[length - 1, :length]
                _compiled().best_positions(*arrays, best.numpy(), where.numpy())

        _in_threads(work, _jobs(groups, best, where))
        return best

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, Tensor, None]:
        """Each thread adds up by itself."""
        (where,) = ctx.saved_tensors

        def work(some: Iterable[tuple[Tensor, ...]]) -> tuple[Tensor, Tensor]:
            of_weight, of_positions = (torch.zeros(shape) for shape in ctx.shapes)
            into, added = of_weight.numpy(), of_positions.numpy()
            for group, back, where in some:
                arrays = group.numpy(), back.numpy(), where.numpy()
                _compiled().add_gradients(*arrays, into, added[group.shape[1] - 1])
            return of_weight, of_positions

        sums = _in_threads(work, _jobs(ctx.groups, gradient.detach().contiguous(), where))
        of_weight, of_positions = (torch.stack(part).sum(0) for part in zip(*sums, strict=True))
        return of_weight, None, of_positions, None


def _jobs(groups: list[Tensor], *columns: Tensor) -> list[tuple[Tensor, ...]]:
    """Each group with its rows of the columns."""
    if not groups:
        return []
    sizes = [len(group) for group in groups]
    return [*zip(groups, *(column.split(sizes) for column in columns), strict=True)]


def _in_threads(work: Any, jobs: list[Any]) -> list[Any]:
    """`work` of as many shares of the jobs as there are threads."""
    threads = min(torch.get_num_threads(), len(jobs)) or 1
    shares = [jobs[i::threads] for i in range(threads)]
    if threads == 1:
        return [work(shares[0])]
    return [*pool(threads).map(work, shares)]


@cache
def _compiled() -> Any:
    """The loops, compiled at first use and cached on disk."""
    from hopfield.repertoire import _embedding_kernel

    return _embedding_kernel
