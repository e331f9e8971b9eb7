"""A layer of hflayers that learns a role, round the `Hopfield` that associates."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hopfield.compat.hflayers.association import NAMES, Hopfield

ATTRIBUTES = {  # of the inner layer, that hflayers shows on the outer one too
    "batch_first",
    "scaling",
    "input_size",
    "hidden_size",
    "output_size",
    "pattern_size",
    "num_heads",
    "update_steps_max",
    "update_steps_eps",
    *(f"{name}_dim" for name in NAMES.values()),
    *(f"{name}_as_static" for name in NAMES.values()),
    *(f"normalize_{name}" for name in (*NAMES.values(), "hopfield_space")),
    *(f"normalize_{name}_affine" for name in (*NAMES.values(), "hopfield_space")),
}


class Shell(nn.Module, ABC):
    """Methods and attributes of `Hopfield`, for inputs among which one role is learned.

    Attributes:
        hopfield: the layer that associates.
        quantity: how many patterns are learned.
    """

    hopfield: Hopfield
    quantity: int

    @abstractmethod
    def roles(self, patterns: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Stored patterns, state patterns and pattern projections from what comes in."""

    def forward(
        self,
        input: Tensor | Sequence[Tensor],  # noqa: A002, the name there
        stored_pattern_padding_mask: Tensor | None = None,
        association_mask: Tensor | None = None,
    ) -> Float[Tensor, "..."]:
        """As `Hopfield.forward`."""
        return self.hopfield(self.roles(input), stored_pattern_padding_mask, association_mask)

    def get_association_matrix(
        self,
        input: Tensor | Sequence[Tensor],  # noqa: A002
        stored_pattern_padding_mask: Tensor | None = None,
        association_mask: Tensor | None = None,
    ) -> Float[Tensor, "..."]:
        """As `Hopfield.get_association_matrix`."""
        return self.hopfield.get_association_matrix(
            self.roles(input), stored_pattern_padding_mask, association_mask
        )

    def get_projected_pattern_matrix(
        self,
        input: Tensor | Sequence[Tensor],  # noqa: A002
        stored_pattern_padding_mask: Tensor | None = None,
        association_mask: Tensor | None = None,
    ) -> Float[Tensor, "..."]:
        """As `Hopfield.get_projected_pattern_matrix`."""
        return self.hopfield.get_projected_pattern_matrix(
            self.roles(input), stored_pattern_padding_mask, association_mask
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.hopfield, name) if name in ATTRIBUTES else super().__getattr__(name)

    def _learned(self, width: int, trainable: bool) -> nn.Parameter:
        """Room for the learned patterns, in the layout of the input."""
        lead = (1, self.quantity) if self.batch_first else (self.quantity, 1)
        return nn.Parameter(torch.empty(*lead, width), requires_grad=trainable)
