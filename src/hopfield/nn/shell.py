"""A layer that learns one of the roles, round a `Hopfield` that does the work."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hopfield.nn.hopfield import Hopfield, Projected
from hopfield.nn.options import Options
from hopfield.nn.space import ROLES
from hopfield.phases import Phase
from hopfield.reduction.partial import Partial
from hopfield.retrieval import Retrieval


class Shell(nn.Module, ABC):
    """The methods of `Hopfield`, for inputs among which one role is learned.

    Attributes:
        hopfield: the layer that associates.
    """

    hopfield: Hopfield

    @abstractmethod
    def roles(self, *inputs: Any, **named: Any) -> tuple[Tensor, Tensor, Tensor | None]:
        """State, stored patterns and projection from what comes in."""

    def _roles(
        self, inputs: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """The same, from what may also be given by name."""
        return self.roles(*inputs, **{role: options.pop(role) for role in ROLES if role in options})

    def project(self, *inputs: Tensor | None, **options: Any) -> Projected:
        """All roles in Hopfield space; arguments of `forward`."""
        return self.hopfield.project(*self._roles(inputs, options), **options)

    def partial(self, *inputs: Tensor | None, **options: Any) -> Partial:
        """The read-out over some patterns, as `Hopfield.partial`; arguments of `forward`."""
        return self.hopfield.partial(*self._roles(inputs, options), **options)

    def output(self, merged: Partial) -> Float[Tensor, "..."]:
        """What `forward` returns, from merged parts, as `Hopfield.output`."""
        return self.hopfield.output(merged)

    def associate(self, *inputs: Tensor | None, **options: Any) -> Float[Tensor, "..."]:
        """The weights of the read-out, as `Hopfield.associate`; arguments of `forward`."""
        return self.hopfield.associate(*self._roles(inputs, options), **options)

    def energy(self, *inputs: Tensor | None, **options: Any) -> Float[Tensor, "..."]:
        """The energy of the states that read out, as `Hopfield.energy`; arguments of `forward`."""
        return self.hopfield.energy(*self._roles(inputs, options), **options)

    def phase(self, *inputs: Tensor | None, **options: Any) -> Phase:
        """The phase of the states that read out, as `Hopfield.phase`; arguments of `forward`."""
        return self.hopfield.phase(*self._roles(inputs, options), **options)

    def retrieve(self, *inputs: Tensor | None, **options: Any) -> Retrieval:
        """The retrieval in Hopfield space, as `Hopfield.retrieve`; arguments of `forward`."""
        return self.hopfield.retrieve(*self._roles(inputs, options), **options)


def raw_width(role: str, given: int | None, default: int, options: Options) -> int:
    """The width of learned patterns: as given; as wide as a head where they are raw."""
    if given is not None:
        return given
    if role in options.get("static", ()):
        return options.get("hidden_size") or default
    return default


def learned(
    quantity: int, width: int, options: Options, requires_grad: bool = True
) -> nn.Parameter:
    """Room for `quantity` patterns."""
    patterns = torch.empty(
        quantity, width, device=options.get("device"), dtype=options.get("dtype")
    )
    return nn.Parameter(patterns, requires_grad=requires_grad)
