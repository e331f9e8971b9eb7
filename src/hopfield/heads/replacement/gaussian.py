"""Gaussian attention: weights by place alone."""

from collections.abc import Mapping
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.heads.replacement.replacement import Replacement
from hopfield.heads.replacement.visible import Visible

LEAST = 1e-3  # of the sum of a bell, whose highest weight is 1


def scaled(places: Tensor, count: int) -> Tensor:
    """Places 0 to `count` − 1 as numbers from −1 to 1; 0 where there is one."""
    half = 0.5 * (count - 1)
    return (places - half) / (half or 1.0)


class GaussianAttention(Replacement):
    """One head whose weights are a discrete Gaussian over the places of the keys.

    The query at place i reads out Σ_j A_ij v_j with A_ij ∝ exp(−½ ((s_j − μ_i)/σ_i)²) over the
    visible keys j, where s_j scales the places 0 to N − 1 to [−1, 1]: Ramsauer et al. 2020 (arXiv
    2008.02217), A.5.1.5, there for sequences of exactly N tokens. Here a shorter sequence takes the
    first places: a key stays where it is, so that "the token before" is a Gaussian at any length,
    and the weights of the keys that are there sum to 1. Padding before a sequence is not counted.

    It begins as in the paper: μ from U(−1, 1), σ from U(0.75, 1.25).

    Args:
        positions: N, the longest sequence.

    Attributes:
        mu: μ, `(N,)`, in units of s.
        log_sigma: ln σ, `(N,)`: σ stays above 0 while it is learned.
    """

    kind = "gaussian"

    def __init__(self, positions: int) -> None:
        super().__init__()
        positions = _check.positive_int("positions", positions)
        self.mu = nn.Parameter(torch.empty(positions).uniform_(-1, 1))
        self.log_sigma = nn.Parameter(torch.empty(positions).uniform_(0.75, 1.25).log_())

    @classmethod
    def of(cls, mean: Float[Tensor, " N"], deviation: Float[Tensor, " N"]) -> Self:
        """The one with given means and standard deviations, in tokens; means count from 0."""
        _check.broadcasts("deviation", deviation, (1, len(mean)), "(N,)")
        made = cls(len(mean))
        half = 0.5 * (len(mean) - 1) or 1.0
        with torch.no_grad():
            made.mu.copy_(scaled(mean, len(mean)))
            made.log_sigma.copy_((deviation / half).log())
        return made

    @classmethod
    def shaped(cls, state: Mapping[str, Tensor]) -> Self:
        return cls(len(state["mu"]))

    @property
    def positions(self) -> int:
        """N, the longest sequence."""
        return len(self.mu)

    def weights(self, visible: Visible) -> Float[Tensor, "_ S N"]:
        """The association weights, `(B or 1, S, N)`, in float32.

        Raises:
            ArgumentError: the sequence is longer than those that it is made for.
        """
        scores = self._scores(visible)
        if visible.mask is None:
            return scores.softmax(-1)
        hidden = ~visible.mask
        weights = scores.masked_fill(hidden, torch.finfo(scores.dtype).min).softmax(-1)
        return weights.masked_fill(hidden, 0.0)

    def forward(self, value: Float[Tensor, "B N v"], visible: Visible) -> Float[Tensor, "B S v"]:
        readout = self._shared(value, visible)
        return self.weights(visible).to(value.dtype) @ value if readout is None else readout

    def _scores(self, visible: Visible) -> Float[Tensor, "_ S N"]:
        if max(visible.keys, visible.queries) > self.positions:
            raise ArgumentError(
                f"a sequence has {max(visible.keys, visible.queries)} tokens; Gaussian attention "
                f"was made for {self.positions} at most: truncate, or fit it to longer text"
            )
        own = visible.query_places
        mu, sigma = self.mu.float()[own], self.log_sigma.float()[own].exp()
        place = scaled(visible.key_places, self.positions)
        return -0.5 * ((place[:, None, :] - mu[..., None]) / sigma[..., None]).square()

    def _shared(self, value: Tensor, visible: Visible) -> Tensor | None:
        """The read-out by the same weights for sequences that differ in the padding behind them.

        None where that is not so, or where a sequence has too little of them in sight.
        """
        mask = visible.mask
        if mask is None or mask.shape[1] > 1 or len(visible.key_places) > 1:
            return None
        seen = mask.mT.to(value.dtype)
        scores = self._scores(visible)
        bell = (scores - scores.amax(-1, keepdim=True)).exp().to(value.dtype)
        readout = bell @ torch.cat([value * seen, seen.expand(len(value), -1, -1)], -1)
        total = readout[..., -1:]
        real = seen if visible.queries == visible.keys else torch.ones_like(total)
        if bool((total * real < LEAST * real).any()):
            return None
        return readout[..., :-1] / total.clamp(min=LEAST)
