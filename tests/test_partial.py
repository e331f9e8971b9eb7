"""Partial results and how they merge."""

import pytest
import torch

import hopfield
from hopfield import Partial, TopK, merge, partial
from hopfield.errors import ArgumentError

MERGING = ["softmax", "softmax1", TopK(5)]


@pytest.mark.parametrize("separation", MERGING, ids=repr)
@pytest.mark.parametrize("width", [None, 4])
def test_parts_in_any_order_and_grouping_are_the_whole(separation, width):
    state, stored = torch.randn(2, 7, 3).double(), torch.randn(30, 3).double()
    projection = None if width is None else torch.randn(30, width).double()
    settings = {"separation": separation, "beta": 1.7}
    whole = partial(state, stored, projection, **settings)
    cuts = [slice(0, 1), slice(1, 12), slice(12, 13), slice(13, 30)]
    parts = [
        partial(state, stored[c], None if width is None else projection[c], **settings)
        for c in cuts
    ]
    for merged in (
        merge(parts),
        merge(reversed(parts)),
        merge([merge(parts[:2]), merge(parts[2:])]),
        merge(part for part in parts),
    ):
        torch.testing.assert_close(merged.readout, whole.readout)
        torch.testing.assert_close(merged.log_partition, whole.log_partition)
    update = hopfield.update(state, stored, projection, **settings)
    torch.testing.assert_close(whole.readout, update)


@pytest.mark.parametrize("separation", MERGING, ids=repr)
def test_parts_without_a_visible_pattern_change_nothing(separation):
    state, stored = torch.randn(4, 3).requires_grad_(), torch.randn(8, 3).requires_grad_()
    mask = torch.ones(4, 8, dtype=torch.bool)
    mask[0, :4] = False
    mask[1] = False
    settings = {"separation": separation, "beta": 1.0}
    parts = [
        partial(state, stored[c], mask=mask[:, c], **settings) for c in (slice(4), slice(4, 8))
    ]
    merged = merge(parts)
    expected = hopfield.update(state, stored, mask=mask, **settings)
    torch.testing.assert_close(merged.readout, expected)
    assert (merged.readout[1] == 0).all()
    finite = merged.log_partition[[0, 2, 3]].sum()
    gradients = torch.autograd.grad(merged.readout.sum() + finite, (state, stored))
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert (gradients[0][1] == 0).all()


def test_parts_of_very_different_size_keep_their_precision():
    big, small = torch.tensor([[300.0]]), torch.tensor([[-300.0]])
    one = Partial(torch.tensor([[[1.0]]]), big)
    other = Partial(torch.tensor([[[2.0]]]), small)
    merged = merge([one, other, one])
    torch.testing.assert_close(merged.readout, torch.tensor([[[1.0]]]))
    torch.testing.assert_close(merged.log_partition, big + torch.tensor(2.0).log())


def test_log_partition_is_at_least_single_precision():
    state, stored = torch.randn(2, 3).half(), torch.randn(5, 3).half()
    result = partial(state, stored, beta=1.0)
    assert result.readout.dtype == torch.float16
    assert result.log_partition.dtype == torch.float32


def test_what_does_not_merge():
    state, stored = torch.randn(2, 3), torch.randn(5, 3)
    with pytest.raises(ArgumentError, match="at least one"):
        merge([])
    with pytest.raises(ArgumentError, match="all must be of the same separation"):
        merge([partial(state, stored), partial(state, stored, separation="softmax1")])
    with pytest.raises(ArgumentError, match="softmax, softmax1 and top-k merge"):
        merge([partial(state, stored, separation="sparsemax")])
    with pytest.raises(ArgumentError, match="top-k over bags"):
        partial(state, stored, separation=TopK(2), offsets=torch.tensor([0, 2, 5]))
