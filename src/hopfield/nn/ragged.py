"""Bags that lie one after the other as a padded batch, and back."""

import torch
from torch import Tensor


class Bags:
    """Where the rows of bags of different sizes lie in a padded batch.

    Args:
        bounds: the offsets, from 0 to the number of rows T.
        device: of the rows.
    """

    def __init__(self, bounds: list[int], device: torch.device) -> None:
        ends = torch.tensor(bounds, device=device)
        self.sizes = ends.diff()
        self.longest = int(self.sizes.max())
        self.place = torch.arange(self.longest, device=device)
        self.padding_mask = self.place >= self.sizes[:, None]

    def padded(self, rows: Tensor) -> Tensor:
        """`(..., T, d)` as `(..., B, longest, d)`, zeros where there is padding."""
        batch = rows.new_zeros(*rows.shape[:-2], *self.padding_mask.shape, rows.shape[-1])
        batch[..., ~self.padding_mask, :] = rows
        return batch

    def rows(self, batch: Tensor) -> Tensor:
        """The inverse of `padded`."""
        return batch[..., ~self.padding_mask, :]


def with_one_more(bounds: list[int], device: torch.device) -> tuple[Tensor, list[int]]:
    """For T rows in bags, and one further row for the end of each: where all lie, and the offsets.

    The indices, `(T + B,)`, pick from the T rows with that row, T, after them.
    """
    total = bounds[-1]
    where = torch.full((total + len(bounds) - 1,), total, device=device)
    rows = torch.arange(total, device=device)
    where[rows + bag_of_row(bounds, device)] = rows
    return where, [bound + bag for bag, bound in enumerate(bounds)]


def bag_of_row(bounds: list[int], device: torch.device) -> Tensor:
    """The bag of each row, `(T,)`."""
    sizes = torch.tensor(bounds, device=device).diff()
    return torch.repeat_interleave(torch.arange(len(sizes), device=device), sizes)


def place_in_bag(bounds: list[int], device: torch.device) -> Tensor:
    """The place of each row in its bag, `(T,)`."""
    starts = torch.tensor(bounds, device=device)[bag_of_row(bounds, device)]
    return torch.arange(bounds[-1], device=device) - starts
