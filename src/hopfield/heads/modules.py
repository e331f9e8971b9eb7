"""Attention that is a module, PyTorch's or of this library, seen like transformers' attention."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from hopfield.association import Association
from hopfield.errors import ArgumentError
from hopfield.huggingface.attention import Heads, as_mask
from hopfield.network import DenseNetwork
from hopfield.nn import Hopfield, MultiheadAttention
from hopfield.nn.attend import before_readout
from hopfield.nn.call import Call, enter
from hopfield.reduction.inputs import optional
from hopfield.separation import Softmax, Softmax1

# Sees what the heads of a module associate, and whether with another sequence than their own.
Observer = Callable[[nn.Module, Heads, bool], Any]


@contextmanager
def watched(model: nn.Module, observer: Observer) -> Iterator[None]:
    """Each call of attention that is a module goes by the observer before it runs.

    These are `torch.nn.MultiheadAttention`, `hopfield.nn.Hopfield` and what is made of them:
    PyTorch's and our transformer layers, pooling, look-up. States and patterns are projected a
    second time for that; what the modules compute does not change.

    But in eval mode PyTorch's `TransformerEncoderLayer` has a fast path that passes its attention
    by. It is off inside, as it is in training: the output of models that have such layers differs
    by rounding, and at padding, where the fast path may write zeros.

    Heads read another sequence than their own unless states and patterns come in as one tensor.
    Where states are updated before they read out, those that read out are seen. What is stored
    beside the sequence, a learned pattern or the null pattern of softmax1, is the first pattern.
    """
    handles = []
    within: set[nn.Module] = set()
    for module in model.modules():
        if type(module) is nn.MultiheadAttention or isinstance(module, MultiheadAttention):
            within.update(module.modules())
            hook = _attention(observer)
        elif isinstance(module, Hopfield) and module not in within:
            hook = _layer(observer)
        else:
            continue
        handles.append(module.register_forward_pre_hook(hook, with_kwargs=True))
    fast = torch.backends.mha.get_fastpath_enabled()
    bypassed = any(isinstance(module, nn.TransformerEncoderLayer) for module in model.modules())
    try:
        torch.backends.mha.set_fastpath_enabled(fast and not bypassed)
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for handle in handles:
            handle.remove()


def _attention(observer: Observer) -> Callable[..., None]:
    def see(module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        form = module
        if isinstance(module, nn.MultiheadAttention):
            where = module.out_proj.weight
            with torch.random.fork_rng([where.device] if where.is_cuda else []):  # it draws some
                form = MultiheadAttention.from_attention(module)
        roles, seen = form.inner(*given, **named)
        call = enter(form.hopfield, *roles, **seen)
        observer(module, _heads(form.hopfield, call), roles[0] is not roles[1])

    return see


def _layer(observer: Observer) -> Callable[..., None]:
    def see(module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        call = enter(module, *given, **named)
        roles = {**dict(zip(("state", "stored"), given, strict=False)), **named}
        cross = roles.get("stored") is not None and roles["stored"] is not roles["state"]
        observer(module, _heads(module, call), cross)

    return see


def _heads(layer: Hopfield, call: Call) -> Heads:
    """What a layer associates in its last step, in the form of transformers' attention."""
    if call.bounds is not None or call.bags is not None:
        raise ArgumentError(
            "a Hopfield layer was called with offsets; heads are looked at over sets of one size, "
            "padded with a padding_mask"
        )
    association, state = call.association, call.state
    if isinstance(call.steps, Tensor) or call.steps != 1:
        network = DenseNetwork(association, None, call.stored)
        state = before_readout(network, state, call.steps, call.tol, layer.backward)
    lead = torch.broadcast_shapes(state.shape[:-3], call.stored.shape[:-3])

    def whole(tensor: Tensor) -> Tensor:
        shape = (*lead, layer.num_heads, *tensor.shape[-2:])
        return tensor.expand(shape).reshape(-1, *shape[-3:])

    def part(tensor: Tensor) -> Tensor:
        tensor = tensor[(None,) * (len(lead) + 3 - tensor.dim())]
        if any(size > 1 for size in tensor.shape[:-3]):
            tensor = tensor.expand(*lead, *tensor.shape[-3:])
        return tensor.reshape(-1, *tensor.shape[-3:])

    mask, bias, beta = association.mask, association.bias, association.beta
    if bias is not None:
        bias, seen = as_mask(bias)
        mask = seen if mask is None else mask & seen
    if isinstance(beta, Tensor):
        beta = beta.item() if beta.numel() == 1 else part(beta)
    mask, bias = optional(part, mask), optional(part, bias)
    own = Association(beta, bias, mask, association.separation, "dot")
    heads = Heads(whole(state), whole(call.stored), whole(call.projection), own, {})
    if layer.space.has_bias_pattern:
        heads = _changed(heads, lambda tensor, dim, _: tensor.roll(1, dim))
    if isinstance(own.separation, Softmax1):
        own = replace(heads.association, separation=Softmax())
        heads = _changed(replace(heads, association=own), _with_one_before)
    return heads


def _changed(heads: Heads, change: Callable[[Tensor, int, float], Tensor]) -> Heads:
    """The heads after a change of tensor and dimension of patterns; what is added sees, or is 0."""
    own = heads.association
    mask = None if own.mask is None else change(own.mask, -1, True)
    bias = None if own.bias is None else change(own.bias, -1, 0.0)
    stored, projection = change(heads.stored, -2, 0.0), change(heads.projection, -2, 0.0)
    own = replace(own, mask=mask, bias=bias)
    return replace(heads, stored=stored, projection=projection, association=own)


def _with_one_before(tensor: Tensor, dim: int, value: float) -> Tensor:
    return pad(tensor, (1, 0) if dim == -1 else (0, 0, 1, 0), value=value)
