"""`HopfieldPooling`: learned states pool a set of any size."""

from typing import Unpack

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from hopfield import _check
from hopfield.nn.hopfield import Hopfield
from hopfield.nn.options import Options
from hopfield.nn.shell import Shell, learned, raw_width


class HopfieldPooling(Shell):
    """Pools a set by what learned states find in it.

    The result does not depend on the order of the set, and its shape not on its size: Ramsauer et
    al. 2020 (arXiv 2008.02217), section 4, where such a layer picks out the few sequences of a
    repertoire that matter.

    Example:
        >>> pool = HopfieldPooling(16, quantity=2, num_heads=4)
        >>> pool(torch.randn(8, 30, 16)).shape
        torch.Size([8, 2, 16])

    Args:
        input_size: width of the members of the set, the stored patterns.
        quantity: how many states are learned.
        state_size: width of the learned states; default `input_size`, or `hidden_size` where they
            are static.
        projection_size: width of what is projected, if it is given apart; default `input_size`.
        **options: see `Hopfield`; `output_size` is `state_size` by default.

    Attributes:
        state: the learned states, `(quantity, state_size)`, at first normally distributed.
        hopfield: the layer that associates them.

    Raises:
        ArgumentError, ShapeError: as `Hopfield`.
    """

    def __init__(
        self,
        input_size: int,
        *,
        quantity: int = 1,
        state_size: int | None = None,
        projection_size: int | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__()
        _check.positive_int("quantity", quantity)
        width = raw_width("state", state_size, input_size, options)
        self.hopfield = Hopfield(width, input_size, projection_size, **options)
        self.state = learned(quantity, width, options)
        nn.init.normal_(self.state)

    def reset_parameters(self) -> None:
        """Draw the learned states and all other parameters anew."""
        nn.init.normal_(self.state)
        self.hopfield.reset_parameters()

    def roles(
        self, stored: Tensor | None = None, projection: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """The learned states, and what comes in."""
        return self.state, _check.floating("stored", stored, 2), projection

    def forward(
        self,
        stored: Float[Tensor, "..."],
        projection: Float[Tensor, "..."] | None = None,
        *,
        padding_mask: Bool[Tensor, "..."] | None = None,
        mask: Bool[Tensor, "..."] | None = None,
        bias: Float[Tensor, "..."] | None = None,
        offsets: Int[Tensor, " bounds"] | None = None,
    ) -> Float[Tensor, "..."]:
        """What the learned states read out of each set.

        Args:
            stored: sets `(..., N, input_size)`; or with offsets, one after the other,
                `(T, input_size)`.
            projection: `(..., N, projection_size)`; default the sets themselves.
            padding_mask: `(..., N)`, True where there is padding.
            mask: True takes part; `(quantity, N)`, or what broadcasts to `(..., H, quantity, N)`.
            bias: added to the scores, after β; shaped like `mask`.
            offsets: `(B + 1,)`, the bounds of sets of different sizes.

        Returns:
            `(..., quantity, output_size)`, with offsets `(B, quantity, output_size)`.

        Raises:
            ShapeError, DtypeError, ArgumentError: an argument does not fit; the message says which.
        """
        return self.hopfield(
            *self.roles(stored, projection),
            padding_mask=padding_mask,
            mask=mask,
            bias=bias,
            offsets=offsets,
        )
