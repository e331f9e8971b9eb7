"""Bags of different sizes: segment by segment, one by one, and padded to the longest."""

import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence

import hopfield
from benchmarks.harness import Result, race


def run(device: str) -> list[Result]:
    sizes = torch.randint(1, 401, (1000,), generator=torch.Generator().manual_seed(0))
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), sizes.cumsum(0)]).to(device)
    stored = torch.randn(int(sizes.sum()), 64, device=device).requires_grad_()
    state = torch.randn(1, 64, device=device).requires_grad_()

    longest = pad_sequence(stored.detach().split(sizes.tolist()), batch_first=True)
    longest = longest[:, None].requires_grad_()  # padded beforehand: that is not timed
    seen = torch.arange(longest.shape[-2], device=device) < sizes.to(device)[:, None]
    mask = seen[:, None, None]

    def train(readout, patterns=stored):
        return torch.autograd.grad(readout.sum(), (state, patterns))

    def one_by_one():
        bags = stored.split(sizes.tolist())
        four = state[None, None]
        parts = [scaled_dot_product_attention(four, b[None, None], b[None, None]) for b in bags]
        return train(torch.cat(parts))

    def padded():
        states = state.expand(len(longest), 1, 1, 64)
        return train(scaled_dot_product_attention(states, longest, longest, mask), longest)

    contenders = {
        "attention, one by one": one_by_one,
        "attention, padded beforehand": padded,
        "hopfield.update(offsets=…)": lambda: train(
            hopfield.update(state, stored, offsets=offsets)
        ),
    }
    return race("bags", "1000 bags of 1 to 400", contenders, 9, device=device)
