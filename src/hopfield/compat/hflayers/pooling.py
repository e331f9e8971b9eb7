"""`hflayers.HopfieldPooling`: learned state patterns."""

from collections.abc import Sequence
from typing import Unpack

from jaxtyping import Float
from torch import Tensor, nn

from hopfield import _check
from hopfield.compat.hflayers.association import Hopfield, several
from hopfield.compat.hflayers.core import STD
from hopfield.compat.hflayers.options import Options
from hopfield.compat.hflayers.shell import Shell


class HopfieldPooling(Shell):
    """Pooling with the interface of `hflayers.HopfieldPooling`.

    Args:
        input_size: width of the input.
        hidden_size: as for `Hopfield`.
        output_size: as for `Hopfield`.
        pattern_size: as for `Hopfield`.
        num_heads: as for `Hopfield`.
        scaling: as for `Hopfield`.
        update_steps_max: as for `Hopfield`.
        update_steps_eps: as for `Hopfield`.
        quantity: how many state patterns are learned.
        trainable: whether they are learned.
        **options: as for `Hopfield`.

    Attributes:
        pooling_weights: the state patterns, `(1, quantity, width)`; `(quantity, 1, width)` unless
            `batch_first`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int | None = None,
        output_size: int | None = None,
        pattern_size: int | None = None,
        num_heads: int = 1,
        scaling: float | Tensor | None = None,
        update_steps_max: int | Tensor | None = 0,
        update_steps_eps: float | Tensor = 1e-4,
        *,
        quantity: int = 1,
        trainable: bool = True,
        **options: Unpack[Options],
    ) -> None:
        super().__init__()
        self.hopfield = Hopfield(
            input_size,
            hidden_size,
            output_size,
            pattern_size,
            num_heads,
            scaling,
            update_steps_max,
            update_steps_eps,
            **options,
        )
        self.quantity = _check.positive_int("quantity", quantity)
        width = self.hidden_size if self.state_pattern_as_static else self.input_size
        self.pooling_weights = self._learned(width or input_size, trainable)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        self.hopfield.reset_parameters()
        nn.init.normal_(self.pooling_weights, std=STD)

    def roles(self, patterns: Tensor | Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """What comes in, and the learned state patterns."""
        stored, projection = several(patterns, "stored pattern", "pattern projection")
        return stored, self.pooling_weights, projection

    def forward(
        self,
        input: Tensor | Sequence[Tensor],  # noqa: A002, the name there
        stored_pattern_padding_mask: Tensor | None = None,
        association_mask: Tensor | None = None,
    ) -> Float[Tensor, "..."]:
        """What the learned state patterns read out, side by side.

        Args:
            input: one tensor, `(B, S, input_size)`, or stored patterns and pattern projections.
            stored_pattern_padding_mask: `(B, S)`, as for `Hopfield`.
            association_mask: `(quantity, S)` or `(B · heads, quantity, S)`, as for `Hopfield`.

        Returns:
            `(B, quantity · output_size)`, whether `batch_first` or not.
        """
        output = super().forward(input, stored_pattern_padding_mask, association_mask)
        return (output if self.batch_first else output.transpose(0, 1)).flatten(1)
