"""Theorems as tests: what they promise holds for every state they speak of."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

import hopfield
from hopfield.errors import ArgumentError, NotCoveredError, ShapeError
from hopfield.theory import delta, is_stored, max_norm, retrieval_error_bound, storing_beta


def test_stored_patterns_have_their_own_fixed_point():
    """In a ball of radius 1 / (βNM) all states go to one fixed point, and stay in the ball."""
    found = 0
    for seed in range(30):
        generator = torch.Generator().manual_seed(seed)
        stored = torch.randn(12, 10, generator=generator).double()
        beta = 4.0
        certain = is_stored(stored, beta)
        radius = 1 / (beta * 12 * max_norm(stored))
        for i in certain.nonzero().squeeze(-1).tolist():
            offsets = normalize(torch.randn(20, 10, generator=generator).double(), dim=-1)
            state = stored[i] + radius * offsets * torch.rand(20, 1, generator=generator).double()
            moved = hopfield.update(state, stored, beta=beta)
            assert ((moved - stored[i]).norm(dim=-1) <= radius).all()
            ends = hopfield.retrieve(state, stored, beta=beta, steps=99, tol=1e-12).state
            assert (ends - ends[0]).norm(dim=-1).max() < 1e-10
            found += 1
    assert found > 50


def test_the_condition_is_the_papers():
    stored = 3 * normalize(torch.randn(50, 20).double(), dim=-1)
    for beta in (0.05, 0.5, 1.0, 2.0, 8.0):
        product = 2 * 49 * 50 * beta * 9
        wanted = delta(stored) >= 2 / (50 * beta) + math.log(product) / beta
        assert torch.equal(is_stored(stored, beta), wanted & (product > 1))
    assert is_stored(torch.randn(1, 3), 0.1).item()
    assert not is_stored(torch.randn(5, 3).expand(2, 5, 3).reshape(10, 3), 1e6).any()
    tiny = 1e-4 * torch.eye(3)
    assert not is_stored(tiny, 1.0).any()  # 2(N−1)NβM² < 1


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    patterns=st.integers(1, 40),
    width=st.integers(1, 12),
    beta=st.floats(1e-2, 1e2),
    noise=st.floats(0, 2),
    scale=st.floats(0.1, 10),
)
def test_one_update_stays_under_the_bound(seed, patterns, width, beta, noise, scale):
    generator = torch.Generator().manual_seed(seed)
    stored = scale * torch.randn(patterns, width, generator=generator).double()
    target = torch.randint(patterns, (30,), generator=generator)
    state = stored[target] + noise * torch.randn(30, width, generator=generator).double()
    error = (hopfield.update(state, stored, beta=beta) - stored[target]).norm(dim=-1)
    bound = retrieval_error_bound(state, stored, beta, target=target)
    assert (error <= bound * (1 + 1e-9) + 1e-12 * scale).all()


def test_the_bound_falls_exponentially_with_separation():
    state = stored = 4 * torch.eye(6, dtype=torch.float64)
    one, two = (
        retrieval_error_bound(state, stored, beta, target=torch.arange(6)) for beta in (1.0, 2.0)
    )
    torch.testing.assert_close(two / one, torch.full((6,), math.exp(-16)).double())
    torch.testing.assert_close(one, torch.full((6,), 2 * 5 * math.exp(-16) * 4).double())


@pytest.mark.parametrize(
    "how",
    [{"separation": "entmax"}, {"similarity": "cosine"}, {"bias": torch.zeros(5)}],
    ids=lambda how: next(iter(how)),
)
def test_what_the_theorems_do_not_cover(how):
    stored = torch.randn(5, 3)
    with pytest.raises(NotCoveredError, match="covers"):
        is_stored(stored, 1.0, **how)
    with pytest.raises(NotCoveredError, match="covers"):
        retrieval_error_bound(stored, stored, 1.0, target=torch.arange(5), **how)


def test_bad_arguments(untyped):
    stored = torch.randn(5, 3)
    with pytest.raises(ArgumentError, match="beta is 0; a finite number above 0"):
        is_stored(stored, 0)
    with pytest.raises(ShapeError, match="one index for each of the 5 states"):
        retrieval_error_bound(stored, stored, 1.0, target=torch.arange(4))
    with pytest.raises(ArgumentError, match=r"share is 1\.5"):
        storing_beta(stored, 0.1, 1.5)
    with pytest.raises(ArgumentError, match="error is 0"):
        storing_beta(stored, 0)
    with pytest.raises(ShapeError, match=r"\(N, d\) is expected"):
        storing_beta(stored[None], 0.1)
