"""`hflayers.transformer`: encoder and decoder layers."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from hopfield.compat.hflayers.activation import find_activation
from hopfield.compat.hflayers.association import Hopfield
from hopfield.errors import ArgumentError, ShapeError


class HopfieldEncoderLayer(nn.Module):
    """An encoder layer with the interface of `hflayers.transformer.HopfieldEncoderLayer`.

    Args:
        hopfield_association: what associates; it is taken as it is, neither copied nor drawn anew.
        dim_feedforward: width of the hidden layer of the feed-forward part.
        dropout: probability of dropping an activation, in training.
        activation: the name of a function of `torch` or `torch.nn.functional`.

    Raises:
        ArgumentError, ShapeError: an argument does not fit; the message says which.
    """

    def __init__(
        self,
        hopfield_association: Hopfield,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        width = _width("hopfield_association", hopfield_association)
        self.hopfield_association = hopfield_association
        self.linear_residual = nn.Linear(width, dim_feedforward)
        self.dropout_residual = nn.Dropout(dropout)
        self.linear_output = nn.Linear(dim_feedforward, width)
        self.norm_residual = nn.LayerNorm(width)
        self.norm_output = nn.LayerNorm(width)
        self.dropout_hopfield_association = nn.Dropout(dropout)
        self.dropout_output = nn.Dropout(dropout)
        self.activation_residual = find_activation("activation", activation)

    def reset_parameters(self) -> None:
        """Draw all parameters anew, those of the association included."""
        _reset(self)

    def forward(
        self,
        src: Float[Tensor, "..."],
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
    ) -> Float[Tensor, "..."]:
        """The encoded input.

        Args:
            src: `(B, L, input_size)`.
            src_mask: the `association_mask` of `Hopfield`.
            src_key_padding_mask: its `stored_pattern_padding_mask`.

        Returns:
            Like `src`.
        """
        associated = self.hopfield_association(src, src_key_padding_mask, src_mask)
        src = self.norm_residual(src + self.dropout_hopfield_association(associated))
        inner = self.dropout_residual(self.activation_residual(self.linear_residual(src)))
        return self.norm_output(src + self.dropout_output(self.linear_output(inner)))

    def get_association_matrix(
        self,
        input: Tensor | Sequence[Tensor],  # noqa: A002, the name there
    ) -> Float[Tensor, "..."]:
        """As `Hopfield.get_association_matrix`."""
        return self.hopfield_association.get_association_matrix(input)

    @property
    def batch_first(self) -> bool:
        """Whether tensors are `(B, L, width)`."""
        return self.hopfield_association.batch_first

    @property
    def input_size(self) -> int:
        """Width of the input."""
        return self.linear_residual.in_features

    @property
    def output_size(self) -> int:
        """Width of the output."""
        return self.linear_output.out_features


class HopfieldDecoderLayer(nn.Module):
    """A decoder layer with the interface of `hflayers.transformer.HopfieldDecoderLayer`.

    Args:
        hopfield_association_self: associates the targets among themselves; taken as it is.
        hopfield_association_cross: associates the targets with the memory; taken as it is.
        dim_feedforward: width of the hidden layer of the feed-forward part.
        dropout: probability of dropping an activation, in training.
        activation: the name of a function of `torch` or `torch.nn.functional`.

    Raises:
        ArgumentError, ShapeError: an argument does not fit; the message says which.
    """

    def __init__(
        self,
        hopfield_association_self: Hopfield,
        hopfield_association_cross: Hopfield,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        width = _width("hopfield_association_self", hopfield_association_self)
        _width("hopfield_association_cross", hopfield_association_cross, width)
        self.hopfield_association_self = hopfield_association_self
        self.hopfield_association_cross = hopfield_association_cross
        self.linear_residual = nn.Linear(width, dim_feedforward)
        self.dropout_residual = nn.Dropout(dropout)
        self.linear_output = nn.Linear(dim_feedforward, width)
        self.norm_residual_self = nn.LayerNorm(width)
        self.norm_residual_cross = nn.LayerNorm(width)
        self.norm_output = nn.LayerNorm(width)
        self.dropout_hopfield_association_self = nn.Dropout(dropout)
        self.dropout_hopfield_association_cross = nn.Dropout(dropout)
        self.dropout_output = nn.Dropout(dropout)
        self.activation_residual = find_activation("activation", activation)

    def reset_parameters(self) -> None:
        """Draw all parameters anew, those of the associations included."""
        _reset(self)

    def forward(
        self,
        tgt: Float[Tensor, "..."],
        memory: Float[Tensor, "..."],
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
    ) -> Float[Tensor, "..."]:
        """The decoded targets.

        Args:
            tgt: `(B, L, input_size)`.
            memory: `(B, S, stored_pattern_size)` of the second association.
            tgt_mask: the `association_mask` among the targets.
            memory_mask: the `association_mask` between targets and memory.
            tgt_key_padding_mask: the `stored_pattern_padding_mask` of the targets.
            memory_key_padding_mask: the `stored_pattern_padding_mask` of the memory.

        Returns:
            Like `tgt`.
        """
        associated = self.hopfield_association_self(tgt, tgt_key_padding_mask, tgt_mask)
        tgt = self.norm_residual_self(tgt + self.dropout_hopfield_association_self(associated))
        associated = self.hopfield_association_cross(
            (memory, tgt, memory), memory_key_padding_mask, memory_mask
        )
        tgt = self.norm_residual_cross(tgt + self.dropout_hopfield_association_cross(associated))
        inner = self.dropout_residual(self.activation_residual(self.linear_residual(tgt)))
        return self.norm_output(tgt + self.dropout_output(self.linear_output(inner)))

    def get_association_matrix_self(
        self,
        input: Tensor | Sequence[Tensor],  # noqa: A002, the name there
    ) -> Float[Tensor, "..."]:
        """As `Hopfield.get_association_matrix`, of the targets among themselves."""
        return self.hopfield_association_self.get_association_matrix(input)

    def get_association_matrix_cross(
        self,
        input: Tensor | Sequence[Tensor],  # noqa: A002
    ) -> Float[Tensor, "..."]:
        """As `Hopfield.get_association_matrix`, of the targets with the memory."""
        return self.hopfield_association_cross.get_association_matrix(input)

    @property
    def batch_first(self) -> bool:
        """Whether tensors are `(B, L, width)`."""
        return self.hopfield_association_self.batch_first

    @property
    def input_size(self) -> int:
        """Width of the targets."""
        return self.linear_residual.in_features

    @property
    def output_size(self) -> int:
        """Width of the output."""
        return self.linear_output.out_features


def _reset(layer: nn.Module) -> None:
    for child in layer.children():
        if not isinstance(child, nn.Dropout):
            child.reset_parameters()  # type: ignore[operator]


def _width(name: str, association: object, expected: int | None = None) -> int:
    """The width that an association takes and returns."""
    if not isinstance(association, Hopfield):
        raise ArgumentError(
            f"{name} is a {type(association).__name__}; hflayers.Hopfield is expected"
        )
    width = association.state_pattern_dim
    if width is None or association.width != width or width != (expected or width):
        raise ShapeError(
            f"{name} takes state patterns {width} wide and returns {association.width}; residual "
            f"connections need {expected or width} both times: set input_size and output_size"
        )
    return width
