"""Ten steps of which half of the states need two: the cost follows those that still move."""

import warnings

import torch
from torch.nn.functional import normalize, scaled_dot_product_attention

import hopfield
from benchmarks.harness import Result, race

STEPS = 10


def run(device: str) -> list[Result]:
    stored = normalize(torch.randn(2048, 64, device=device), dim=-1)
    near = stored[:1024] + 0.01 * torch.randn(1024, 64, device=device)
    far = 0.01 * torch.randn(1024, 64, device=device)
    state = torch.cat([near, far])
    beta = torch.tensor([60.0, 40.0], device=device).repeat_interleave(1024)[:, None]
    result = hopfield.retrieve(state, stored, beta=beta, steps=100, tol=1e-6)
    assert result.steps[:1024].double().mean() < 2.1
    assert result.steps[1024:].min() > STEPS
    warnings.simplefilter("ignore", hopfield.ConvergenceWarning)  # half of them move on

    def loop():
        moved = state
        for _ in range(STEPS):
            four = ((beta * moved)[None, None], stored[None, None], stored[None, None])
            moved = scaled_dot_product_attention(*four, scale=1.0)[0, 0]
        return moved

    contenders = {
        "loop of attention": loop,
        "retrieve, every state": lambda: hopfield.retrieve(state, stored, beta=beta, steps=STEPS),
        "retrieve, tol=1e-6": lambda: hopfield.retrieve(
            state, stored, beta=beta, steps=STEPS, tol=1e-6
        ),
    }
    return race("stopping", f"{STEPS} steps, half done after 2", contenders, 15, device=device)
