"""One association, as a layer makes it: 8 heads, as many states as patterns."""

import torch
from torch.nn.functional import scaled_dot_product_attention

import hopfield
from benchmarks.harness import Result, race


def run(device: str) -> list[Result]:
    q, k, v = torch.randn(3, 1, 8, 2048, 64, device=device).unbind()
    forward = {
        "scaled_dot_product_attention": lambda: scaled_dot_product_attention(q, k, v),
        "hopfield.update": lambda: hopfield.update(q, k, v),
        "softmax(q kᵀ) v": lambda: torch.softmax(q @ k.mT / 8, -1) @ v,
    }
    results = race("one step", "forward", forward, 15, device=device)
    q, k, v = (tensor.requires_grad_() for tensor in (q, k, v))

    def both(function):
        return lambda: torch.autograd.grad(function().sum(), (q, k, v))

    trained = {name: both(function) for name, function in forward.items()}
    return results + race("one step", "forward and backward", trained, 9, device=device)
