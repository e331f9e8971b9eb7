"""`HopfieldLayer`: learned stored patterns that the input looks things up in."""

import warnings
from typing import Literal, Self, Unpack

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.nn.hopfield import Hopfield
from hopfield.nn.options import Options
from hopfield.nn.shell import Shell, learned, raw_width
from hopfield.separation import Softmax1, resolve

Projections = Literal["stored", "learned", "frozen"]


class HopfieldLayer(Shell):
    """Looks the input up in learned stored patterns.

    The patterns may be prototypes, a training set, or whatever the loss makes of them: Ramsauer et
    al. 2020 (arXiv 2008.02217), section 4.

    Example:
        >>> layer = HopfieldLayer(16, quantity=100)
        >>> layer(torch.randn(8, 30, 16)).shape
        torch.Size([8, 30, 16])

    Args:
        input_size: width of the input, the states.
        quantity: how many patterns are stored. With one, the output does not depend on the input
            (but for softmax1), which is warned of.
        stored_size: width of the stored patterns; default `input_size`, or `hidden_size` where they
            are static.
        projection: what is read out: "stored", projections of the stored patterns; "learned",
            projections of patterns of their own; "frozen", of such that stay as they are.
        projection_size: width of the latter; default `stored_size`, or `value_size` where they are
            static.
        **options: see `Hopfield`.

    Attributes:
        stored: the stored patterns, `(quantity, stored_size)`, at first normally distributed.
        projection: what is projected, `(quantity, projection_size)`, or None.
        hopfield: the layer that associates.

    Raises:
        ArgumentError, ShapeError: as `Hopfield`.
    """

    projection: nn.Parameter | None

    def __init__(
        self,
        input_size: int,
        *,
        quantity: int,
        stored_size: int | None = None,
        projection: Projections = "stored",
        projection_size: int | None = None,
        **options: Unpack[Options],
    ) -> None:
        super().__init__()
        _check.positive_int("quantity", quantity)
        _check.choice("projection", projection, ["stored", "learned", "frozen"])
        separation = resolve(options.get("separation", "softmax"))
        alone = not isinstance(separation, Softmax1) and not options.get("bias_pattern")
        if quantity == 1 and alone:
            warn_of_one_pattern()
        width = raw_width("stored", stored_size, input_size, options)
        if projection == "stored":
            _check.unused(projection_size, "projection_size", "the stored patterns are projected")
        elif projection_size is None:
            raw = "projection" in options.get("static", ())
            projection_size = (options.get("value_size") if raw else None) or width
        self.hopfield = Hopfield(input_size, width, projection_size, **options)
        self.stored = learned(quantity, width, options)
        own = None
        if projection_size is not None:
            own = learned(quantity, projection_size, options, projection == "learned")
        self.register_parameter("projection", own)
        self._draw_patterns()

    @classmethod
    def from_patterns(
        cls,
        stored: Float[Tensor, "N stored_size"],
        projection: Float[Tensor, "N projection_size"] | None = None,
        *,
        input_size: int | None = None,
        learn_projection: bool = False,
        **options: Unpack[Options],
    ) -> Self:
        """A layer that starts from given patterns; they are copied.

        Args:
            stored: the stored patterns, `(N, stored_size)`.
            projection: what is projected, `(N, projection_size)`; default the stored patterns.
            input_size: width of the input; default `stored_size`.
            learn_projection: whether the given projection is learned on.
            **options: see `Hopfield`.

        Raises:
            ShapeError, DtypeError, ArgumentError: the patterns do not fit.
        """
        _check.patterns(stored, projection)
        for name, patterns in (("stored", stored), ("projection", projection)):
            if patterns is not None and patterns.dim() != 2:
                raise ArgumentError(
                    f"{name} has shape {_check.shape_of(patterns)}; (N, {name}_size) is expected"
                )
        options.setdefault("device", stored.device)
        options.setdefault("dtype", stored.dtype)
        kind: Projections = "learned" if learn_projection else "frozen"
        layer = cls(
            stored.shape[-1] if input_size is None else input_size,
            quantity=len(stored),
            stored_size=stored.shape[-1],
            projection="stored" if projection is None else kind,
            projection_size=None if projection is None else projection.shape[-1],
            **options,
        )
        with torch.no_grad():
            layer.stored.copy_(stored)
            if projection is not None:
                layer.get_parameter("projection").copy_(projection)
        return layer

    def reset_parameters(self) -> None:
        """Draw the stored patterns, what they project and all other parameters anew."""
        self._draw_patterns()
        self.hopfield.reset_parameters()

    def _draw_patterns(self) -> None:
        nn.init.normal_(self.stored)
        if self.projection is not None:
            nn.init.normal_(self.projection)

    def roles(self, state: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor | None]:
        """What comes in, and what is stored."""
        return _check.floating("state", state, 2), self.stored, self.projection

    def forward(
        self,
        state: Float[Tensor, "..."],
        *,
        mask: Bool[Tensor, "..."] | None = None,
        bias: Float[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "..."]:
        """What the input finds.

        Args:
            state: `(..., S, input_size)`.
            mask: True where a stored pattern takes part; `(S, quantity)`, or what broadcasts to
                `(..., H, S, quantity)`.
            bias: added to the scores, after β; shaped like `mask`.

        Returns:
            `(..., S, output_size)`.

        Raises:
            ShapeError, DtypeError, ArgumentError: an argument does not fit; the message says which.
        """
        return self.hopfield(*self.roles(state), mask=mask, bias=bias)


def warn_of_one_pattern() -> None:
    """Tell whoever makes a layer with one stored pattern what comes of it."""
    warnings.warn(
        "a HopfieldLayer with one stored pattern gives it all the weight: its output does not "
        "depend on its input; set quantity to more",
        stacklevel=3,
    )
