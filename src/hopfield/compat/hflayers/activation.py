"""Activations by the names that hflayers takes."""

import warnings
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType

import torch
from torch import Tensor
from torch.nn import functional

from hopfield.errors import ArgumentError

Activation = Callable[[Tensor], Tensor]


def find_activation(argument: str, name: str) -> Activation:
    """The function of that name in `torch` or in `torch.nn.functional`.

    Args:
        argument: what the caller calls it.
        name: for example "relu", "tanh" or "leaky_relu".

    Raises:
        ArgumentError: there is none, or it needs more than a tensor, or changes its shape.
    """
    for home in (torch, functional):
        function = getattr(home, name, None)
        if isinstance(function, FunctionType | BuiltinFunctionType) and _is_elementwise(function):
            return function
    raise ArgumentError(
        f"{argument} is {name!r}; the name of a function in torch or torch.nn.functional is "
        f"expected that takes a tensor alone and keeps its shape, such as 'relu', 'tanh' or 'gelu'"
    )


def _is_elementwise(function: Activation) -> bool:
    sample = torch.zeros(1, 2)
    try:
        with warnings.catch_warnings(action="error"):
            result = function(sample)
    except Exception:  # whatever else it may be, it is no activation
        return False
    return isinstance(result, Tensor) and result.shape == sample.shape
