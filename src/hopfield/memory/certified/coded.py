"""Segments with eight-bit codes, and a scan of all codes: how heavy each tile of patterns is."""

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hopfield import _check
from hopfield._threads import spread
from hopfield.memory.contents import Held
from hopfield.memory.form import Form
from hopfield.memory.network import bias_of

Array = NDArray[Any]
PROBED = 16  # tiles that tell how heavy the others are
NEGLIGIBLE = 17.0  # e^−17 is the rounding of float32


@cache
def kernel() -> ModuleType:
    """The compiled loops."""
    _check.extra("numba", "memory")
    from hopfield.memory.certified import _kernel

    return _kernel


@dataclass(frozen=True)
class Part:
    """A segment, as the compiled loops take it.

    Attributes:
        stored: `(n, d)`, the patterns as they are stored.
        bias: `(n,)`, float32.
        squares: `(n,)`, float32, ‖x_i‖².
        codes: `(n, d)`, int8.
        scales: `(n,)`, float32.
        errors: `(tiles · TILE,)`, float32, how far a code may be from its pattern; 0 beyond n.
        tile_errors: `(tiles,)`, float64, the largest of a tile.
        lowest: the least bias of a pattern that is there.
        highest: the largest.
    """

    stored: Tensor
    bias: Array
    squares: Array
    codes: Array
    scales: Array
    errors: Array
    tile_errors: Array
    lowest: float
    highest: float


def part_of(form: Form, beta: float, held: Held) -> Part:
    """A segment as a part."""
    segment, tile = held.segment, kernel().TILE
    bias = bias_of(form, beta, held)
    bias = torch.zeros_like(segment.half_norms) if bias is None else bias
    assert segment.codes is not None
    assert segment.scales is not None
    assert segment.errors is not None
    errors = torch.nn.functional.pad(segment.errors, (0, -len(segment) % tile))
    there = bias if held.removed is None else bias[~held.removed]
    lowest, highest = there.aminmax() if len(there) else bias.new_zeros(2)
    return Part(
        stored=segment.patterns,
        bias=bias.numpy(),
        squares=(-2 * segment.half_norms).numpy(),
        codes=segment.codes.numpy(),
        scales=segment.scales.numpy(),
        errors=errors.numpy(),
        tile_errors=errors.view(-1, tile).amax(-1).double().numpy(),
        lowest=float(lowest),
        highest=float(highest),
    )


@dataclass(frozen=True)
class Survey:
    """What a scan of all codes gives; tiles of all parts are numbered one after the other.

    Attributes:
        tops: `(S, tiles)`, the highest score of each tile.
        masses: `(S, tiles)`, Σ exp(score − highest) over it.
        numerator: `(S, d)`, Σ exp(score − level) x̂ over all patterns; None if it was not read out.
        level: `(S,)`.
    """

    tops: Array
    masses: Array
    numerator: Array | None
    level: Array


def survey(
    parts: tuple[Part, ...], query: Array, longest: float, reads: bool | None = None
) -> Survey:
    """Scan the codes for states times β, `(S, d)`; `longest` is M.

    With `reads`, all are read out in the same pass; by default where no pattern could outweigh all
    others.
    """
    numbers = [len(part.tile_errors) for part in parts]
    tops = np.full((len(query), sum(numbers)), -np.inf, np.float32)
    masses = np.zeros_like(tops)
    if reads is None:
        reads = any(_level_is_high(part, query, longest) for part in parts)
    jobs = []
    for part, first in zip(parts, np.cumsum([0, *numbers]), strict=False):
        own = slice(first, first + len(part.tile_errors))
        jobs += [(part, low, high, own) for low, high in _shares(len(part.tile_errors))]
    numerators = np.zeros((len(jobs), *query.shape))
    levels = np.full((len(jobs), len(query)), -np.inf)

    def work(job: int) -> None:
        part, low, high, own = jobs[job]
        into = (tops[:, own], masses[:, own], reads, numerators[job], levels[job])
        kernel().survey(query, part.codes, part.scales, part.bias, low, high, *into)

    spread(work, range(len(jobs)), torch.get_num_threads())
    if not reads:
        return Survey(tops, masses, None, levels.max(0, initial=-np.inf))
    level = levels.max(0)
    grown = np.exp(levels - np.where(np.isneginf(level), 0.0, level))
    return Survey(tops, masses, (grown[..., None] * numerators).sum(0), level)


def _level_is_high(part: Part, query: Array, longest: float) -> bool:
    """Whether some tiles are so heavy that, for most states, no pattern could outweigh all."""
    number = len(part.tile_errors)
    some = sorted({number * i // PROBED for i in range(PROBED)})
    tops = np.empty((len(query), number), np.float32)
    masses = np.empty_like(tops)
    nothing = False, np.zeros(query.shape), np.full(len(query), -np.inf)
    for tile in some:
        into = (tile, tile + 1, tops, masses, *nothing)
        kernel().survey(query, part.codes, part.scales, part.bias, *into)
    with np.errstate(divide="ignore"):
        of_tiles = tops[:, some] + np.log(masses[:, some])
    level = np.median(of_tiles, axis=-1) + math.log(number)  # whatever one of them holds
    highest = np.linalg.norm(query, axis=-1) * longest + part.highest
    return bool((level + NEGLIGIBLE > highest).sum() > 0.5 * len(query))


def _shares(tiles: int) -> list[tuple[int, int]]:
    """A share of the tiles for each thread."""
    shares = min(torch.get_num_threads(), tiles)
    bounds = [tiles * i // shares for i in range(shares + 1)] if shares else []
    return [*pairwise(bounds)]
