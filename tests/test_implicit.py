"""Gradients at the fixed point, against hundreds of unrolled steps."""

import pytest
import torch
from torch.nn.functional import normalize

import hopfield
import oracle
from hopfield import ConvergenceWarning
from hopfield.errors import ArgumentError

SETTLED = {"steps": 20_000, "tol": 1e-13}


def gradients(result, inputs):
    readout = result.readout
    loss = (readout * torch.linspace(-1, 1, readout.numel()).view_as(readout)).sum()
    return torch.autograd.grad(loss, inputs)


@pytest.mark.parametrize("similarity", oracle.SIMILARITIES)
@pytest.mark.parametrize("separation", oracle.SEPARATIONS)
@pytest.mark.parametrize("projected", [False, True])
def test_equals_200_unrolled_steps(separation, similarity, projected):
    state, stored = torch.randn(2, 5, 6).double(), torch.randn(30, 6).double().requires_grad_()
    beta = torch.tensor([0.4, 1.3]).double().view(2, 1, 1).requires_grad_()
    bias = torch.randn(30).double().requires_grad_()
    projection = torch.randn(30, 3).double().requires_grad_() if projected else None
    inputs = [stored, beta, bias] + [projection] * projected
    settings = {
        "beta": beta,
        "bias": bias,
        "similarity": similarity,
        "separation": oracle.SEPARATIONS[separation].separation,
    }
    implicit = hopfield.retrieve(
        state, stored, projection, backward="implicit", **SETTLED, **settings
    )
    unrolled = hopfield.retrieve(state, stored, projection, steps=200 + projected, **settings)
    settled = hopfield.retrieve(state, stored, projection, steps=190 + projected, **settings)
    still = (unrolled.state - settled.state).norm(dim=-1) < 1e-9
    assert still.all()
    wanted = gradients(unrolled, inputs)
    for gradient, want in zip(gradients(implicit, inputs), wanted, strict=True):
        torch.testing.assert_close(gradient, want, atol=1e-4, rtol=1e-4)
    assert implicit.adjoint.residual.shape == (2, 5)
    assert (implicit.adjoint.residual < 1e-8).all()
    assert implicit.adjoint.iterations >= (separation != "sparsemax")  # which stands still


def test_memory_does_not_grow_with_the_steps():
    stored = normalize(torch.randn(40, 8).double(), dim=-1).requires_grad_()
    state = stored.detach()[:10] + 0.3

    def kept(**how):
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t: sizes.append(t.numel()) or t, lambda t: t
        ):
            hopfield.retrieve(state, stored, beta=6.0, tol=1e-10, **how)
        return sum(sizes)

    assert kept(steps=500, backward="implicit") <= kept(steps=500) / 5


def test_no_gradient_for_where_it_started():
    stored = normalize(torch.randn(9, 4).double(), dim=-1).requires_grad_()
    state = stored.detach()[:3].clone().requires_grad_()
    result = hopfield.retrieve(state, stored, beta=20.0, backward="implicit", **SETTLED)
    (gradient,) = torch.autograd.grad(result.state.sum(), state, allow_unused=True)
    assert gradient is None
    with torch.no_grad():
        still = hopfield.retrieve(state, stored, beta=20.0, backward="implicit", **SETTLED)
    assert still.adjoint is None


def test_masked_states_have_no_gradient():
    stored = torch.randn(9, 4).double().requires_grad_()
    mask = torch.tensor([[True], [False], [True]])
    result = hopfield.retrieve(
        torch.randn(3, 4).double(), stored, beta=1.0, mask=mask, backward="implicit", **SETTLED
    )
    (gradient,) = torch.autograd.grad(result.state[1].sum(), stored)
    assert (gradient == 0).all()


def test_a_point_that_repels_warns():
    """The mean of ±x is a fixed point for every β, but beyond β‖x‖² = 1 no contraction."""
    stored = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64, requires_grad=True)
    middle = torch.zeros(1, 2, dtype=torch.float64)
    result = hopfield.retrieve(middle, stored, beta=4.0, backward="implicit", **SETTLED)
    assert result.converged.all()
    with pytest.warns(ConvergenceWarning, match="at 1 the update is no contraction"):
        result.state[:, 0].sum().backward()


def test_unconverged_states_warn():
    stored = normalize(torch.randn(50, 6).double(), dim=-1).requires_grad_()
    state = torch.randn(5, 6).double()
    with pytest.warns(ConvergenceWarning, match="5 of 5 states did not converge"):
        hopfield.retrieve(state, stored, beta=5.0, steps=1, tol=1e-12, backward="implicit")


def test_single_precision_and_blocks():
    stored = normalize(torch.randn(50, 6), dim=-1).requires_grad_()
    state = stored.detach()[:7] + 0.1
    settings = {"beta": 9.0, "steps": 500, "tol": 1e-6, "backward": "implicit"}
    whole = hopfield.retrieve(state, stored, **settings)
    blocks = [lambda: stored[:20], stored[20:]]
    (one,) = gradients(whole, [stored])
    (other,) = gradients(hopfield.retrieve(state, blocks, **settings), [stored])
    torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("size", [float("nan"), float("inf"), 1e25, 1e-25])
def test_gradients_of_any_size_pass(size):
    """What overflowed above must be seen below; squares of what came must not matter."""
    state, stored = torch.randn(3, 4), torch.randn(12, 4, requires_grad=True)
    settings = {"beta": 0.5, "steps": 200, "tol": 1e-5, "backward": "implicit"}

    def gradient(factor):
        result = hopfield.retrieve(state, stored, **settings)
        return torch.autograd.grad((result.state * factor).sum(), stored)[0]

    if torch.tensor(size).isfinite():
        torch.testing.assert_close(gradient(size) / size, gradient(1.0), rtol=1e-4, atol=1e-5)
    else:
        assert not gradient(size).isfinite().any()


def test_no_second_derivative():
    state, stored = torch.randn(3, 4), torch.randn(12, 4, requires_grad=True)
    result = hopfield.retrieve(state, stored, steps=200, tol=1e-5, backward="implicit")
    with pytest.raises(ArgumentError, match="backward='unrolled'"):
        torch.autograd.grad(result.state.sum(), stored, create_graph=True)
