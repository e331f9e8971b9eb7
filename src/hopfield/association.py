"""How states associate with stored patterns, apart from what is stored."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hopfield.reduction.inputs import of_bag, optional, single
from hopfield.separation import Separation, for_states
from hopfield.similarity import Similarity

HALF_PRECISION_ROOM = 256.0  # βξ may overflow float16 where the scores, in float32, would not


@dataclass(frozen=True)
class Association:
    """The checked settings of a network.

    Attributes:
        beta: a number, or a tensor `(..., S or 1, 1)`.
        bias: `(..., S or 1, N)` or None.
        mask: `(..., S or 1, N)`, bool, or None.
        separation: how scores become weights.
        similarity: how patterns are compared.
        backend: the implementation asked for, or None.
        causal: whether the mask is the lower triangle, so that half of the scores may be skipped.
        dropout: the probability with which the read-out of a projection drops a weight.
    """

    beta: float | Tensor
    bias: Tensor | None
    mask: Tensor | None
    separation: Separation
    similarity: Similarity
    backend: str | None = None
    causal: bool = False
    dropout: float = 0.0

    @property
    def own(self) -> list[Tensor]:
        """The tensors that may differ from state to state."""
        alpha = getattr(self.separation, "alpha", None)
        mine = (self.beta, self.bias, self.mask, alpha)
        return [tensor for tensor in mine if isinstance(tensor, Tensor)]

    @property
    def alike(self) -> bool:
        """Whether it is the same for all states, so that their leading dimensions do not matter."""
        return all(single(tensor.shape[:-1]) for tensor in self.own)

    def for_states(self, select: Callable[[Tensor], Tensor]) -> "Association":
        """The same for a selection of states: `select` acts on `(..., S or 1, ·)` tensors."""
        return replace(
            self,
            beta=select(self.beta) if isinstance(self.beta, Tensor) else self.beta,
            bias=optional(select, self.bias),
            mask=optional(select, self.mask),
            separation=for_states(self.separation, select),
            causal=False,
        )

    def for_patterns(self, index: slice | Tensor) -> "Association":
        """The same for some of the patterns."""

        def select(tensor: Tensor) -> Tensor:
            if tensor.shape[-1] == 1 and isinstance(index, slice):  # the same for all patterns
                return tensor.expand(*tensor.shape[:-1], index.stop - index.start)
            return tensor[..., index]

        bias, mask = optional(select, self.bias), optional(select, self.mask)
        return replace(self, bias=bias, mask=mask, causal=False)

    def for_bags(self, index: int | Tensor) -> "Association":
        """The same for some bags, or for one, without their dimension; bias and mask have none."""

        def select(tensor: Tensor) -> Tensor:
            if isinstance(index, int):
                return of_bag(tensor, index)
            per_bag = tensor.dim() > 2 and tensor.shape[-3] > 1
            return tensor.index_select(-3, index) if per_bag else tensor

        own = replace(self, bias=None, mask=None).for_states(select)
        return replace(own, bias=self.bias, mask=self.mask)

    def of_states(self, state: Tensor) -> tuple[float, Tensor]:
        """What scales the scores, and states with the rest of a tensor β multiplied in."""
        if isinstance(self.beta, Tensor):
            room = HALF_PRECISION_ROOM if state.dtype == torch.float16 else 1.0
            return room, (state * (self.beta / room)).to(state.dtype)
        return self.beta, state

    def energy_scale(self, dtype: torch.dtype) -> float | Tensor:
        """β as a divisor of `(..., S)`."""
        return self.beta.squeeze(-1).to(dtype) if isinstance(self.beta, Tensor) else self.beta
