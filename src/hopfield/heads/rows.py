"""The statistics of association weights, row by row: how each state of a head associates.

A row is what one state of one head associates with. Rows are made chunk by chunk, so that no
matrix of weights is kept.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hopfield._threads import pool
from hopfield.huggingface.attention import Heads
from hopfield.phases import count_holding

SHARE = 0.9  # of the weight, that k patterns hold: Ramsauer et al. 2020, section 3
INSTALLED = find_spec("numba") is not None
AT_ONCE = 2**18  # scores of a chunk: few enough for the second-level cache
FIELDS = (
    *("log_partition", "entropy", "jacobian", "heaviest", "at", "special", "k", "k_content"),
    *("first", "own", "previous", "matches", "matched"),
)


@dataclass(frozen=True)
class Near:
    """What of one sequence the statistics of S rows ask for.

    Attributes:
        special: the numbers of special patterns.
        places: `(S,)`, the place of each state among the patterns; −1 for one that has none, or is
            left out of the profile.
        starts: `(S + 1,)`: state i has `follows[starts[i]:starts[i + 1]]`.
        follows: the numbers of the patterns that follow the token of a state.
    """

    special: NDArray[np.int64]
    places: NDArray[np.int64]
    starts: NDArray[np.int64]
    follows: NDArray[np.int64]

    @classmethod
    def nothing(cls, states: int) -> "Near":
        """No places, no tokens."""
        none = np.empty(0, np.int64)
        return cls(none, np.full(states, -1), np.zeros(states + 1, np.int64), none)


@dataclass(frozen=True)
class Rows:
    """Statistics of every state of every head, `(B, H, S)` each, by name: `rows["k"]`.

    Attributes:
        values: `(B, H, S, 13)`, in the order of `FIELDS`: the log-partition; the entropy in nats;
            the Frobenius norm of the Jacobian diag p − p pᵀ of softmax, without β; the weight of
            the heaviest pattern, and its number; the weight of special patterns; k, the fewest
            patterns that hold 90 % of the weight; the same without special patterns, 0 where they
            hold all; the weight of the first pattern, of the state's own and of the one before;
            how many patterns follow the state's token, and their weight.
        profile: `(H, 2N − 1)`, the weight at each distance from −(N − 1) to N − 1, summed over the
            states that have places.
        readout: `(B, H, S, v)`, if it was asked for.
    """

    values: NDArray[np.float64]
    profile: NDArray[np.float64]
    readout: Tensor | None

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        return self.values[..., FIELDS.index(name)]


def rows(heads: Heads, near: Sequence[Near], *, readout: bool = False) -> Rows:
    """Statistics of all states, and their read-out from the same weights.

    Args:
        heads: what associates: `(B, H, S, d)` with `(B, H, N, d)`.
        near: what there is of each of the B sequences.
        readout: whether to read out.

    Returns:
        Of states that see no pattern the statistics mean nothing.
    """
    batch, count, states, _ = heads.state.shape
    patterns = heads.stored.shape[-2]
    values = np.zeros((batch, count, states, len(FIELDS)))
    read = heads.projection.new_empty(*heads.state.shape[:3], heads.projection.shape[-1])
    chunks = list(_chunks(batch, count, max(1, AT_ONCE // (states * patterns or 1))))
    compiles = _compiles(heads)
    weigh = _compiled if compiles else _plain

    def work(own: list[tuple[int, slice]]) -> NDArray[np.float64]:
        profile = np.zeros((count, 2 * patterns - 1))
        for b, some in own:
            weights = weigh(scores_of(heads, b, some), near[b], values[b, some], profile[some])
            if readout:
                read[b, some] = weights @ heads.projection[b, some].to(weights.dtype)
        return profile

    profile = np.add.reduce(_shared_out(work, chunks) if compiles else [work(chunks)])
    return Rows(values, profile, read if readout else None)


def _shared_out(work: Callable[[list[Any]], Any], chunks: list[Any]) -> list[Any]:
    """What `work` makes of a share of the chunks for each of PyTorch's threads.

    Each share is worked through on one thread, products of matrices included: threads that wait for
    one another at every chunk take twice as long as one.
    """
    threads = min(torch.get_num_threads(), len(chunks))
    if threads <= 1:
        return [work(chunks)]
    before = torch.get_num_threads()

    def alone(own: list[Any]) -> Any:
        torch.set_num_threads(1)  # of this thread, and of those that begin after it
        with torch.no_grad():
            return work(own)

    try:
        return list(pool(threads).map(alone, (chunks[t::threads] for t in range(threads))))
    finally:
        torch.set_num_threads(before)


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

    def own(tensor: Tensor) -> Tensor:
        return tensor[b if len(tensor) > 1 else 0, some if tensor.shape[1] > 1 else slice(1)]

    beta = association.beta
    beta = own(beta) if isinstance(beta, Tensor) and beta.dim() == 4 else beta  # one for each head
    scores = (state * beta) @ stored.mT
    if heads.softcap is not None:
        scores = heads.softcap * torch.tanh(scores / heads.softcap)
    if association.bias is not None:
        scores += own(association.bias)
    if association.mask is not None:
        scores.masked_fill_(~own(association.mask), torch.finfo(dtype).min)
    return scores


def _compiles(heads: Heads) -> bool:
    """Whether the compiled kernel is there and takes the scores of these."""
    tensor = heads.state
    fits = tensor.device.type == "cpu" and tensor.dtype != torch.float64
    return fits and heads.state.numel() * heads.stored.numel() > 0 and INSTALLED


def _compiled(
    scores: Tensor, near: Near, out: NDArray[np.float64], profile: NDArray[np.float64]
) -> Tensor:
    """By the compiled kernel; the scores become the weights."""
    from hopfield.heads._rows_kernel import fill

    lines = np.empty_like(profile, "f4")
    given = (near.places, near.special, near.starts, near.follows)
    rows = scores.reshape(-1, scores.shape[-1]).numpy()
    fill(rows, *given, SHARE, out.reshape(-1, len(FIELDS)), profile, lines)
    return scores


def _plain(
    scores: Tensor, near: Near, out: NDArray[np.float64], profile: NDArray[np.float64]
) -> Tensor:
    """By PyTorch, on any device; the weights."""
    weights = scores.softmax(-1)
    p, s, device, patterns = weights.double(), scores.double(), scores.device, scores.shape[-1]
    heaviest, at = p.max(-1)
    highest = s.gather(-1, at[..., None])
    others = p.scatter(-1, at[..., None], 0.0)
    rest, squares = others.sum(-1), others.square().sum(-1)
    own = (others * (1 - others)).square().sum(-1) + (heaviest * rest).square()
    pairs = (squares.square() - others.pow(4).sum(-1)).clamp(min=0.0)
    pairs += 2 * heaviest.square() * squares
    held = p[..., torch.from_numpy(near.special).to(device)].sum(-1)
    content = p.index_fill(-1, torch.from_numpy(near.special).to(device), 0.0)
    enough = heaviest + rest - held > 1e-6
    k = count_holding(p, SHARE)
    starts = torch.from_numpy(near.starts).to(device)
    matches = starts.diff()
    follows = torch.zeros(matches.shape[0], patterns, dtype=p.dtype, device=device)
    state = torch.arange(len(matches), device=device).repeat_interleave(matches)
    follows[state, torch.from_numpy(near.follows).to(device)] = 1.0
    places = torch.from_numpy(near.places).to(device)
    there = places.clamp(min=0).expand(heaviest.shape)[..., None]
    before = p.gather(-1, (there - 1).clamp(min=0)).squeeze(-1)
    distance = torch.arange(patterns, device=device) - places[:, None] + patterns - 1
    line = torch.zeros(len(p), 2 * patterns - 1, dtype=p.dtype, device=device)
    line.index_add_(-1, distance[places >= 0].flatten(), p[:, places >= 0].flatten(1))
    profile += line.numpy(force=True)
    found = {
        "log_partition": highest.squeeze(-1) - heaviest.log(),
        "entropy": (others * (highest - s)).sum(-1) - heaviest.log(),
        "jacobian": (own + pairs).sqrt(),
        "heaviest": heaviest,
        "at": at,
        "special": held,
        "k": k,
        "k_content": torch.where(enough, count_holding(content, SHARE), 0),
        "first": p[..., 0],
        "own": p.gather(-1, there).squeeze(-1).masked_fill(places < 0, 0.0),
        "previous": before.masked_fill(places <= 0, 0.0),
        "matches": matches.expand(heaviest.shape),
        "matched": (p * follows).sum(-1),
    }
    for number, name in enumerate(FIELDS):
        out[..., number] = found[name].numpy(force=True)
    return weights
