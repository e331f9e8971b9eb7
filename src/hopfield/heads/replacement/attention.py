"""Attention in which some heads are replaced, and its registration with transformers."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.heads.replacement.replacement import Replacement
from hopfield.heads.replacement.visible import visible_keys
from hopfield.huggingface.attention import REFUSED

NAME = "hopfield_replaced"
HELD = "replaced_heads"  # what a layer calls its replaced heads


class ReplacedHeads(nn.Module):
    """The heads of one layer that are replaced; PyTorch's attention does the others.

    Args:
        by_head: replacements by the number of the head.
    """

    def __init__(self, by_head: Mapping[int, Replacement]) -> None:
        super().__init__()
        self.by_head = nn.ModuleDict({str(head): by_head[head] for head in sorted(by_head)})

    def items(self) -> list[tuple[int, Replacement]]:
        """Numbers of heads and their replacements, in order."""
        return [(int(head), one) for head, one in self.by_head.items()]  # type: ignore[misc]

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        *,
        is_causal: bool,
        **given: Any,
    ) -> Tensor:
        """The read-out of all heads, `(B, S, H, v)`; arguments as for `attend`."""
        heads, group = query.shape[1], query.shape[1] // key.shape[1]
        replaced = self.items()
        if replaced[-1][0] >= heads:
            raise ArgumentError(
                f"head {replaced[-1][0]} is replaced, but its layer has heads 0 to {heads - 1}"
            )
        found: dict[int, Tensor] = {}
        visible = None
        for head, replacement in replaced:
            mask = _of_heads(attention_mask, [head])
            if visible is None or mask is not attention_mask:
                visible = visible_keys(
                    mask,
                    query.shape[2],
                    key.shape[2],
                    causal=is_causal,
                    sliding_window=given.get("sliding_window"),
                    device=query.device,
                )
            found[head] = replacement(value[:, head // group], visible)
        if kept := [head for head in range(heads) if head not in found]:
            given["position_bias"] = _of_heads(given.get("position_bias"), kept)
            readout = _sdpa(
                self,  # which has no groups: they are resolved here
                _stacked(query, kept),
                _stacked(key, [head // group for head in kept]),
                _stacked(value, [head // group for head in kept]),
                _of_heads(attention_mask, kept),
                is_causal=is_causal,
                **given,
            )
            found |= zip(kept, readout.unbind(2), strict=True)
        return torch.stack([found[head] for head in range(heads)], 2)


def register() -> None:
    """Make the name known to transformers; masks are those that it makes for PyTorch's attention.

    Raises:
        MissingExtraError: transformers is not installed.
    """
    modeling = _check.extra("transformers.modeling_utils", "heads")
    masking = _check.extra("transformers.masking_utils", "heads")
    modeling.AttentionInterface.register(NAME, attend)
    masking.AttentionMaskInterface.register(NAME, masking.sdpa_mask)


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    is_causal: bool | None = None,
    **given: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers asks for it: PyTorch's, but for the heads that are replaced.

    Args:
        module: the layer; `module.replaced_heads` says which heads are replaced, if any.
        query: `(B, H, S, d)`; that of replaced heads is not looked at.
        key: `(B, H or fewer, N, d)`; each serves a group of heads.
        value: `(B, H or fewer, N, v)`.
        attention_mask: bool, True takes part, or floating, to be added; `(B, 1 or H, S, N)`.
        is_causal: default `module.is_causal`, or else True.
        **given: what transformers hands on besides; it reaches the heads that are kept.

    Returns:
        The read-out `(B, S, H, v)`, and no weights.

    Raises:
        ArgumentError: a head does not exist, or an argument would change the weights in a way that
            PyTorch's attention does not; the message names it.
    """
    for name, what in {**REFUSED, "softcap": "bounds the scores"}.items():
        if given.get(name) is not None:
            raise ArgumentError(
                f"{name} was passed to attention, but it {what}, which PyTorch's attention does "
                f"not do; heads of this model cannot be replaced"
            )
    held = getattr(module, HELD, None)
    if held is None or not held.by_head:
        own = {**given, "is_causal": is_causal}
        return _sdpa(module, query, key, value, attention_mask, **own), None
    causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
    return held(query, key, value, attention_mask, is_causal=bool(causal), **given), None


def _sdpa(module: nn.Module, *given: Any, **others: Any) -> Tensor:
    """The read-out of PyTorch's attention, by transformers' own function."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    readout: Tensor = sdpa_attention_forward(module, *given, **others)[0]
    return readout


def _stacked(tensor: Tensor, heads: list[int]) -> Tensor:
    """Some heads of `(B, H, N, d)`, one after another in memory: faster than an index."""
    return torch.stack([tensor[:, head] for head in heads], 1)


def _of_heads(tensor: Tensor | None, heads: list[int]) -> Tensor | None:
    """A mask or bias `(B, 1 or H, S, N)` for some heads; the same one if all heads share it."""
    return tensor if tensor is None or tensor.shape[1] == 1 else tensor[:, heads]
