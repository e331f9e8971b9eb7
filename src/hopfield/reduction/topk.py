"""Softmax over the k best patterns: found tile by tile, then gathered and reduced as they are.

Only these take part in the gradient, so backward never meets the other N − k patterns.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import embedding
from torch.utils.checkpoint import checkpoint

from hopfield.reduction.inputs import Inputs, tiles
from hopfield.reduction.partial import Partial, finish
from hopfield.reduction.softmax import tile_sizes
from hopfield.separation import TopK

GATHERED_AT_ONCE = 2**22


def reduce(inputs: Inputs, separation: TopK) -> tuple[Tensor, Tensor]:
    """Read-out and log-partition, by chunks of states whose gathered patterns are not kept."""
    chosen = heaviest(inputs, separation.k)
    width = inputs.stored.shape[-1] + inputs.values.shape[-1]
    chunk = max(1, GATHERED_AT_ONCE // (math.prod(inputs.lead) * chosen.shape[-1] * width or 1))

    def of_chunk(some: Inputs, chosen: Tensor) -> tuple[Tensor, Tensor]:
        result = finish(separation, gather(some, chosen))
        return result.readout, result.log_partition

    parts = [
        checkpoint(
            of_chunk,
            inputs.some_states(rows),
            chosen[..., rows, :],
            use_reentrant=False,
            preserve_rng_state=False,
        )
        for rows in tiles(inputs.states, chunk)
    ]
    return torch.cat([p[0] for p in parts], -2), torch.cat([p[1] for p in parts], -1)


@torch.no_grad()
def heaviest(inputs: Inputs, k: int) -> Tensor:
    """Indices of the k best patterns of each state, `(..., S, min(k, N))`."""
    k = min(k, inputs.patterns)
    row_size, column_size = tile_sizes(inputs)
    parts = []
    for rows in tiles(inputs.states, row_size):
        scores = inputs.state.new_empty(0)
        chosen = torch.empty(0, dtype=torch.long)
        for columns in tiles(inputs.patterns, max(column_size, k)):
            tile = inputs.scores(rows, columns)
            best = tile.topk(min(k, tile.shape[-1]), -1)
            found = best.indices + columns.start
            if columns.start > 0:
                both = torch.cat([scores, best.values], -1)
                best = both.topk(k, -1)
                found = torch.cat([chosen, found], -1).gather(-1, best.indices)
            scores, chosen = best.values, found
        parts.append(chosen.expand(*inputs.lead, *chosen.shape[-2:]))
    return torch.cat(parts, -2)


def gather(inputs: Inputs, chosen: Tensor) -> Partial:
    """Scores `(..., S, k)` and projections `(..., S, k, v)` of the chosen patterns, one by one."""
    wide = inputs.wide
    stored = _take(inputs.stored.unsqueeze(-3), chosen).to(wide)
    state = inputs.state.to(wide) * inputs.scale
    scores = (stored @ state.unsqueeze(-1)).squeeze(-1)
    if inputs.bias is not None:
        scores = scores + _take(inputs.bias.unsqueeze(-1), chosen).squeeze(-1).to(wide)
    if inputs.mask is not None:
        visible = _take(inputs.mask.unsqueeze(-1).to(wide), chosen).squeeze(-1).bool()
        scores = scores.masked_fill(~visible, -torch.inf)
    return Partial(_take(inputs.values.unsqueeze(-3), chosen).to(inputs.state.dtype), scores)


def _take(table: Tensor, chosen: Tensor) -> Tensor:
    """Rows of a `(..., S or 1, N, w)` table by indices `(..., S, k)`, without expanding it."""
    rows = table.shape[:-2]
    first = torch.arange(math.prod(rows), device=table.device) * table.shape[-2]
    return embedding(chosen + first.view(*rows, 1), table.flatten(0, -2))
