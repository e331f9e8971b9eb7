"""Δ, M and m_max."""

import pytest
import torch

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
