"""Other separations beside softmax, S = N = 4 096, forward and backward."""

import entmax
import torch

import hopfield
from benchmarks.harness import Result, race
from hopfield import Entmax, TopK


def run(device: str) -> list[Result]:
    q, k, v = (t.requires_grad_() for t in torch.randn(3, 4096, 64, device=device).unbind())

    def ours(separation):
        return lambda: train(hopfield.update(q, k, v, separation=separation))

    def written_out(function):
        return lambda: train(function(q @ k.T / 8, -1) @ v)

    def train(readout):
        return torch.autograd.grad(readout.sum(), (q, k, v))

    contenders = {
        "softmax": ours("softmax"),
        "softmax1": ours("softmax1"),
        "TopK(32)": ours(TopK(32)),
        "sparsemax": ours("sparsemax"),
        "entmax, written out: sparsemax": written_out(entmax.sparsemax),
        "entmax (α = 1.5)": ours("entmax"),
        "entmax, written out: α = 1.5": written_out(entmax.entmax15),
    }
    results = race("separations", "forward and backward", contenders, 5, device=device)
    slow = {"softmax": ours("softmax"), "Entmax(1.3), by bisection": ours(Entmax(1.3))}
    return results + race("separations", "any α", slow, 2, device=device)
