"""What lies round the heads of a call: which states count, what they see, which tokens are near."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hopfield.heads.rows import Near


@dataclass(frozen=True)
class Stream:
    """A sequence that states or patterns stand for.

    Attributes:
        tokens: `(B, N)`, or None: it has none, as an image.
        special: `(B, N)`, True at special tokens, or None.
        mask: `(B, N)`, True where there is no padding, or None: there is none.
    """

    tokens: Tensor | None
    special: Tensor | None
    mask: Tensor | None


@dataclass(frozen=True)
class Surroundings:
    """The same for all heads of a call, and for all calls with the same mask.

    Attributes:
        mask: `(B or 1, S or 1, N)`, True is visible; None: all are.
        chosen: `(B, Q)`, the states that are looked at; None: all.
        valid: `(B, Q)`, False at padding.
        visible: `(B, Q)`, how many patterns each sees.
        content: `(B, Q)`, how many of them are not special.
        near: what statistics ask for, of each sequence.
        reachable: see `Tally`; None where states and patterns are of different sequences.
    """

    mask: Tensor | None
    chosen: Tensor | None
    valid: NDArray[np.bool_]
    visible: NDArray[np.int64]
    content: NDArray[np.int64]
    near: list[Near]
    reachable: NDArray[np.float64] | None


def look_round(
    mask: Tensor | None,
    shape: tuple[int, int, int],
    of_states: Stream,
    of_patterns: Stream,
    cross: bool,
    sample: int | None,
    seeds: Sequence[tuple[int, int]],
) -> Surroundings:
    """The surroundings of a call.

    Args:
        mask: `(B or 1, S or 1, N)`, True is visible, or None.
        shape: B, S and N.
        of_states: the sequence of the states.
        of_patterns: that of the stored patterns.
        cross: whether they are different ones.
        sample: how many states of each sequence to choose at random; None for all.
        seeds: of that choice, for each sequence.
    """
    batch, states, patterns = shape
    seen = torch.ones(1, 1, patterns, dtype=torch.bool) if mask is None else mask.cpu()
    seen = seen.expand(batch, -1, -1)
    valid = _valid(seen, states, cross, of_states)
    chosen = None
    if sample is not None and sample < states:
        chosen = _chosen(valid, sample, seeds)
        valid = valid.gather(-1, chosen)
        if seen.shape[1] > 1:
            seen = seen.gather(1, chosen[..., None].expand(-1, -1, patterns))
    visible = seen.sum(-1).expand(valid.shape)
    valid = valid & (visible > 0)
    special = _fitting(of_patterns.special, patterns)
    content = visible
    if special is not None:
        content = (seen & ~special[:, None]).sum(-1).expand(valid.shape)
    places = torch.full(valid.shape, -1)
    follows = reachable = None
    if not cross and states <= patterns:
        places = torch.arange(states).expand(batch, -1) if chosen is None else chosen
        places = (places + patterns - states).masked_fill(~valid, -1)
        tokens = _fitting(of_patterns.tokens, patterns)
        follows = None if tokens is None else _follows(tokens, places, seen)
        reachable = _reachable(places, seen, visible)
    near = [_near(places[b], _of(special, b), _of(follows, b)) for b in range(batch)]
    found = (valid.numpy(), visible.numpy(), content.numpy())
    return Surroundings(mask, chosen, *found, near, reachable)


def _of(tensor: Tensor | None, b: int) -> Tensor | None:
    return None if tensor is None else tensor[b]


def _near(places: Tensor, special: Tensor | None, follows: Tensor | None) -> Near:
    """Of one sequence: places `(S,)`, and as numbers special `(N,)` and follows `(S, N)`."""
    nothing = Near.nothing(len(places))
    left_out = nothing.special if special is None else special.nonzero()[:, 0].numpy()
    if follows is None:
        return Near(left_out, places.numpy(), nothing.starts, nothing.follows)
    starts = np.concatenate([[0], follows.sum(-1).cumsum(0).numpy()])
    return Near(left_out, places.numpy(), starts, follows.nonzero()[:, 1].contiguous().numpy())


def _chosen(valid: Tensor, sample: int, seeds: Sequence[tuple[int, int]]) -> Tensor:
    """`(B, sample)`: states at random, the same with more padding or in another batch."""
    order = torch.full(valid.shape, 2.0)
    for row, own, seed in zip(order, valid, seeds, strict=True):
        drawn = np.random.default_rng(seed).random(int(own.sum()), np.float32)
        row[own] = torch.from_numpy(drawn)
    return order.argsort(dim=-1, stable=True)[:, :sample].sort(-1).values


def _valid(seen: Tensor, states: int, cross: bool, stream: Stream) -> Tensor:
    """`(B, S)`: a state is padding if nobody sees the pattern of its place, or its mask says so."""
    batch, _, patterns = seen.shape
    if not cross and states <= patterns:  # states have the last places
        return seen.any(1)[:, patterns - states :]
    own = _fitting(stream.mask, states)
    return torch.ones(batch, states, dtype=torch.bool) if own is None else own.bool()


def _fitting(of_stream: Tensor | None, size: int) -> Tensor | None:
    """What is known of a stream, if it has as many places; some models shorten theirs."""
    return None if of_stream is None or of_stream.shape[-1] != size else of_stream.cpu()


def _follows(tokens: Tensor, places: Tensor, seen: Tensor) -> Tensor:
    """`(B, S, N)`: the pattern is seen, and the token before it, elsewhere, is the state's own."""
    own = tokens.gather(-1, places.clamp(min=0))
    same = own[..., None] == tokens[:, None, :-1]
    elsewhere = places[..., None] != torch.arange(tokens.shape[-1] - 1)
    follows = torch.zeros(*places.shape, tokens.shape[-1], dtype=torch.bool)
    follows[..., 1:] = same & elsewhere
    return follows & seen


def _reachable(places: Tensor, seen: Tensor, visible: Tensor) -> NDArray[np.float64]:
    """Of each distance from −(N − 1) to N − 1, `(2, 2N − 1)`: how many states see a pattern there,
    and the weight that it would have in them if weights were uniform.
    """
    batch, patterns = len(seen), seen.shape[-1]
    found = np.zeros((2, 2 * patterns - 1))
    for b in range(batch):
        there = places[b] >= 0
        each = 1.0 / visible[b][there].double().numpy()
        places_there = places[b][there]
        for line, weight in zip(found, (np.ones_like(each), each), strict=True):
            if seen.shape[1] == 1:
                marks = np.bincount(places_there.numpy(), weight, patterns)
                line += np.correlate(seen[b, 0].numpy().astype(float), marks, "full")
            else:
                state, pattern = seen[b, there].nonzero(as_tuple=True)
                distance = (pattern - places_there[state] + patterns - 1).numpy()
                line += np.bincount(distance, weight[state.numpy()], 2 * patterns - 1)
    return found
