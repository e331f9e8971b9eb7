"""The oracle by chunks of states: O(chunk · N) memory, recomputed in backward.

For separations that need a whole row of scores at once.
"""

import math
from functools import partial

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from hopfield.reduction import naive
from hopfield.reduction.inputs import Inputs, part, tiles
from hopfield.separation import Separation, for_states

SCORES_AT_ONCE = 2**23  # 32 MiB: freed memory returns to the system; smaller chunks fragment it


def refuses(inputs: Inputs, separation: Separation, log_partition: bool) -> str | None:
    """Takes everything."""
    return None


def reduce(
    inputs: Inputs, separation: Separation, log_partition: bool
) -> tuple[Tensor, Tensor | None]:
    """`naive.reduce` over chunks of states."""
    chunk = max(1, SCORES_AT_ONCE // (math.prod(inputs.lead) * inputs.patterns or 1))
    parts = [
        checkpoint(  # keeps the chunk's inputs, not its scores
            naive.reduce,
            inputs.some_states(rows),
            for_states(separation, partial(part, rows=rows)),
            log_partition,
            use_reentrant=False,
            preserve_rng_state=inputs.dropout > 0,
        )
        for rows in tiles(inputs.states, chunk)
    ]
    readout = torch.cat([part[0] for part in parts], -2)
    return readout, torch.cat([part[1] for part in parts], -1) if log_partition else None
