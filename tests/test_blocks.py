"""Stored patterns that come in blocks."""

import numpy as np
import pytest
import torch

import hopfield
from hopfield.errors import ArgumentError, DtypeError, ShapeError

SETTINGS = {"beta": 1.3, "bias": torch.linspace(-1, 1, 40), "mask": torch.arange(40) % 7 != 0}


def cut(tensor):
    return [tensor[:3], tensor[3:30], tensor[30:]]


@pytest.fixture
def patterns():
    return torch.randn(5, 4), torch.randn(40, 4), torch.randn(40, 6)


def blocks_of(stored):
    def generate():
        yield from cut(stored)

    return {
        "list": cut(stored),
        "callables": [lambda part=part: part for part in cut(stored)],
        "generator function": generate,
        "one callable": lambda: stored,
    }


@pytest.mark.parametrize("kind", ["list", "callables", "generator function", "one callable"])
def test_every_function_takes_blocks(patterns, kind):
    state, stored, projection = patterns
    blocks = blocks_of(stored)[kind]
    torch.testing.assert_close(
        hopfield.update(state, blocks, projection, **SETTINGS),
        hopfield.update(state, stored, projection, **SETTINGS),
    )
    for function in (hopfield.update, hopfield.energy, hopfield.associate):
        actual = function(state, blocks, **SETTINGS)
        torch.testing.assert_close(actual, function(state, stored, **SETTINGS))
    actual, expected = (
        hopfield.retrieve(state, x, projection, steps=50, tol=1e-5, energy=True, **SETTINGS)
        for x in (blocks, stored)
    )
    for name in ("state", "readout", "steps", "converged", "energy"):
        torch.testing.assert_close(getattr(actual, name), getattr(expected, name))
    actual, expected = (hopfield.phase(expected.state, x, **SETTINGS) for x in (blocks, stored))
    assert torch.equal(actual.k90, expected.k90)
    assert torch.equal(actual.label, expected.label)


@pytest.mark.parametrize("similarity", ["euclidean", "cosine"])
def test_similarities(patterns, similarity):
    state, stored, _ = patterns
    for function in (hopfield.update, hopfield.energy):
        actual = function(state, cut(stored), similarity=similarity, **SETTINGS)
        torch.testing.assert_close(
            actual, function(state, stored, similarity=similarity, **SETTINGS)
        )


def test_blocks_bring_their_projection(patterns):
    state, stored, projection = patterns
    pairs = list(zip(cut(stored), cut(projection), strict=True))
    expected = hopfield.update(state, stored, projection, **SETTINGS)
    for blocks in (pairs, [lambda pair=pair: pair for pair in pairs]):
        actual = hopfield.update(state, blocks, "blocks", **SETTINGS)
        torch.testing.assert_close(actual, expected)


def test_gradients_reach_the_parameters_behind_callables():
    network = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.SELU(), torch.nn.Linear(8, 4))
    network = network.double()
    raw, state = torch.randn(50, 6).double(), torch.randn(3, 4).double().requires_grad_()
    calls = 0

    def embed(chunk):
        nonlocal calls
        calls += 1
        return network(chunk)

    blocks = [lambda chunk=chunk: embed(chunk) for chunk in raw.split(7)]
    inputs = [state, *network.parameters()]
    result = hopfield.retrieve(state, blocks, steps=3, energy=True, beta=2.0)
    forward = calls
    loss = (result.state**2).sum() + result.energy.sum()
    gradients = torch.autograd.grad(loss, inputs)
    assert calls > forward  # computed again in backward
    stored = network(raw)
    expected = hopfield.retrieve(state, stored, steps=3, energy=True, beta=2.0)
    loss = (expected.state**2).sum() + expected.energy.sum()
    for gradient, wanted in zip(gradients, torch.autograd.grad(loss, inputs), strict=True):
        torch.testing.assert_close(gradient, wanted)


