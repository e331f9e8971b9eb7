"""`hflayers.HopfieldLayer`: learned stored patterns."""

from typing import Unpack

from torch import Tensor, nn

from hopfield import _check
from hopfield.compat.hflayers.association import Hopfield
from hopfield.compat.hflayers.core import STD
from hopfield.compat.hflayers.options import Options
from hopfield.compat.hflayers.shell import Shell
from hopfield.nn.lookup import warn_of_one_pattern


class HopfieldLayer(Shell):
    """Lookup with the interface of `hflayers.HopfieldLayer`.

    Args:
        input_size: width of the input, the state patterns.
        hidden_size: as for `Hopfield`.
        output_size: as for `Hopfield`.
        pattern_size: as for `Hopfield`.
        num_heads: as for `Hopfield`.
        scaling: as for `Hopfield`.
        update_steps_max: as for `Hopfield`.
        update_steps_eps: as for `Hopfield`.
        lookup_weights_as_separated: whether patterns of their own are projected, instead of the
            stored ones.
        lookup_targets_as_trainable: whether these are learned.
        quantity: how many stored patterns are learned. With one, the output does not depend on the
            input, which is warned of.
        trainable: whether they are learned.
        **options: as for `Hopfield`.

    Attributes:
        lookup_weights: the stored patterns, `(1, quantity, width)`; `(quantity, 1, width)` unless
            `batch_first`.
        target_weights: what is projected, alike, or None.
    """

    target_weights: nn.Parameter | None

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
        lookup_weights_as_separated: bool = False,
        lookup_targets_as_trainable: bool = True,
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
        alone = quantity == 1 and not options.get("add_zero_association")
        if alone and not options.get("concat_bias_pattern"):
            warn_of_one_pattern()
        raw = self.stored_pattern_as_static
        width = (self.hidden_size if raw else self.stored_pattern_dim) or input_size
        self.lookup_weights = self._learned(width, trainable)
        targets = None
        if lookup_weights_as_separated:
            target_size = options.get("pattern_projection_size") or width
            targets = self._learned(target_size, lookup_targets_as_trainable)
        self.register_parameter("target_weights", targets)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        self.hopfield.reset_parameters()
        nn.init.normal_(self.lookup_weights, std=STD)
        if self.target_weights is not None:
            nn.init.normal_(self.target_weights, std=STD)

    def roles(self, patterns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What comes in, and what is stored."""
        stored, targets = self.lookup_weights, self.target_weights
        return stored, patterns, stored if targets is None else targets
