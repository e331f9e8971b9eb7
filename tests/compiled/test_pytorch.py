"""PyTorch's own machinery: compile, export, vmap, pickle, copies."""

import copy
import io
import pickle
import warnings

import pytest
import torch

import hopfield


@pytest.fixture(autouse=True)
def reset():
    torch._dynamo.reset()


COMPILED = {
    "update": lambda state, stored: hopfield.update(state, stored, beta=2.0),
    "softmax1": lambda state, stored: hopfield.update(state, stored, separation="softmax1"),
    "retrieve": lambda state, stored: hopfield.retrieve(state, stored, beta=2.0, steps=3).state,
    "energy": lambda state, stored: hopfield.energy(state, stored, beta=2.0),
    "partial": lambda state, stored: hopfield.partial(state, stored).readout,
}


@pytest.mark.parametrize("name", COMPILED)
@pytest.mark.parametrize("shape", [(2, 8, 10), (1, 300, 700)], ids=["small", "large"])
def test_compile_in_one_graph(name, shape):
    batch, states, patterns = shape
    state, stored = torch.randn(batch, states, 16), torch.randn(batch, patterns, 16)
    state.requires_grad_()
    function = COMPILED[name]
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the compiler, about itself
        actual, expected = compiled(state, stored), function(state, stored)
        torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)
        (gradient,) = torch.autograd.grad(actual.sum(), state)
    (wanted,) = torch.autograd.grad(expected.sum(), state)
    torch.testing.assert_close(gradient, wanted, atol=1e-5, rtol=1e-4)


def test_export():
    class Three(torch.nn.Module):
        def forward(self, state, stored):
            return hopfield.retrieve(state, stored, beta=2.0, steps=3).state

    length = torch.export.Dim("length", min=2, max=4096)
    inputs = torch.randn(2, 8, 16), torch.randn(2, 10, 16)
    shapes = {"state": {1: length}, "stored": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(Three(), inputs, dynamic_shapes=shapes)
    other = torch.randn(2, 13, 16), inputs[1]
    torch.testing.assert_close(program.module()(*other), Three()(*other))


def test_vmap_and_jacobians():
    state, stored = torch.randn(6, 3, 4).double(), torch.randn(6, 9, 4).double()

    def step(state, stored):
        return hopfield.update(state, stored, beta=1.5, backend="naive")

    torch.testing.assert_close(torch.vmap(step)(state, stored), step(state, stored))
    jacobian = torch.func.jacrev(step)(state[0], stored[0])
    own = torch.stack([jacobian[i, :, i] for i in range(3)])
    torch.testing.assert_close(own, hopfield.theory.jacobian(state[0], stored[0], 1.5))


@pytest.mark.parametrize("beta", [0.1, 1.0, 10.0])
def test_jacobian_is_the_derivative(beta):
    state, stored = torch.randn(2, 3, 4).double(), torch.randn(9, 4).double()
    jacobian = hopfield.theory.jacobian(state, stored, beta)
    assert jacobian.shape == (2, 3, 4, 4)
    direction = torch.randn(2, 3, 4).double()
    ahead, behind = (
        hopfield.update(state + h * direction, stored, beta=beta) for h in (1e-6, -1e-6)
    )
    slope = (jacobian @ direction.unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close((ahead - behind) / 2e-6, slope, atol=1e-6, rtol=1e-6)


def test_results_pickle_copy_and_save():
    stored = torch.randn(9, 4)
    result = hopfield.retrieve(stored, stored, beta=9.0, steps=300, tol=1e-4, trajectory=True)
    part = hopfield.partial(stored, stored, separation=hopfield.TopK(3))
    for value in (result, part, hopfield.phase(stored, stored)):
        for again in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value)):
            assert type(again) is type(value)
    buffer = io.BytesIO()
    torch.save(result, buffer)
    buffer.seek(0)
    loaded = torch.load(buffer, weights_only=False)
    torch.testing.assert_close(loaded.state, result.state)


def test_default_dtype_and_no_grad():
    torch.set_default_dtype(torch.float64)
    try:
        state, stored = torch.randn(3, 4), torch.randn(5, 4)
        assert hopfield.energy(state, stored).dtype == torch.float64
        assert hopfield.phase(state.float(), stored.float()).entropy.dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
    with torch.inference_mode():
        result = hopfield.retrieve(state, stored, steps=500, tol=1e-4, energy=True)
    assert not result.state.requires_grad