def test_callables_are_not_kept_for_backward():
    """At most a few blocks are alive at a time, forward and backward."""
    alive, most = 0, 0

    class Freed(np.ndarray):
        """Memory that says when it is given back; slices of it are views without their own."""

        def __del__(self):
            nonlocal alive
            alive -= self.base is None or not isinstance(self.base, Freed)

    def load(seed):
        nonlocal alive, most
        alive += 1
        most = max(most, alive)
        return torch.from_numpy(np.random.default_rng(seed).normal(size=(10, 4)).view(Freed))

    blocks = [lambda seed=seed: load(seed) for seed in range(30)]
    state = torch.randn(3, 4).double().requires_grad_()
    hopfield.update(state, blocks, beta=1.0).sum().backward()
    assert 1 <= most <= 3
    assert alive <= 1


def test_iterators_are_read_once(patterns):
    state, stored, _ = patterns
    actual = hopfield.update(state, iter(cut(stored)))
    torch.testing.assert_close(actual, hopfield.update(state, stored))
    with pytest.raises(ArgumentError, match="was read already; this needs several passes"):
        hopfield.retrieve(state, iter(cut(stored)), steps=2)


def test_wrong_blocks(untyped, patterns):
    state, stored, projection = patterns
    update = hopfield.update
    with pytest.raises(ShapeError, match="stored gave no blocks"):
        update(state, [])
    with pytest.raises(ShapeError, match=r"state has shape \(5, 4\) but stored has shape \(3, 5\)"):
        update(state, [torch.randn(3, 5)])
    with pytest.raises(ShapeError, match=r"bias has shape .* for 39 patterns, (.*) hold .*40"):
        update(state, cut(stored), bias=torch.zeros(39))
    with pytest.raises(ShapeError, match=r"projection has shape (.*) hold .*40"):
        update(state, cut(stored), torch.randn(41, 2))
    with pytest.raises(DtypeError, match="each must be a pair"):
        update(state, cut(stored), "blocks")
    with pytest.raises(DtypeError, match=r"stored is a tuple; a torch\.Tensor is expected"):
        update(state, [(stored, projection)])
    with pytest.raises(ArgumentError, match="goes with stored patterns in blocks"):
        update(state, stored, "blocks")
    with pytest.raises(DtypeError, match=r"stored is a ndarray; a torch\.Tensor is expected"):
        update(state, np.zeros((3, 4)))
    with pytest.raises(DtypeError, match=r"stored is a int; a tensor, an iterable"):
        update(state, 3)
    with pytest.raises(
        ArgumentError, match=r"offsets was given but stored patterns come in blocks"
    ):
        update(state, cut(stored), offsets=torch.tensor([0, 40]))
    with pytest.raises(ArgumentError, match=r"stored has NaN .* \(1,\)"):
        update(state, [torch.tensor([[0.0] * 4, [float("nan")] * 4])], validate=True)


def test_blocks_with_leading_dimensions_that_the_states_lack():
    state, stored = torch.randn(5, 4), torch.randn(2, 8, 4)
    blocks = [stored[:, :5], stored[:, 5:]]
    settings = {"steps": 100, "tol": 1e-4, "trajectory": True, "energy": True}
    found = hopfield.retrieve(state, blocks, **settings)
    expected = hopfield.retrieve(state, stored, **settings)
    torch.testing.assert_close(found.state, expected.state)
    torch.testing.assert_close(found.energy, expected.energy)
    assert found.trajectory.state.shape == expected.trajectory.state.shape
    phases = hopfield.phase(state, blocks), hopfield.phase(state, stored)
    torch.testing.assert_close(phases[0].kl, phases[1].kl)


def test_an_iterator_serves_the_one_pass_that_is_needed():
    state, stored = torch.randn(5, 4), torch.randn(8, 4)
    found = hopfield.retrieve(state, iter([stored[:3], stored[3:]]), tol=100.0)
    torch.testing.assert_close(found.state, hopfield.update(state, stored))


def test_blocks_that_do_not_fit_each_other():
    state = torch.randn(5, 4)
    with pytest.raises(ShapeError, match="all must be for the same states"):
        hopfield.update(state, [torch.randn(2, 3, 4), torch.randn(3, 3, 4)])
    with pytest.raises(ShapeError, match=r"do not broadcast: stored \(3,\), state \(2,\)"):
        hopfield.update(state.expand(2, 5, 4), [torch.randn(3, 3, 4)])
