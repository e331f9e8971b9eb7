"""Few states, a million stored patterns: bound by reading them, then by the products."""

import torch
from torch.nn.functional import normalize, scaled_dot_product_attention

import hopfield
from benchmarks.harness import Result, product_rate, race, read_rate
from hopfield.reduction import fused

PATTERNS = 1_000_000


def without_numba(function):
    def run():
        fused.INSTALLED, before = False, fused.INSTALLED
        try:
            return function()
        finally:
            fused.INSTALLED = before

    return run


def run(device: str) -> list[Result]:
    read, product = read_rate(device), product_rate(device)
    results = []
    for width in (64, 128):
        stored = normalize(torch.randn(PATTERNS, width, device=device), dim=-1)
        numbers = stored.numel()
        for states in (1, 8, 32, 256):
            state = torch.randn(states, width, device=device)
            four = state[None, None], stored[None, None], stored[None, None]
            beta = width**-0.5

            def ours(state=state, stored=stored):
                return hopfield.update(state, stored)

            contenders = {
                "scaled_dot_product_attention": lambda f=four: scaled_dot_product_attention(*f),
                "hopfield.update": ours,
                "hopfield.update without numba": without_numba(ours),
                "softmax(ξ Xᵀ) X": lambda q=state, x=stored, b=beta: (
                    torch.softmax(b * q @ x.T, -1) @ x
                ),
            }
            if states > fused.FEW_STATES:
                del contenders["hopfield.update without numba"]

            def share(seconds, states=states, numbers=numbers):
                if states == 1:
                    return f"{4 * numbers / seconds / read:.0%} of reading X once"
                return f"{4 * numbers * states / seconds / product:.0%} of the matrix-product rate"

            case = f"S = {states}, d = {width}"
            limits = dict.fromkeys(contenders, share)
            rounds = 5 if states == 256 else 15
            results += race("a million patterns", case, contenders, rounds, limits, device)
    return results
