"""What the compiled CPU kernels take: one set of patterns, float32 states, one row of bias."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from hopfield.reduction.inputs import Inputs, optional


@dataclass(frozen=True)
class Dense:
    """The tensors of a reduction, contiguous and without gradients.

    Attributes:
        query: `(S, d)`, the states times β.
        stored: `(N, d)`, float32 or bfloat16.
        projection: `(N, v)`, float32 or bfloat16, or None to read out the stored patterns.
        bias: `(N,)` or None; −inf masks.
    """

    query: Tensor
    stored: Tensor
    projection: Tensor | None
    bias: Tensor | None

    @classmethod
    def of(cls, inputs: Inputs) -> "Dense":
        """Those of inputs whose patterns, bias and mask are the same for all states."""
        patterns = inputs.patterns

        def of_patterns(tensor: Tensor) -> Tensor:
            return tensor.detach().reshape(patterns, tensor.shape[-1]).contiguous()

        def one_row(tensor: Tensor) -> Tensor:
            row = tensor.detach().expand(*tensor.shape[:-1], patterns)
            return row.reshape(patterns).contiguous()

        query = inputs.state.detach().expand(*inputs.lead, -1, -1) * inputs.scale
        return cls(
            query.reshape(inputs.rows, inputs.state.shape[-1]).contiguous(),
            of_patterns(inputs.stored),
            optional(of_patterns, inputs.projection),
            optional(one_row, inputs.additive()),
        )

    @property
    def values(self) -> Tensor:
        """What is read out, `(N, v)`."""
        return self.stored if self.projection is None else self.projection

    def arrays(self) -> list[Any]:
        """Query, stored patterns and bias as the compiled loops take them; `(0,)` is no bias."""
        bias = self.query.new_empty(0) if self.bias is None else self.bias
        return [array(tensor) for tensor in (self.query, self.stored, bias)]

    def inputs(self) -> Inputs:
        """The same as arguments of any other kernel."""
        bias = optional(lambda row: row.unsqueeze(0), self.bias)
        return Inputs(self.query, self.stored, self.projection, 1.0, bias)

    def some_states(self, rows: Tensor) -> "Dense":
        """The same for some of the states."""
        return self if len(rows) == len(self.query) else replace(self, query=self.query[rows])


def array(tensor: Tensor) -> Any:
    """A tensor as NumPy has it, bfloat16 as its bits."""
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()
