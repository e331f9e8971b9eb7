"""Patterns in a quarter of the bytes: eight bits a number, and how far that is from the pattern."""

import torch
from torch import Tensor
from torch.linalg import vector_norm

from hopfield.reduction.inputs import tiles

ROWS_AT_ONCE = 2**14
LEVELS = 127


def quantised(patterns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Codes `(n, d)`, int8, scales `(n,)` and errors `(n,)` of patterns `(n, d)`.

    Pattern i is `scales[i] · codes[i]` up to a vector no longer than `errors[i]`, which is rounded
    up, so that it is a bound.
    """
    codes = torch.empty(patterns.shape, dtype=torch.int8)
    scales, errors = torch.empty(2, len(patterns), dtype=torch.float32)
    for rows in tiles(len(patterns), ROWS_AT_ONCE):
        wide = patterns[rows].double()
        scale = (wide.abs().amax(-1) / LEVELS).float()
        steps = (wide / scale.masked_fill(scale == 0, 1.0).double()[:, None]).round()
        steps = steps.clamp(-LEVELS, LEVELS)
        codes[rows], scales[rows] = steps.to(torch.int8), scale
        missed = vector_norm(wide - steps * scale.double()[:, None], dim=-1) * (1 + 1e-9)
        errors[rows] = torch.nextafter(missed.float(), missed.new_tensor(torch.inf).float())
    return codes, scales, errors
