"""β of a layer: a number, a tensor per head, or learned."""

from typing import cast

import torch
from torch import Tensor, nn

from hopfield import _check
from hopfield.errors import ArgumentError, ShapeError


class InverseTemperature(nn.Module):
    """β > 0 of each head; what was given or learned is in the state dict and moves with `.to()`.

    A learned β is kept positive as the exponential of the parameter `log`, one number per head.

    Args:
        beta: a number, a tensor `(num_heads,)` or of one element, or None for `1/√width`.
        num_heads: H.
        width: d, of the states in Hopfield space.
        learn: whether β is learned, one per head, from that value on.
        device: where β lies.
        dtype: of β.

    Raises:
        ArgumentError, ShapeError: β is not positive, or not one number per head.
    """

    value: Tensor | None
    log: nn.Parameter | None

    def __init__(
        self,
        beta: float | Tensor | None,
        num_heads: int,
        width: int,
        learn: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.default = max(1, width) ** -0.5
        self.start = _numbers(beta, num_heads, learn)
        self.is_default = self.start is None and not learn
        start = torch.tensor(self.start or [self.default], device=device, dtype=dtype)
        self.register_buffer("value", None if learn or self.start is None else start)
        log = nn.Parameter(start.log().repeat(num_heads // len(start))) if learn else None
        self.register_parameter("log", log)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Back to the value that was given."""
        start = torch.tensor(self.start or [self.default])
        if self.value is not None:
            self.value.copy_(start)
        if self.log is not None:
            self.log.copy_(start.log())

    def current(self) -> float | Tensor:
        """The default as a number; anything else as a tensor `(H or 1, 1, 1)`."""
        if self.is_default:
            return self.default
        beta = self.value if self.log is None else self.log.exp()
        return cast(Tensor, beta).view(-1, 1, 1)


def _numbers(beta: float | Tensor | None, num_heads: int, learn: bool) -> list[float] | None:
    """β as it was given, checked: one number, or one per head."""
    if beta is None:
        return None
    if not isinstance(beta, Tensor):
        return [_check.positive("beta", beta)]
    _check.floating("beta", beta, 0)
    if beta.requires_grad and not learn:
        raise ArgumentError(
            "beta requires a gradient, but the layer keeps its own copy; set learn_beta=True"
        )
    if beta.numel() not in (1, num_heads):
        raise ShapeError(
            f"beta has shape {_check.shape_of(beta)}; one number, or one for each of the "
            f"{num_heads} heads, is expected"
        )
    if not bool(((beta > 0) & beta.isfinite()).all()):
        raise ArgumentError(
            f"beta has values from {beta.min().item():g} to {beta.max().item():g}; "
            f"all must be finite and above 0"
        )
    numbers: list[float] = beta.detach().flatten().tolist()
    return numbers
