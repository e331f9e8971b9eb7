"""Several processes that train one network: `hopfield.processes` joins them.

Each computes some repertoires of a batch; the gradients are summed, so that the result is that of
one process up to rounding. With one process nothing happens here.
"""

from collections.abc import Iterable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from hopfield.repertoire.screen import Rows


def rank() -> int:
    """The number of this process; the first, 0, writes what is written."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def own(rows: Rows) -> Rows:
    """The share of this process."""
    return rows[rank() :: world()]


def gathered(own_values: Tensor, rows: int) -> Tensor:
    """What all processes have for their shares of the rows, `(rows, ...)`, in order."""
    if world() == 1:
        return own_values
    total = own_values.new_zeros(rows, *own_values.shape[1:])
    total[rank() :: world()] = own_values
    dist.all_reduce(total)
    return total


def sum_gradients(parameters: Iterable[Tensor]) -> None:
    """Add up the gradients of all processes; each then has the sum."""
    if world() == 1:
        return
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        dist.all_reduce(parameter.grad)


def from_first(tensors: Sequence[Tensor]) -> None:
    """Give all processes what the first has."""
    if world() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, 0)
