"""Transformer layers whose attention is a Hopfield layer."""

from collections.abc import Callable
from typing import cast

from torch import Tensor, nn

from hopfield.errors import ArgumentError, ShapeError
from hopfield.nn.hopfield import Hopfield
from hopfield.nn.multihead import MultiheadAttention

Activation = str | Callable[[Tensor], Tensor]


class HopfieldEncoderLayer(nn.TransformerEncoderLayer):
    """`torch.nn.TransformerEncoderLayer`, batch first, with association by a Hopfield layer.

    It works inside `torch.nn.TransformerEncoder`, which copies it; set `enable_nested_tensor=False`
    there, since nested tensors are for PyTorch's own attention.

    Args:
        hopfield: what associates; it is taken as it is, neither copied nor drawn anew.
        dim_feedforward: width of the hidden layer of the feed-forward part.
        dropout: probability of dropping an activation, in training.
        activation: the name of an activation in `torch.nn` that acts on each number by itself and
            needs no arguments, such as "relu" or "leaky_relu"; or a function or module.
        layer_norm_eps: added to the variance in layer norms.
        norm_first: norm the inputs of each part instead of their sums.
        bias: whether linear maps and layer norms have a bias.

    Raises:
        ShapeError: the layer does not return what it takes.
        ArgumentError: there is no such activation.
    """

    def __init__(
        self,
        hopfield: Hopfield,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        norm_first: bool = False,
        bias: bool = True,
    ) -> None:
        _check_width("hopfield", hopfield)
        like = next(hopfield.parameters(), None)
        super().__init__(
            hopfield.state_size,
            1,
            dim_feedforward,
            dropout,
            find_activation(activation),
            layer_norm_eps,
            batch_first=True,
            norm_first=norm_first,
            bias=bias,
            device=None if like is None else like.device,
            dtype=None if like is None else like.dtype,
        )
        self.self_attn = cast(nn.MultiheadAttention, MultiheadAttention.of(hopfield))
        _follow(self.activation, like)


class HopfieldDecoderLayer(nn.TransformerDecoderLayer):
    """`torch.nn.TransformerDecoderLayer`, batch first, with association by Hopfield layers.

    It works inside `torch.nn.TransformerDecoder`, which copies it.

    Args:
        hopfield_self: associates the targets among themselves; taken as it is.
        hopfield_cross: associates the targets with the memory; taken as it is.
        dim_feedforward: width of the hidden layer of the feed-forward part.
        dropout: probability of dropping an activation, in training.
        activation: as for `HopfieldEncoderLayer`.
        layer_norm_eps: added to the variance in layer norms.
        norm_first: norm the inputs of each part instead of their sums.
        bias: whether linear maps and layer norms have a bias.

    Raises:
        ShapeError: the layers do not return what they take, or do not fit each other.
        ArgumentError: there is no such activation.
    """

    def __init__(
        self,
        hopfield_self: Hopfield,
        hopfield_cross: Hopfield,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = "relu",
        layer_norm_eps: float = 1e-5,
        norm_first: bool = False,
        bias: bool = True,
    ) -> None:
        width = _check_width("hopfield_self", hopfield_self)
        _check_width("hopfield_cross", hopfield_cross, width)
        like = next(hopfield_self.parameters(), None)
        super().__init__(
            width,
            1,
            dim_feedforward,
            dropout,
            find_activation(activation),
            layer_norm_eps,
            batch_first=True,
            norm_first=norm_first,
            bias=bias,
            device=None if like is None else like.device,
            dtype=None if like is None else like.dtype,
        )
        self.self_attn = cast(nn.MultiheadAttention, MultiheadAttention.of(hopfield_self))
        _follow(self.activation, like)
        self.multihead_attn = cast(nn.MultiheadAttention, MultiheadAttention.of(hopfield_cross))


def find_activation(activation: Activation) -> Callable[[Tensor], Tensor]:
    """The activation of that name in `torch.nn`, in any spelling; a function or module as it is.

    Raises:
        ArgumentError: there is none, or it needs arguments or changes the shape.
    """
    if not isinstance(activation, str):
        return activation
    known = {
        name.lower(): getattr(nn, name)
        for name in nn.modules.activation.__all__
        if name not in NOT_ELEMENTWISE
    }
    kind = known.get(activation.replace("_", "").lower())
    if kind is None:
        names = ", ".join(kind.__name__ for kind in known.values())
        raise ArgumentError(
            f"activation is {activation!r}; choose one of {names}, or give a function or module"
        )
    return cast(Callable[[Tensor], Tensor], kind())


NOT_ELEMENTWISE = (
    "GLU",
    "LogSoftmax",
    "MultiheadAttention",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Threshold",
)


def _follow(activation: object, like: nn.Parameter | None) -> None:
    """An activation with parameters goes where those of the layer are."""
    if isinstance(activation, nn.Module) and like is not None:
        activation.to(device=like.device, dtype=like.dtype)


def _check_width(name: str, hopfield: Hopfield, width: int | None = None) -> int:
    """The width of the states that the layer takes and returns, which must be the same."""
    if not isinstance(hopfield, Hopfield):
        raise ArgumentError(f"{name} is a {type(hopfield).__name__}; a Hopfield layer is expected")
    width = hopfield.state_size if width is None else width
    if hopfield.state_size != width or hopfield.output_size != width:
        raise ShapeError(
            f"{name} takes states {hopfield.state_size} wide and returns {hopfield.output_size}; "
            f"residual connections need {width} both times: set state_size and output_size"
        )
    return width
