"""Implementations at their real tile sizes, where the conformance suite uses tiny ones."""

import pytest
import torch

import hopfield
from hopfield import TopK
from hopfield.errors import ArgumentError
from hopfield.reduction import fused

pytestmark = pytest.mark.usefixtures("two_threads")


def problem(states, patterns, width=16, lead=()):
    state = torch.randn(*lead, states, width)
    return state.requires_grad_(), torch.randn(*lead, patterns, width).requires_grad_()


def results(state, stored, **settings):
    energy = hopfield.energy(state, stored, beta=0.4, **settings)
    update = hopfield.update(state, stored, beta=0.4, **settings)
    loss = (update * torch.linspace(-1, 1, update.shape[-1])).sum() + energy.sum()
    return update, energy, *torch.autograd.grad(loss, (state, stored))


@pytest.mark.parametrize(
    ("backend", "shape"),
    [
        ("flash", (1, 30_001)),
        ("flash", (700, 9001)),
        ("flash", (33, 5000, (2, 3))),
        ("blockwise", (700, 9001)),
        ("blockwise", (33, 2000, (2, 3))),
        ("fused", (1, 30_001)),
        ("fused", (4, 9001)),
        ("chunked", (700, 9001)),
        (None, (700, 9001)),
    ],
)
def test_large_problems_agree_with_the_oracle(backend, shape):
    states, patterns, lead = (*shape, ())[:3]
    tensors = problem(states, patterns, lead=lead)
    actual = results(*tensors, backend=backend)
    expected = results(*(t.detach().double().requires_grad_() for t in tensors), backend="naive")
    for one, other in zip(actual, expected, strict=True):
        scale = other.abs().max()
        torch.testing.assert_close(one.double() / scale, other / scale, atol=1e-5, rtol=0)


@pytest.mark.parametrize("separation", ["softmax1", "sparsemax", "entmax", TopK(10)], ids=str)
def test_other_separations_agree_with_the_oracle(separation):
    tensors = [tensor.double().detach().requires_grad_() for tensor in problem(300, 9001)]
    actual = results(*tensors, separation=separation)
    for one, other in zip(
        actual, results(*tensors, separation=separation, backend="naive"), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_bags_large_and_small():
    sizes = torch.tensor([1, 20_000, 3, 500, 9000, 2, 2, 2])
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), sizes.cumsum(0)])
    state = torch.randn(8, 2, 6).double().requires_grad_()
    stored = torch.randn(int(sizes.sum()), 6).double().requires_grad_()
    projection = torch.randn(len(stored), 3).double().requires_grad_()
    inputs = (state, stored, projection)
    actual = hopfield.update(*inputs, beta=0.8, offsets=offsets)
    bags = zip(state, stored.split(sizes.tolist()), projection.split(sizes.tolist()), strict=True)
    expected = torch.stack([hopfield.update(*bag, beta=0.8, backend="naive") for bag in bags])
    torch.testing.assert_close(actual, expected)
    weight = torch.randn_like(actual)
    gradients = torch.autograd.grad((actual * weight).sum(), inputs)
    for one, other in zip(
        gradients, torch.autograd.grad((expected * weight).sum(), inputs), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_bags_with_heads():
    offsets = torch.tensor([0, 3, 50, 60])
    state, stored = torch.randn(2, 1, 4, 5), torch.randn(2, 60, 5)
    actual = hopfield.update(state, stored, beta=1.0, offsets=offsets)
    assert actual.shape == (2, 3, 4, 5)
    alone = hopfield.update(state[1, 0], stored[1, 3:50], beta=1.0)
    torch.testing.assert_close(actual[1, 1], alone)


def test_numba_is_optional(monkeypatch):
    state, stored = torch.randn(1, 32), torch.randn(70_000, 32)
    assert hopfield.explain(state, stored).backend == "fused"
    monkeypatch.setattr(fused, "INSTALLED", False)
    choice = hopfield.explain(state, stored)
    assert choice.backend in ("flash", "sdpa")
    assert "hopfield[fast]" in choice.passed_over["fused"]


def test_fused_survives_a_fork():
    """A forked process inherits the pool of threads, but not the threads."""
    import os

    state, stored = torch.randn(2, 8), torch.randn(5000, 8)
    expected = hopfield.update(state, stored, backend="fused")
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        same = torch.allclose(hopfield.update(state, stored, backend="fused"), expected)
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_unknown_backend(untyped):
    with pytest.raises(ArgumentError, match=r"backend is 'triton'; choose one of 'fused', 'sdpa'"):
        hopfield.update(torch.randn(1, 2), torch.randn(3, 2), backend="triton")


@pytest.mark.parametrize("backend", ["flash", "blockwise", "chunked"])
def test_memory_is_linear(backend):
    """What is kept for backward does not hold the scores."""
    state, stored = problem(1000, 3000)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: kept.append(t.numel()) or t, lambda t: t
    ):
        energy = hopfield.energy(state, stored, backend=backend)
        update = hopfield.update(state, stored, backend=backend)
    assert max(kept) <= stored.numel()
    assert energy.requires_grad
    assert update.requires_grad


@pytest.mark.parametrize("separation", ["softmax", "softmax1", "sparsemax", "entmax", TopK(10)])
@pytest.mark.parametrize("patterns", [20, 2000])
def test_second_derivatives_do_not_depend_on_the_size(separation, patterns):
    """A penalty on the gradient, whose own gradient starts from one that needs none."""
    state, stored = (t.requires_grad_() for t in torch.randn(2, patterns, 8).double())
    state = state[:100].detach().requires_grad_()

    def penalty(backend):
        settings = {"separation": separation, "beta": 0.5, "backend": backend}
        energy = hopfield.energy(state, stored, **settings).sum()
        (slope,) = torch.autograd.grad(energy, state, create_graph=True)
        return torch.autograd.grad(energy + slope.square().sum(), (state, stored))

    for one, other in zip(penalty(None), penalty("naive"), strict=True):
        torch.testing.assert_close(one, other)


def test_second_derivatives_over_bags():
    state, stored = torch.randn(4, 5).double(), torch.randn(9, 5).double()
    offsets = torch.tensor([0, 2, 3, 9])

    def update(state, stored):
        return hopfield.update(state, stored, offsets=offsets)

    assert torch.autograd.gradgradcheck(update, (state.requires_grad_(), stored.requires_grad_()))


def test_a_kernel_does_not_depend_on_defaults():
    pytest.importorskip("numba")
    state, stored = torch.randn(2, 64), torch.randn(40_000, 64)
    expected = hopfield.update(state, stored, backend="fused")
    torch.set_default_dtype(torch.float64)
    try:
        assert hopfield.update(state, stored, backend="fused").equal(expected)
        assert hopfield.energy(state, stored, backend="fused").dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)


def test_bags_under_autocast():
    state, stored, offsets = torch.randn(2, 4), torch.randn(9, 4), torch.tensor([0, 5, 9])
    expected = hopfield.update(state, stored, offsets=offsets)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(hopfield.update(state, stored, offsets=offsets), expected)


@pytest.mark.parametrize("backend", [None, "naive", "blockwise", "chunked"])
def test_an_empty_batch(backend):
    state, stored = torch.randn(0, 3, 4), torch.randn(0, 5, 4)
    assert hopfield.update(state, stored, backend=backend).shape == (0, 3, 4)
