"""The function that transformers calls for attention, and its registration."""

import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hopfield import _check
from hopfield.association import Association
from hopfield.errors import ArgumentError
from hopfield.huggingface.options import checked, of_layer
from hopfield.network import DenseNetwork
from hopfield.nn.attend import attend, before_readout, one_dtype

NAME = "hopfield"
BESIDE = {stock: f"hopfield_beside_{stock}" for stock in ("eager", "sdpa")}  # looks at theirs

# What changes the weights of some models, by its name in transformers.
REFUSED = {
    "s_aux": "adds sinks to the scores",
    "sinks": "adds sinks to the scores",
    "head_mask": "scales the heads",
    "indices": "selects patterns",
    "block_indices": "selects patterns",
    "cu_seq_lens_q": "packs sequences into one",
    "cu_seq_lens_k": "packs sequences into one",
    "cache": "pages the stored patterns",
}


@dataclass(frozen=True)
class Heads:
    """What the heads of one layer associate, in one call.

    Attributes:
        state: `(B, H, S, d)`.
        stored: `(B, H, N, d)`.
        projection: `(B, H, N, v)`.
        association: β, separation, and mask and bias as `(B or 1, H or 1, S or 1, N)` or None.
        limits: `steps`, `tol` and `backward` of `attend`.
        softcap: a bound c of the scores, which become c·tanh(s/c) before mask and bias, or None.
    """

    state: Tensor
    stored: Tensor
    projection: Tensor
    association: Association
    limits: dict[str, Any]
    softcap: float | None = None


# Sees what the heads of a module associate; what it returns, if anything, is their read-out.
Observer = Callable[[nn.Module, Heads], Tensor | None]
OBSERVER: ContextVar[Observer | None] = ContextVar("observer", default=None)


def register() -> None:
    """Make the names known to transformers; masks are those that it makes for PyTorch's attention.

    Raises:
        MissingExtraError: transformers is not installed.
    """
    modeling = _check.extra("transformers.modeling_utils", "heads")
    masking = _check.extra("transformers.masking_utils", "heads")
    modeling.AttentionInterface.register(NAME, associate)
    masking.AttentionMaskInterface.register(NAME, masking.sdpa_mask)
    for stock, name in BESIDE.items():
        modeling.AttentionInterface.register(name, partial(beside, stock=stock))
        masking.AttentionMaskInterface.register(name, masking.ALL_MASK_ATTENTION_FUNCTIONS[stock])


