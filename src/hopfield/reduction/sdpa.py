"""Softmax by PyTorch's own attention, where nobody asks for the log-partition."""

import math

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from hopfield.reduction.inputs import Inputs
from hopfield.separation import Separation, Softmax


def refuses(inputs: Inputs, separation: Separation, log_partition: bool) -> str | None:
    """Takes softmax without log-partition."""
    if not isinstance(separation, Softmax):
        return f"it computes softmax, not {separation}"
    if (why := inputs.mixed()) is not None:
        return why
    if log_partition:
        return "it returns no log-partition; flash and blockwise do"
    return None


def writes_scores_out(inputs: Inputs) -> str | None:
    """Why PyTorch would write the scores out here, if it would."""
    if inputs.values.shape[-1] != inputs.stored.shape[-1]:
        return "PyTorch's fused attention needs projections as wide as the stored patterns"
    if inputs.bias is not None and inputs.bias.requires_grad:
        return "PyTorch's fused attention gives no gradient of the bias"
    if inputs.dropout and inputs.state.device.type == "cpu":
        return "PyTorch's fused attention drops no weights on the CPU"
    return None


def reduce(inputs: Inputs) -> Tensor:
    """The read-out."""
    state, stored, values = attention_form(inputs)
    causal = inputs.causal and inputs.bias is None
    bias = None if causal else attention_bias(inputs, state)
    readout = scaled_dot_product_attention(
        state,
        stored,
        values,
        bias,
        dropout_p=inputs.dropout,
        is_causal=causal,
        scale=inputs.scale,
    )
    if bias is not None and torch.compiler.is_exporting():  # ONNX gives NaN for a masked state
        readout = readout.masked_fill(bias.amax(-1, keepdim=True).isneginf(), 0.0)
    return readout if len(inputs.lead) == 2 else readout.reshape(*inputs.lead, *readout.shape[-2:])


def attention_form(inputs: Inputs) -> tuple[Tensor, Tensor, Tensor]:
    """What an attention kernel takes, `(B, H, ·, ·)` each: state, stored patterns, read-out."""
    heads = inputs.lead[-1] if inputs.lead else 1
    batch = math.prod(inputs.lead[:-1])

    def four_dimensional(tensor: Tensor) -> Tensor:
        if len(inputs.lead) == 2 and tensor.shape[:-2] == inputs.lead:
            return tensor
        full = tensor.expand(*inputs.lead, *tensor.shape[-2:])
        return full.reshape(batch, heads, *tensor.shape[-2:])

    state, stored = four_dimensional(inputs.state), four_dimensional(inputs.stored)
    return state, stored, stored if inputs.projection is None else four_dimensional(inputs.values)


def attention_bias(inputs: Inputs, state: Tensor) -> Tensor | None:
    """Bias and mask for a state in attention form, `(B, H, S or 1, N)`."""
    additive = inputs.additive()
    if additive is None:
        return None
    full = additive.to(state.dtype).expand(*inputs.lead, *additive.shape[-2:])
    return full.reshape(*state.shape[:2], *additive.shape[-2:])
