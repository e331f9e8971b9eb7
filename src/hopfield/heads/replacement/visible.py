"""Which keys each query of one call of attention sees, and at which places both are."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hopfield.errors import ArgumentError


@dataclass(frozen=True)
class Visible:
    """The visible keys of the queries of one call of attention.

    Attributes:
        mask: True where a query sees a key, `(B or 1, S or 1, N)`; None where all see all.
        queries: S.
        keys: N.
        causal: whether a query is at the place of the last key that it sees.
        cut: whether keys before a sliding window are gone, and with them the places of the others.
        device: of all tensors.
    """

    mask: Bool[Tensor, "_ _ N"] | None
    queries: int
    keys: int
    causal: bool
    cut: bool
    device: torch.device

    @cached_property
    def uniform(self) -> Float[Tensor, "_ _ N"]:
        """The same weight for each visible key, `(B or 1, S or 1, N)`; 0 where none is visible."""
        if self.mask is None:
            return torch.full((1, 1, self.keys), 1 / self.keys, device=self.device)
        weights = self.mask.float()
        return weights / weights.sum(-1, keepdim=True).clamp(min=1.0)

    @cached_property
    def key_places(self) -> Int[Tensor, "_ N"]:
        """The place of each key, `(B or 1, N)`: 0 is the first that any query sees.

        Padding before a sequence has places below 0.

        Raises:
            ArgumentError: a sliding window has cut off the beginning of the sequence.
        """
        if self.cut:
            raise ArgumentError(
                "a cache with a sliding window keeps no places of keys, which Gaussian attention "
                "needs; run the model with use_cache=False, or replace these heads by 'uniform'"
            )
        places = torch.arange(self.keys, device=self.device)[None]
        if self.mask is None:
            return places
        first = self.mask.any(-2).int().argmax(-1, keepdim=True)
        return places - first if first.any() else places

    @cached_property
    def query_places(self) -> Int[Tensor, "_ S"]:
        """The place of each query, `(B or 1, S)`, at least 0."""
        if self.causal and self.mask is not None:
            last = self.keys - 1 - self.mask.flip(-1).int().argmax(-1)
            return self.key_places.expand(len(last), -1).gather(-1, last).clamp(min=0)
        if self.causal:  # one query, after all keys
            return self.key_places[:, -self.queries :]
        if self.queries == self.keys:
            return self.key_places.clamp(min=0)
        return torch.arange(self.queries, device=self.device)[None]


def visible_keys(
    attention_mask: Tensor | None,
    queries: int,
    keys: int,
    *,
    causal: bool,
    sliding_window: int | None,
    device: torch.device,
) -> Visible:
    """What transformers hands to attention as mask, as replacements need it.

    Args:
        attention_mask: `(B or 1, 1, S, N)`, bool, True where a key is seen; or floating, to be
            added to the scores: half of the least number and less hides a key. None: all keys are
            seen, or with `causal` and several queries those up to the query itself.
        queries: S.
        keys: N.
        causal: whether the layer is causal.
        sliding_window: how many keys a query sees at most, or None.
        device: of the queries.
    """
    windowed = sliding_window is not None and queries < keys >= sliding_window
    cut = causal and windowed
    mask = None if attention_mask is None else attention_mask[:, 0]
    if mask is None and causal and queries > 1:
        mask = torch.ones(1, queries, keys, dtype=torch.bool, device=device).tril()
    elif mask is not None and mask.dtype != torch.bool:
        mask = mask > torch.finfo(mask.dtype).min / 2
    if mask is not None and not causal and torch.equal(mask, mask[:, :1].expand_as(mask)):
        mask = mask[:, :1]  # all queries see the same
    return Visible(mask, queries, keys, causal, cut, device)
