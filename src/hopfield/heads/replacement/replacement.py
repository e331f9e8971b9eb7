"""What a head may do instead of association."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hopfield.heads.replacement.visible import Visible


class Replacement(nn.Module, ABC):
    """What one head reads out of its projections, whatever its queries and keys are.

    Attributes:
        kind: its name in files and reports.
        reads: whether it looks at the projections at all.
    """

    kind: ClassVar[str]
    reads: ClassVar[bool] = True

    @classmethod
    def shaped(cls, state: Mapping[str, Tensor]) -> Self:
        """One whose parameters have the shapes of those of a saved one."""
        return cls()

    @abstractmethod
    def forward(self, value: Float[Tensor, "B N v"], visible: Visible) -> Float[Tensor, "B S v"]:
        """The read-out of each query.

        Args:
            value: the projections.
            visible: the keys that each query sees; 0 is read out where there are none.
        """


class Uniform(Replacement):
    """The mean of the visible projections."""

    kind = "uniform"

    def forward(self, value: Float[Tensor, "B N v"], visible: Visible) -> Float[Tensor, "B S v"]:
        readout = visible.uniform.to(value.dtype) @ value
        return readout.expand(-1, visible.queries, -1)


class MeanOutput(Replacement):
    """A constant: the mean of what the head has read out.

    Args:
        output: `(v,)`.
    """

    kind = "mean"
    reads = False

    def __init__(self, output: Float[Tensor, " v"]) -> None:
        super().__init__()
        self.output = nn.Parameter(output.clone())

    @classmethod
    def shaped(cls, state: Mapping[str, Tensor]) -> Self:
        return cls(torch.empty_like(state["output"]))

    def forward(self, value: Float[Tensor, "B N v"], visible: Visible) -> Float[Tensor, "B S v"]:
        return self.output.to(value.dtype).expand(len(value), visible.queries, -1)


class Zero(Replacement):
    """Nothing."""

    kind = "zero"
    reads = False

    def forward(self, value: Float[Tensor, "B N v"], visible: Visible) -> Float[Tensor, "B S v"]:
        return torch.zeros_like(value[:, :1]).expand(-1, visible.queries, -1)
