"""Which stored patterns are equal, found by hashing them: no pairs are compared."""

import torch
from torch import Tensor

from hopfield.reduction.inputs import tiles

ROWS_AT_ONCE = 2**16
AS_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def equal_patterns(stored: Tensor) -> Tensor | None:
    """A number for each pattern, the same for equal ones, `(..., N)`; None if all differ."""
    return number_equal(pattern_keys(stored))


def pattern_keys(stored: Tensor) -> Tensor:
    """A 64-bit key for each pattern, `(..., N)`."""
    rows = stored.reshape(-1, stored.shape[-1])
    keys = torch.cat([_hash(rows[tile]) for tile in tiles(len(rows), ROWS_AT_ONCE)])
    return keys.view(stored.shape[:-1])


def number_equal(keys: Tensor) -> Tensor | None:
    """A number for each key, the same for equal ones, `(..., N)`; None if all differ."""
    ranked, order = keys.sort(-1)
    steps = (ranked[..., 1:] != ranked[..., :-1]).long()
    if bool(steps.all()):
        return None
    number = torch.cat([torch.zeros_like(order[..., :1]), steps.cumsum(-1)], -1)
    return torch.empty_like(order).scatter_(-1, order, number)


def _hash(rows: Tensor) -> Tensor:
    """A 64-bit key for each row: equal rows have equal keys, and others, but for chance, do not."""
    bits = (rows + 0.0).contiguous().view(AS_INTEGERS[rows.element_size()]).long()  # −0 is 0
    generator = torch.Generator("cpu").manual_seed(0)  # the same keys on every device
    shape = (rows.shape[-1] + 1,)
    factors = torch.randint(-(2**62), 2**62, shape, generator=generator, device="cpu")
    factors = (2 * factors + 1).to(rows.device)
    mixed = bits * factors[0]
    mixed = mixed ^ (mixed >> 32)
    return (mixed * factors[1:]).sum(-1)
