"""A Hopfield layer in the form of `torch.nn.MultiheadAttention`."""

from typing import Self, Unpack

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hopfield import _check
from hopfield.errors import ArgumentError, ShapeError
from hopfield.nn import masks
from hopfield.nn.call import Seen, limits
from hopfield.nn.hopfield import Hopfield
from hopfield.nn.options import RetrievalOptions
from hopfield.separation import Softmax1, resolve


class MultiheadAttention(nn.Module):
    """A `Hopfield` that takes and returns what `torch.nn.MultiheadAttention` does.

    It can stand in for a `self_attn`. PyTorch's conventions hold here: True in masks leaves out,
    floating masks are added, the sequence comes first unless `batch_first`.

    Args:
        embed_dim: width of the queries, and of the output.
        num_heads: H.
        dropout: probability with which a weight is dropped, in training.
        bias: whether the maps have a bias.
        add_bias_kv: learn one more key and value.
        add_zero_attn: add a key and value of zeros.
        kdim: width of the keys; default `embed_dim`.
        vdim: width of the values; default `embed_dim`.
        batch_first: whether inputs are `(N, L, E)` instead of `(L, N, E)`.
        device: of the parameters.
        dtype: of the parameters.
        **options: `steps`, `tol`, `beta`, `separation`, `backward`; see `Hopfield`.

    Attributes:
        hopfield: the layer that associates.

    Raises:
        ArgumentError, ShapeError: as `Hopfield`.
    """

    # PyTorch's transformer layers look at these before they take their fused path, which would
    # pass the layer by.
    in_proj_weight = None
    in_proj_bias = None
    _qkv_same_embed_dim = False

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **options: Unpack[RetrievalOptions],
    ) -> None:
        if add_zero_attn:
            _check.unused(options.get("separation"), "separation", "add_zero_attn sets softmax1")
            options["separation"] = "softmax1"
        hopfield = Hopfield(
            embed_dim,
            embed_dim if kdim is None else kdim,
            embed_dim if vdim is None else vdim,
            num_heads=num_heads,
            dropout=dropout,
            bias=bias,
            bias_pattern=add_bias_kv,
            device=device,
            dtype=dtype,
            **options,
        )
        self._hold(hopfield, batch_first)

    def _hold(self, hopfield: Hopfield, batch_first: bool) -> None:
        super().__init__()
        self.hopfield, self.batch_first = hopfield, batch_first

    @classmethod
    def of(cls, hopfield: Hopfield, batch_first: bool = True) -> Self:
        """The form of attention for a layer as it is."""
        form = cls.__new__(cls)
        form._hold(hopfield, batch_first)
        return form

    @classmethod
    def from_attention(cls, source: nn.MultiheadAttention) -> Self:
        """The same for a copy of PyTorch's attention."""
        return cls.of(Hopfield.from_attention(source), source.batch_first)

    @property
    def embed_dim(self) -> int:
        """Width of the queries."""
        return self.hopfield.state_size

    @property
    def num_heads(self) -> int:
        """H."""
        return self.hopfield.num_heads

    def forward(
        self,
        query: Float[Tensor, "..."],
        key: Float[Tensor, "..."],
        value: Float[Tensor, "..."],
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."] | None]:
        """Output and weights, shaped as PyTorch's.

        Args:
            query: `(L, N, E)`, `(N, L, E)` with `batch_first`, or `(L, E)`.
            key: `(S, N, kdim)`, `(N, S, kdim)` or `(S, kdim)`.
            value: `(S, N, vdim)`, `(N, S, vdim)` or `(S, vdim)`.
            key_padding_mask: `(N, S)` or `(S,)`; True, or −inf, leaves a key out.
            need_weights: also return the weights, which takes memory in L · S; they are without
                dropout.
            attn_mask: `(L, S)` or `(N · H, L, S)`; True leaves out, numbers are added.
            average_attn_weights: average the weights over heads.
            is_causal: `attn_mask` is the triangle; it is taken at its word where PyTorch does,
                without weights and padding. Unlike in PyTorch, `attn_mask` may be missing.

        Returns:
            Output like `query`; weights `(N, L, S)`, or `(N, H, L, S)` if not averaged, or None. A
            learned and a zero key are further columns.

        Raises:
            ShapeError, DtypeError: an argument does not fit; the message says which.
        """
        roles, seen = self.inner(
            query, key, value, key_padding_mask, need_weights, attn_mask, is_causal=is_causal
        )
        weights = None
        if not need_weights:
            output = self.hopfield(*roles, **seen)
        else:
            output, weights = self.hopfield.with_weights(*roles, **seen)
            if isinstance(resolve(self.hopfield.separation), Softmax1):
                weights = with_null(weights)
            weights = weights.mean(-3) if average_attn_weights else weights
        swap = query.dim() == 3 and not self.batch_first
        return output.transpose(0, 1) if swap else output, weights

    def inner(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[tuple[Tensor, Tensor, Tensor], Seen]:
        """What `hopfield` is called with, batch first, where `forward` is called with these."""
        _check_batches(query, key, value, batch_dim=0 if self.batch_first else 1)
        if query.dim() == 3 and not self.batch_first:
            same = key is query, value is key
            query = query.transpose(0, 1)
            key = query if same[0] else key.transpose(0, 1)
            value = key if same[1] else value.transpose(0, 1)
        scores = (*query.shape[:-2], self.num_heads, query.shape[-2], key.shape[-2])
        mask, bias = masks.of_excluding("attn_mask", attn_mask, scores)
        padding_mask, extra = masks.of_excluding_padding(
            "key_padding_mask", key_padding_mask, scores
        )
        told = is_causal and not need_weights and key_padding_mask is None
        if told:  # PyTorch, too, then takes the word for the mask
            mask, bias = None, None
        if extra is not None:
            bias = extra if bias is None else bias + extra
        seen: Seen = {
            "padding_mask": padding_mask,
            "mask": mask,
            "bias": bias,
            "is_causal": told or (is_causal and attn_mask is None),
        }
        return (query, key, value), seen


def with_null(weights: Tensor) -> Tensor:
    """Weights `(..., N)` of softmax1 with that of the null pattern, `(..., N + 1)`."""
    return torch.cat([weights, (1 - weights.sum(-1, keepdim=True)).clamp(min=0)], -1)


def _check_batches(*inputs: Tensor, batch_dim: int) -> None:
    """All inputs have two dimensions, or three and the same batch."""
    for name, tensor in zip(("query", "key", "value"), inputs, strict=True):
        _check.floating(name, tensor, 2)
    dims = [tensor.dim() for tensor in inputs]
    if dims not in ([2, 2, 2], [3, 3, 3]) or (
        dims[0] == 3
        and any(tensor.shape[batch_dim] != inputs[0].shape[batch_dim] for tensor in inputs)
    ):
        shapes = ", ".join(_check.shape_of(tensor) for tensor in inputs)
        raise ShapeError(
            f"query, key and value have shapes {shapes}; two dimensions each are expected, or "
            f"three with the same batch (dimension {batch_dim})"
        )


def replace_attention(model: nn.Module, **options: Unpack[RetrievalOptions]) -> nn.Module:
    """Exchange every `torch.nn.MultiheadAttention` in a model for one made of Hopfield layers.

    Outputs stay equal until an option says otherwise, for example `steps=3` or `beta=2.0`.
    Subclasses of attention are left alone; hooks on an attention are not taken over.

    Args:
        model: changed in place; parameters are copied, so build optimisers afterwards.
        **options: set on each layer: `steps`, `tol`, `beta`, `separation`, `backward`.

    Returns:
        The model, or its replacement if it is an attention itself.

    Raises:
        ArgumentError: an option cannot be set on a layer that exists.
    """
    for name in options:
        _check.choice("an option", name, RetrievalOptions.__annotations__)
    if not isinstance(model, nn.Module):
        raise ArgumentError(f"a {type(model).__name__} was given; a torch.nn.Module is expected")
    replaced: dict[nn.Module, nn.Module] = {}
    for module in list(model.modules()):
        if type(module) is nn.MultiheadAttention:
            replaced[module] = _replacement(module, options)
    for module in list(model.modules()):
        if isinstance(module, nn.TransformerEncoder):
            module.use_nested_tensor = False  # PyTorch's own attention alone takes them
        for name, child in module._modules.items():
            if child in replaced:  # also where several modules share it
                setattr(module, name, replaced[child])
    return replaced.get(model, model)


def _replacement(source: nn.MultiheadAttention, options: RetrievalOptions) -> MultiheadAttention:
    attention = MultiheadAttention.from_attention(source)
    for name, value in options.items():
        setattr(attention.hopfield, name, value)
    limits(attention.hopfield)
    resolve(attention.hopfield.separation)
    return attention
