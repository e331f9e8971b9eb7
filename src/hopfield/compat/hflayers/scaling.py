"""β as hflayers has it: in the state dict only where it is learned."""

import torch
from torch import nn

from hopfield import _check
from hopfield.nn.temperature import InverseTemperature


class Scaling(InverseTemperature):
    """A number as it is; a tensor that moves with the layer; a parameter, learned as it is.

    Args:
        scaling: β > 0, one number, or a tensor or array of one for each head.
        num_heads: H.

    Raises:
        ArgumentError, ShapeError: β is not positive, or not one number per head.
    """

    def __init__(self, scaling: object, num_heads: int) -> None:
        number = _check.real(scaling)
        tensor = None if number is not None else torch.as_tensor(scaling)
        if tensor is not None and not tensor.is_floating_point():
            tensor = tensor.to(torch.get_default_dtype())
        super().__init__(number if tensor is None else tensor.detach(), num_heads, width=1)
        if number is not None:
            self.default, self.is_default = number, True
        del self.value
        if isinstance(tensor, nn.Parameter):
            self.register_parameter("value", tensor)
        else:
            self.register_buffer("value", tensor, persistent=False)

    def reset_parameters(self) -> None:
        """β stays what it is."""
