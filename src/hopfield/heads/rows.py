"""The statistics of association weights, row by row: how each state of a head associates.

A row is what one state of one head associates with. Rows are made chunk by chunk, so that no
matrix of weights is kept.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hopfield.huggingface.attention import Heads
from hopfield.phases import count_holding

SHARE = 0.9  # of the weight, that k patterns hold: Ramsauer et al. 2020, section 3
AT_ONCE = 2**18  # scores of a chunk: few enough for the second-level cache
FIELDS = (
    "log_partition",
    "entropy",
    "jacobian",
    "heaviest",
    "at",
    "special",
    "k",
    "k_content",
    "first",
    "own",
    "previous",
    "matches",
    "matched",
)


@dataclass(frozen=True)
class Around:
    """What of the sequences around them the statistics of rows ask for.

    Attributes:
        special: `(B, N)`, True at special patterns; None: there are none.
        places: `(B, S)`, the place of each state among the patterns, −1 for one that has none and
            is left out of the profile; None: states and patterns are of different sequences.
        follows: `(B, S, N)`, True where the pattern before carries the same token as the state;
            None where there are no tokens.
    """

    special: Tensor | None = None
    places: Tensor | None = None
    follows: Tensor | None = None


@dataclass(frozen=True)
class Rows:
    """Statistics of every state of every head, `(B, H, S)` each.

    Attributes:
        values: `(B, H, S, 13)`, in the order of `FIELDS`: the log-partition; the entropy in nats;
            the Frobenius norm of the Jacobian diag p − p pᵀ of softmax, without β; the weight of
            the heaviest pattern, and its number; the weight of special patterns; k, the fewest
            patterns that hold 90 % of the weight; the same without special patterns, 0 where they
            hold all; the weight of the first pattern, of the state's own and of the one before;
            how many patterns follow the state's token, and their weight.
        profile: `(H, 2N − 1)`, the weight at each distance from −(N − 1) to N − 1, summed over
            states; None where they have no places.
        readout: `(B, H, S, v)`, if it was asked for.
    """

    values: NDArray[np.float64]
    profile: NDArray[np.float64] | None
    readout: Tensor | None

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        return self.values[..., FIELDS.index(name)]


def rows(heads: Heads, around: Around, *, readout: bool = False) -> Rows:
    """Statistics of all states, and their read-out from the same weights.

    Args:
        heads: what associates: `(B, H, S, d)` with `(B, H, N, d)`.
        around: what there is around them.
        readout: whether to read out.

    Returns:
        Of states that see no pattern the statistics mean nothing.
    """
    batch, count, states, _ = heads.state.shape
    patterns = heads.stored.shape[-2]
    values = np.zeros((batch, count, states, len(FIELDS)))
    profile = None if around.places is None else np.zeros((count, 2 * patterns - 1))
    read = heads.projection.new_empty(*heads.state.shape[:3], heads.projection.shape[-1])
    fill = _compiled if _compiles(heads.state.device) else _plain
    for b, some in _chunks(batch, count, max(1, AT_ONCE // (states * patterns or 1))):
        scores = scores_of(heads, b, some)
        weights = scores.softmax(-1)
        own = None if profile is None else profile[some]
        fill(scores, weights, around, b, values[b, some], own)
        if readout:
            read[b, some] = (weights @ heads.projection[b, some].float()).to(read.dtype)
    return Rows(values, profile, read if readout else None)


def _chunks(batch: int, heads: int, size: int) -> Iterator[tuple[int, slice]]:
    """One sequence and some of its heads after another."""
    for b in range(batch):
        for start in range(0, heads, size):
            yield b, slice(start, start + size)


def scores_of(heads: Heads, b: int, some: slice) -> Tensor:
    """The scores of some heads of one sequence, `(h, S, N)`, at least float32 and finite."""
    association = heads.association
    dtype = torch.promote_types(heads.state.dtype, torch.float32)
    state, stored = heads.state[b, some].to(dtype), heads.stored[b, some].to(dtype)
    scores = (state * association.beta) @ stored.mT
    if heads.softcap is not None:
        scores = heads.softcap * torch.tanh(scores / heads.softcap)

    def own(additive: Tensor) -> Tensor:
        return additive[b if len(additive) > 1 else 0, some if additive.shape[1] > 1 else slice(1)]

    if association.bias is not None:
        scores += own(association.bias)
    if association.mask is not None:
        scores.masked_fill_(~own(association.mask), torch.finfo(dtype).min)
    return scores


def _compiles(device: torch.device) -> bool:
    return device.type == "cpu" and find_spec("numba") is not None


def _compiled(
    scores: Tensor,
    weights: Tensor,
    around: Around,
    b: int,
    out: NDArray[np.float64],
    profile: NDArray[np.float64] | None,
) -> None:
    """By the compiled kernel, some heads on each thread."""
    from hopfield.heads._rows_kernel import fill

    empty: NDArray[Any] = np.empty(0)
    special = empty.astype(np.int64)
    if around.special is not None:
        special = around.special[b].nonzero().squeeze(-1).numpy()
    places = empty.astype(np.int64) if around.places is None else around.places[b].numpy()
    follows = np.empty((0, 0), np.float32)
    if around.follows is not None:
        follows = around.follows[b].float().numpy()
    width = scores.shape[-1]

    def part(some: slice) -> None:
        s = scores[some].float().reshape(-1, width).numpy()
        p = weights[some].float().reshape(-1, width).numpy()
        lines = np.empty((len(p), 0)) if profile is None else profile[some]
        filled = out[some].reshape(-1, len(FIELDS))
        fill(s, p, np.sort(p, axis=-1), places, special, follows, SHARE, filled, lines)
        out[some] = filled.reshape(out[some].shape)

    threads = min(torch.get_num_threads(), len(scores))
    if threads == 1:
        part(slice(None))
        return
    bounds = [len(scores) * t // threads for t in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(part, map(slice, bounds, bounds[1:])))


def _plain(
    scores: Tensor,
    weights: Tensor,
    around: Around,
    b: int,
    out: NDArray[np.float64],
    profile: NDArray[np.float64] | None,
) -> None:
    """By PyTorch, on any device."""
    device, patterns = scores.device, scores.shape[-1]
    p, s = weights.double(), scores.double()
    heaviest, at = p.max(-1)
    highest = s.gather(-1, at[..., None])
    others = p.scatter(-1, at[..., None], 0.0)
    rest, squares = others.sum(-1), others.square().sum(-1)
    fourths = others.pow(4).sum(-1)
    own = (others * (1 - others)).square().sum(-1) + (heaviest * rest).square()
    pairs = 2 * heaviest.square() * squares + (squares.square() - fourths).clamp(min=0.0)
    content, held = p, torch.zeros_like(heaviest)
    if around.special is not None:
        special = around.special[b].to(device)
        content, held = p.masked_fill(special, 0.0), p.masked_fill(~special, 0.0).sum(-1)
    k = count_holding(p, SHARE)
    enough = heaviest + rest - held > 1e-6
    k_content = torch.where(enough, count_holding(content, SHARE), 0) if held.any() else k
    found = {
        "log_partition": highest.squeeze(-1) - heaviest.log(),
        "entropy": (others * (highest - s)).sum(-1) - heaviest.log(),
        "jacobian": (own + pairs).sqrt(),
        "heaviest": heaviest,
        "at": at,
        "special": held,
        "k": k,
        "k_content": k_content,
        "first": p[..., 0],
    }
    if around.places is not None and profile is not None:
        places = around.places[b].to(device)
        index = places.clamp(min=0).expand(heaviest.shape)[..., None]
        found["own"] = p.gather(-1, index).squeeze(-1).masked_fill(places < 0, 0.0)
        before = p.gather(-1, (index - 1).clamp(min=0)).squeeze(-1)
        found["previous"] = before.masked_fill(places <= 0, 0.0)
        distance = torch.arange(patterns, device=device) - places[:, None] + patterns - 1
        there = p[:, places >= 0].flatten(1)
        line = torch.zeros(len(p), 2 * patterns - 1, dtype=p.dtype, device=device)
        profile += line.index_add(-1, distance[places >= 0].flatten(), there).numpy(force=True)
    if around.follows is not None:
        follows = around.follows[b].to(p)
        found["matches"] = follows.sum(-1).expand(heaviest.shape)
        found["matched"] = (p * follows).sum(-1)
    for name, value in found.items():
        out[..., FIELDS.index(name)] = value.numpy(force=True)
