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


def with_one_more(stored: Tensor, extra: Tensor, bounds: list[int]) -> tuple[Tensor, list[int]]:
    """The pattern `(..., 1, d)` at the end of each bag of `(..., T, d)`, and the new offsets."""
    total, bags = stored.shape[-2], len(bounds) - 1
    sizes = torch.tensor(bounds, device=stored.device).diff()
    bag = torch.repeat_interleave(torch.arange(bags, device=stored.device), sizes)
    where = torch.full((total + bags,), total, device=stored.device)
    rows = torch.arange(total, device=stored.device)
    where[rows + bag] = rows
    extra = extra.expand(*stored.shape[:-2], *extra.shape[-2:])
    together = torch.cat([stored, extra], -2).index_select(-2, where)
    return together, [bound + bag for bag, bound in enumerate(bounds)]
