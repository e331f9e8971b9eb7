"""The arguments of one reduction, as every implementation receives them."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest

import torch
from torch import Tensor


@dataclass(frozen=True)
class Inputs:
    """States and the stored patterns that they associate with; leading dimensions broadcast.

    Attributes:
        state: `(..., S, d)`; a tensor β is multiplied in already.
        stored: `(..., N, d)`.
        projection: `(..., N, v)`, or None to read out the stored patterns themselves.
        scale: what the dot products are multiplied with: a β that is a number, else 1.
        bias: `(..., S or 1, N)`, added to the scores; −inf masks.
        mask: `(..., S or 1, N)`, bool, True takes part.
        causal: whether the mask is the lower triangle.
        dropout: the probability with which a weight is dropped from the read-out.
        lead: the leading dimensions of the result.
    """

    state: Tensor
    stored: Tensor
    projection: Tensor | None
    scale: float
    bias: Tensor | None = None
    mask: Tensor | None = None
    causal: bool = False
    dropout: float = 0.0
    lead: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        tensors = (self.state, self.stored, self.projection, self.bias, self.mask)
        leads = [tensor.shape[:-2] for tensor in tensors if tensor is not None]
        object.__setattr__(self, "lead", broadcast(leads))

    @property
    def values(self) -> Tensor:
        """What is read out, `(..., N, v)`."""
        return self.stored if self.projection is None else self.projection

    @property
    def reads_nothing(self) -> bool:
        """Whether the log-partition alone is wanted."""
        return self.values.shape[-1] == 0

    @property
    def states(self) -> int:
        """S."""
        return self.state.shape[-2]

    @property
    def patterns(self) -> int:
        """N."""
        return self.stored.shape[-2]

    @property
    def rows(self) -> int:
        """The number of states in all, leading dimensions included."""
        return math.prod(self.lead) * self.states

    @property
    def wide(self) -> torch.dtype:
        """The dtype in which scores are computed: at least float32."""
        return torch.promote_types(self.state.dtype, torch.float32)

    def mixed(self) -> str | None:
        """Why PyTorch's attention cannot take these: states and patterns differ in dtype."""
        state, stored, values = self.state.dtype, self.stored.dtype, self.values.dtype
        if state == stored == values or torch.is_autocast_enabled(self.state.device.type):
            return None
        return f"it takes one dtype, not states in {state}, patterns in {stored} and {values}"

    def scores(self, rows: slice = slice(None), columns: slice = slice(None)) -> Tensor:
        """Scores of some states with some patterns, `(..., rows, columns)`; −inf where masked."""
        state = self.state[..., rows, :].to(self.wide) * self.scale
        scores = state @ self.stored[..., columns, :].to(self.wide).mT
        additive = self.additive(rows, columns)
        return scores if additive is None else scores + additive

    def additive(self, rows: slice = slice(None), columns: slice = slice(None)) -> Tensor | None:
        """Bias and mask as one term to add, `(..., rows or 1, columns)`."""
        bias = None if self.bias is None else part(self.bias, rows, columns).to(self.wide)
        if self.mask is None:
            return bias
        mask = part(self.mask, rows, columns)
        visible = mask.new_zeros((), dtype=self.wide) if bias is None else bias
        return torch.where(mask, visible, -torch.inf)

    def some_states(self, rows: slice) -> "Inputs":
        """The same for a slice of the states."""
        return replace(
            self,
            state=self.state[..., rows, :],
            causal=False,
            bias=optional(lambda tensor: part(tensor, rows), self.bias),
            mask=optional(lambda tensor: part(tensor, rows), self.mask),
        )

    def some_patterns(self, columns: slice) -> "Inputs":
        """The same for a slice of the patterns."""
        return replace(
            self,
            stored=self.stored[..., columns, :],
            causal=False,
            projection=optional(lambda tensor: tensor[..., columns, :], self.projection),
            bias=optional(lambda tensor: tensor[..., columns], self.bias),
            mask=optional(lambda tensor: tensor[..., columns], self.mask),
        )


def broadcast(leads: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The shape to which leading dimensions that fit broadcast; much faster than PyTorch's."""
    longest = leads[0]
    for lead in leads:
        longest = lead if len(lead) > len(longest) else longest
    if all(len(lead) == len(longest) and lead == longest for lead in leads):
        return tuple(longest)
    aligned = zip_longest(*(reversed(lead) for lead in leads), fillvalue=1)
    return tuple(next((size for size in sizes if size != 1), 1) for sizes in aligned)[::-1]


def single(lead: Sequence[int]) -> bool:
    """Whether leading dimensions hold one entry; any size stays symbolic while tracing."""
    return all(size == 1 for size in lead)


def optional(function: Callable[[Tensor], Tensor], tensor: Tensor | None) -> Tensor | None:
    """A function of a tensor that may be missing."""
    return None if tensor is None else function(tensor)


def part(tensor: Tensor, rows: slice, columns: slice = slice(None)) -> Tensor:
    """A slice of a `(..., S or 1, N)` tensor; one row stands for all states."""
    return tensor[..., rows if tensor.shape[-2] > 1 else slice(None), columns]


def of_bag(tensor: Tensor, bag: int) -> Tensor:
    """One bag of a `(..., B or 1, S or 1, ·)` tensor; a tensor without bags is for all of them."""
    return tensor if tensor.dim() < 3 else tensor.select(-3, bag if tensor.shape[-3] > 1 else 0)


def tiles(total: int, size: int) -> Iterator[slice]:
    """Slices of at most `size` that cover `total`; one empty slice where there is nothing."""
    for low in range(0, max(total, 1), size):
        yield slice(low, min(low + size, total))
