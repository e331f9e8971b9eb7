"""Implementations at their real tile sizes, where the conformance suite uses tiny ones."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

import hopfield
from hopfield import Softmax1, TopK
from hopfield.association import Association
from hopfield.errors import ArgumentError, BackendError
from hopfield.network import DenseNetwork
from hopfield.reduction import concentrated, fused
from hopfield.reduction.inputs import optional
from hopfield.reduction.partial import SOFTMAX

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
        ("concentrated", (1, 70_001)),
        ("concentrated", (600, 9001)),
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


KINDS = ["concentrated", "metastable", "spread", "mixed", "extreme", "alike"]


def kinds(kind, states, patterns):
    """Patterns, and states whose weights lie on one of them, some or all; with β."""
    stored = normalize(torch.randn(patterns, 24), dim=-1)
    if kind == "metastable":
        stored = normalize(stored[: patterns // 20 + 1].repeat(20, 1)[:patterns], dim=-1)
    if kind == "alike":
        stored = stored[:1].repeat(patterns, 1)
    state = stored[torch.randint(patterns, (states,))] + 0.02 * torch.randn(states, 24)
    if kind == "mixed":
        state[::2] *= 0.01
    return state, stored, {"spread": 1.0, "extreme": 1e4}.get(kind, 60.0)


def same(actual, expected, kind):
    error = 1e-2 if kind == "extreme" else 1e-5  # float32 rounds a score of 10⁴ by 5e-4
    torch.testing.assert_close(actual.double(), expected, atol=error, rtol=error)


@pytest.mark.parametrize("backend", ["concentrated", "fused"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("states", "patterns"), [(1, 1), (3, 63), (9, 5000), (2, 70_001)])
def test_compiled_kernels_agree_with_the_oracle(backend, kind, dtype, states, patterns):
    pytest.importorskip("numba")
    state, stored, beta = kinds(kind, states, patterns)
    bias = torch.randn(patterns)
    bias[torch.rand(patterns) < 0.3] = -torch.inf
    for additive in (None, bias, torch.full_like(bias, -torch.inf)):
        beside = association(beta, additive, backend)
        actual = DenseNetwork(beside, None, stored.to(dtype)).partial(state, "stored")
        exact = replace(beside, backend="naive", bias=optional(torch.Tensor.double, beside.bias))
        wide = stored.to(dtype).double()
        expected = DenseNetwork(exact, None, wide).partial(state.double(), "stored")
        same(actual.readout, expected.readout, kind)
        same(actual.log_partition, expected.log_partition, kind)


def association(beta=1.0, bias=None, backend=None, separation=SOFTMAX):
    return Association(
        beta, optional(lambda row: row[None], bias), None, separation, "dot", backend
    )


@pytest.mark.parametrize("backend", ["concentrated", "fused", "blockwise", "chunked", None])
@pytest.mark.parametrize("separation", [SOFTMAX, Softmax1(), TopK(10)], ids=str)
@pytest.mark.parametrize("states", [2, 40])
def test_stored_patterns_in_bfloat16(backend, separation, states):
    """States, read-outs and what is computed stay in float32; so do the gradients of the states."""
    if isinstance(separation, TopK) and backend in ("concentrated", "fused"):
        return
    state, stored, beta = kinds("mixed", states, 5000)
    leaves = [state.requires_grad_(), stored.bfloat16().requires_grad_()]
    wide = [leaf.detach().double().requires_grad_() for leaf in leaves]
    projections = (None,) if backend == "fused" else (None, torch.randn(5000, 7))
    for projection in projections:
        outcomes = []
        for (xi, x), name in ((leaves, backend), (wide, "naive")):
            values = optional(lambda v, x=x: v.to(x.dtype), projection)
            if values is not None and x.dtype == torch.float64:
                values = projection.bfloat16().double()
            network = DenseNetwork(association(beta, None, name, separation), values, x)
            part = network.partial(xi, "stored" if values is None else "projection")
            loss = part.readout.sum() + part.log_partition.sum()
            outcomes.append((part.readout, *torch.autograd.grad(loss, (xi, x))))
        for one, other, error in zip(*outcomes, (1e-5, 1e-5, 1e-2), strict=True):
            scale = other.abs().max()
            torch.testing.assert_close(one.double() / scale, other / scale, atol=error, rtol=0)
        assert outcomes[0][0].dtype == outcomes[0][1].dtype == torch.float32


@pytest.mark.parametrize("backend", ["sdpa", "flash"])
def test_attention_refuses_mixed_dtypes(backend):
    state, stored = torch.randn(3, 8), torch.randn(9, 8).bfloat16()
    network = DenseNetwork(association(backend=backend), None, stored)
    with pytest.raises(BackendError, match="it takes one dtype, not states in"):
        network.readout(state, "stored")


def test_which_states_take_two_passes(monkeypatch):
    """States that one pattern could outweigh all others for take two passes, others one."""
    pytest.importorskip("numba")
    read = []
    one_pass = concentrated._one_pass
    monkeypatch.setattr(concentrated, "_one_pass", lambda i: read.append(i.rows) or one_pass(i))
    for kind, alone in (("concentrated", []), ("spread", [12]), ("mixed", [6])):
        read.clear()
        state, stored, beta = kinds(kind, 12, 70_001)
        hopfield.update(state, stored, beta=beta, backend="concentrated")
        assert read == alone


def test_large_memories_take_the_concentrated_kernel(monkeypatch):
    pytest.importorskip("numba")
    state, stored = torch.randn(40, 64), torch.randn(70_000, 64)
    assert hopfield.explain(state, stored).backend == "concentrated"
    assert hopfield.explain(state, stored[:1000]).backend != "concentrated"
    per_state = torch.zeros(40, 70_000)
    choice = hopfield.explain(state, stored, bias=per_state)
    assert "the same for all states" in choice.passed_over["concentrated"]


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
    with pytest.raises(
        ArgumentError, match=r"backend is 'triton'; choose one of 'fused', 'concentrated'"
    ):
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
