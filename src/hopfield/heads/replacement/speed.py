"""How fast a smaller model is beside the one that it was made of."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hopfield.heads.replacement.layers import call
from hopfield.huggingface.recording import in_eval_mode

ROUNDS = 15


@dataclass(frozen=True)
class Speed:
    """The time of a forward as a multiple of that of another model.

    Attributes:
        ratio: its median over rounds; below 1 is faster.
        low: the lower quartile.
        high: the upper quartile.
        shape: of the input.
        threads: how many of PyTorch's threads.
        device: where they ran.
    """

    ratio: float
    low: float
    high: float
    shape: tuple[int, ...]
    threads: int
    device: str


@torch.no_grad()
def compare_speed(
    model: nn.Module, other: nn.Module, inputs: Mapping[str, Any], rounds: int = ROUNDS
) -> Speed:
    """The forward of a model beside that of another one, in turns, on the same inputs."""
    ratios = []
    with in_eval_mode(model), in_eval_mode(other):
        for first in (True, *(n % 2 == 0 for n in range(rounds))):
            pair = (model, other) if first else (other, model)
            spent = {one: _seconds(one, inputs) for one in pair}
            ratios.append(spent[model] / spent[other])
    low, middle, high = statistics.quantiles(ratios[1:], n=4, method="inclusive")  # one to warm up
    device = next(model.parameters()).device
    shape = tuple(next(iter(inputs.values())).shape)
    return Speed(middle, low, high, shape, torch.get_num_threads(), str(device))


def _seconds(model: nn.Module, inputs: Mapping[str, Any]) -> float:
    start = time.perf_counter()
    _ = call(model, inputs)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start
