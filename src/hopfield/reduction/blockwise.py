"""Softmax over tiles of patterns with a running maximum: O(S · v) memory, on any device."""

import torch
from torch import Tensor

from hopfield.reduction.inputs import Inputs, tiles
from hopfield.reduction.softmax import tile_sizes
from hopfield.separation import Separation, Softmax, Softmax1, TopK


def refuses(inputs: Inputs, separation: Separation, log_partition: bool) -> str | None:
    """Takes what merges over blocks of patterns."""
    if not isinstance(separation, (Softmax, Softmax1, TopK)):
        return f"{separation} needs all scores of a state at once; chunked takes it"
    return None


def kernel(inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Read-out and log-partition of a softmax."""
    wide, width = inputs.wide, inputs.values.shape[-1]
    least = torch.finfo(wide).min
    new = inputs.state.new_empty
    readout = new(*inputs.lead, inputs.states, width)
    log_partition = new(*inputs.lead, inputs.states, dtype=wide)
    row_size, column_size = tile_sizes(inputs)
    for rows in tiles(inputs.states, row_size):
        size = (*inputs.lead, rows.stop - rows.start)
        # The running maximum starts at the least finite number: no −inf − (−inf) anywhere.
        top = new(*size, 1, dtype=wide).fill_(least)
        total = new(*size, 1, dtype=wide).zero_()
        weighted = new(*size, width, dtype=wide).zero_()
        for columns in tiles(inputs.patterns, column_size):
            scores = inputs.scores(rows, columns)
            higher = torch.maximum(top, scores.amax(-1, keepdim=True))
            shrink = (top - higher).exp_()
            p = (scores - higher).exp_()
            total = total * shrink + p.sum(-1, keepdim=True)
            weighted = weighted * shrink + p @ inputs.values[..., columns, :].to(wide)
            top = higher
        readout[..., rows, :] = weighted / total.clamp(min=torch.finfo(wide).tiny)
        log_partition[..., rows] = (top + total.log()).squeeze(-1)
    return readout, log_partition