def associate(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    output_attentions: bool | None = None,
    softcap: float | None = None,
    **given: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attention as transformers asks for it, computed as association.

    Args:
        module: the layer; its config may hold options.
        query: the states, `(B, H, S, d)`.
        key: the stored patterns, `(B, H or fewer, N, d)`; each of them serves a group of heads.
        value: the projections, `(B, H or fewer, N, v)`.
        attention_mask: see `received`.
        output_attentions: whether to return the weights of the read-out, too, without dropout. Some
            models (GPT-2) keep this wish from their attention.
        softcap: refused.
        **given: see `received`.

    Returns:
        The read-out `(B, S, H, v)`; the weights `(B, H, S, N)` or None.

    Raises:
        ArgumentError: an option is bad, or an argument would change the weights in a way that is
            not handled; the message names it.
    """
    if softcap is not None:
        raise _refusal("softcap", "it bounds the scores")
    heads = received(module, query, key, value, attention_mask, **given)
    readout = _observed(module, heads)
    if readout is None:
        readout = attend(query, heads.stored, heads.projection, heads.association, **heads.limits)
    return readout.transpose(1, 2).contiguous(), _weights(heads) if output_attentions else None


def beside(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    stock: str,
    **given: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attention by transformers' own function, with an observer beside it.

    Args:
        module: the layer.
        query: as for `associate`, like what follows.
        key: the stored patterns.
        value: the projections.
        attention_mask: see `received`.
        stock: "sdpa" or "eager"; the latter alone knows softcap.
        **given: what transformers hands on besides.

    Returns:
        What transformers' function returns, bit for bit; or the read-out of the observer.
    """
    known = {name: value for name, value in given.items() if name != "softcap"}
    heads = received(module, query, key, value, attention_mask, plain=True, **known)
    if stock == "eager":
        heads = replace(heads, softcap=given.get("softcap"))
    readout = _observed(module, heads)
    if readout is not None:
        return readout.transpose(1, 2).contiguous(), None
    return _own(stock, module)(module, query, key, value, attention_mask, **given)


def received(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | Tensor | None = None,
    is_causal: bool | None = None,
    position_bias: Tensor | None = None,
    sliding_window: int | None = None,
    plain: bool = False,
    **others: Any,
) -> Heads:
    """What transformers hands to attention, as association.

    Args:
        module: the layer; its config may hold options.
        query: as for `associate`, like what follows.
        key: the stored patterns.
        value: the projections.
        attention_mask: bool, True takes part, or floating, to be added; `(B, 1 or H, S, N)`. None
            with a causal layer and S > 1: state i sees patterns 0 to i.
        dropout: the probability with which the read-out drops a weight.
        scaling: β; default `1/√d`.
        is_causal: default `module.is_causal`, or else True.
        position_bias: added to the scores.
        sliding_window: refused where the mask does not have it already.
        plain: leave options aside: attention.
        **others: what transformers hands on besides.

    Raises:
        ArgumentError: as for `associate`.
    """
    for name, what in REFUSED.items():
        if others.get(name) is not None:
            raise _refusal(name, f"it {what}", plain)
    states, patterns = query.shape[-2], key.shape[-2]
    if attention_mask is None and sliding_window is not None and patterns > sliding_window:
        why = f"there is no mask that holds it over {patterns} patterns"
        raise _refusal("sliding_window", why, plain)
    is_causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    causal = bool(is_causal) and attention_mask is None and states > 1
    mask, bias = attention_mask, position_bias
    if causal:
        mask = torch.ones(states, patterns, dtype=torch.bool, device=query.device).tril()
    elif mask is not None and mask.dtype != torch.bool:
        added, mask = as_mask(mask) if plain else (mask, None)
        bias = added if bias is None else bias if added is None else bias + added
    own = query.shape[-1] ** -0.5 if scaling is None else scaling
    association, limits = checked({}, own) if plain else of_layer(module, own)
    association = replace(
        association,
        mask=_additive("mask", mask, query, patterns),
        bias=_additive("bias", bias, query, patterns),
        causal=causal,
        dropout=dropout,
    )
    stored, projection = _for_each_head(key, query), _for_each_head(value, query)
    return Heads(query, stored, projection, association, limits)


def _observed(module: nn.Module, heads: Heads) -> Tensor | None:
    """What the observer makes of the heads, if there is one."""
    observer = OBSERVER.get()
    return None if observer is None else observer(module, heads)


def _own(stock: str, module: nn.Module) -> Callable[..., tuple[Tensor, Tensor | None]]:
    """Transformers' own function of attention: eager attention is written in each model's file."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    file = sys.modules[type(module).__module__]
    eager = getattr(file, "eager_attention_forward", None) if stock == "eager" else None
    return sdpa_attention_forward if eager is None else eager


def _weights(heads: Heads) -> Tensor:
    """The weights of the read-out, `(B, H, S, N)`."""
    with one_dtype(heads.state, heads.stored) as (state, stored):
        network = DenseNetwork(heads.association, None, stored)
        return network.weights(before_readout(network, state, **heads.limits))


def as_mask(added: Tensor) -> tuple[Tensor | None, Tensor]:
    """What eager attention adds to the scores, as bias, if any, and mask."""
    seen = added > torch.finfo(added.dtype).min / 2
    bias = added.masked_fill(~seen, 0.0)
    return (bias if bias.any() else None), seen


def _for_each_head(patterns: Tensor, query: Tensor) -> Tensor:
    """Patterns `(B, groups, N, ·)`, repeated for the heads of each group."""
    size = query.shape[1] // patterns.shape[1]
    return patterns if size == 1 else patterns.repeat_interleave(size, 1)


def _additive(name: str, tensor: Tensor | None, state: Tensor, patterns: int) -> Tensor | None:
    """A mask or bias, checked, in four dimensions."""
    if tensor is None:
        return None
    _check.additive(name, tensor, state, patterns)
    return tensor[(None,) * (4 - tensor.dim())]


def _refusal(name: str, why: str, looked_at: bool = False) -> ArgumentError:
    if looked_at:
        return ArgumentError(
            f"{name} was passed to attention, but {why}, which no Hopfield network does; heads of "
            f"this model cannot be looked at"
        )
    return ArgumentError(
        f"{name} was passed to attention, but {why}, which attn_implementation={NAME!r} does not "
        f"do; use an implementation of transformers for this model, such as 'eager'"
    )
