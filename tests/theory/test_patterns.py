"""Δ, M and m_max."""

import pytest
import torch

from hopfield.errors import ArgumentError
from hopfield.theory import delta, max_norm, patterns, spread


def written_out(stored):
    scores = stored.double() @ stored.double().mT
    own = scores.diagonal(dim1=-2, dim2=-1)
    rivals = scores.masked_fill(torch.eye(stored.shape[-2], dtype=torch.bool), -torch.inf)
    return own - rivals.amax(-1)


@pytest.mark.parametrize("shape", [(2, 3), (63, 7), (111, 5), (2, 3, 40, 4)])
def test_delta(shape, monkeypatch):
    monkeypatch.setattr(patterns, "ROWS_AT_ONCE", 20)
    monkeypatch.setattr(patterns, "COLUMNS_AT_ONCE", 17)
    stored = torch.randn(*shape)
    torch.testing.assert_close(delta(stored), written_out(stored).float())
    index = torch.tensor([1, 0, 1])
    torch.testing.assert_close(delta(stored, index), written_out(stored).float()[..., index])


def test_delta_of_equal_norms_is_half_the_squared_distance():
    stored = torch.nn.functional.normalize(torch.randn(30, 4).double(), dim=-1)
    apart = torch.cdist(stored, stored).fill_diagonal_(torch.inf).amin(-1)
    torch.testing.assert_close(delta(stored), 0.5 * apart.square())


def test_delta_of_special_patterns():
    assert delta(torch.randn(1, 5)).item() == torch.inf
    twins = torch.randn(40, 33)
    twins[7] = twins[30]
    gaps = delta(twins)
    assert gaps[7] == 0
    assert gaps[30] == 0
    hidden = delta(torch.tensor([[1.0, 0.0], [3.0, 0.0]]))
    torch.testing.assert_close(hidden, torch.tensor([-2.0, 6.0]))


def test_norms():
    stored = torch.tensor([[3.0, 4.0], [0.0, 1.0], [-3.0, 1.0]])
    assert max_norm(stored).item() == 5
    torch.testing.assert_close(spread(stored), torch.tensor(13**0.5))
    assert max_norm(stored.expand(2, 3, 2)).shape == (2,)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1200, 5), (2, 40, 3)])
def test_blocks_are_the_whole(shape, dtype):
    stored = torch.randn(shape).to(dtype)
    blocks = [*stored.split(17, -2)]
    for given in (blocks, lambda: stored, [lambda: stored[..., :9, :], stored[..., 9:, :]]):
        torch.testing.assert_close(delta(given), delta(stored), atol=1e-12, rtol=1e-6)
        assert torch.equal(max_norm(given), max_norm(stored))
        torch.testing.assert_close(spread(given), spread(stored))
    index = torch.tensor([33, 0, 33])
    torch.testing.assert_close(delta(blocks, index), delta(stored)[..., index], atol=1e-12, rtol=0)


@pytest.mark.parametrize("function", [delta, max_norm, spread])
def test_an_iterator_is_refused(function):
    with pytest.raises(ArgumentError, match="list of blocks or a generator function"):
        function(iter([torch.randn(4, 2)]))


def test_equal_patterns_in_blocks_have_no_spread():
    pattern = torch.randn(1, 7)
    assert spread([pattern.expand(3, 7), pattern.expand(50, 7)]).item() == 0
