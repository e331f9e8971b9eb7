"""Random shapes and values, extremes included."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import hopfield
import oracle

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 40), st.integers(1, 9))
many = settings(max_examples=200, deadline=None)


def problem(data, dtype=torch.float64):
    states, patterns, width = data.draw(SHAPES)
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**32)))
    scale = data.draw(st.sampled_from([1e-3, 1.0, 30.0]))

    def rand(*shape):
        return (scale * torch.randn(*shape, generator=generator)).to(dtype)

    bias = rand(states, patterns).float()
    mask = torch.rand(states, patterns, generator=generator) < data.draw(st.floats(0, 1))
    tensors = rand(states, width), rand(patterns, width)
    more = {"beta": data.draw(st.floats(1e-3, 1e2)), "bias": bias, "mask": mask}
    return tensors, more


@many
@given(st.data(), st.sampled_from(sorted(oracle.SEPARATIONS)), st.sampled_from(oracle.SIMILARITIES))
def test_energy_never_rises_and_equals_the_formula(data, separation, similarity):
    (state, stored), more = problem(data)
    reference = oracle.SEPARATIONS[separation]
    how = {"separation": reference.separation, "similarity": similarity}
    before = hopfield.energy(state, stored, **how, **more)
    moved = hopfield.update(state, stored, **how, **more)
    after = hopfield.energy(moved, stored, **how, **more)
    finite = before.isfinite()
    assert torch.equal(finite, more["mask"].any(-1))
    scale = 1 + before.abs() + state.square().sum(-1) + stored.square().sum(-1).max()
    assert (after[finite] <= before[finite] + 1e-9 * scale[finite]).all()
    expected = oracle.energy(reference, state, stored, similarity=similarity, **more)
    assert ((before - expected).abs()[finite] <= 1e-8 * scale[finite]).all()


@many
@given(st.data(), st.sampled_from([torch.float16, torch.bfloat16, torch.float32]))
def test_no_nan_anywhere(data, dtype):
    """Forward and backward, for scores far beyond ±1e4 and rows without a visible pattern."""
    (state, stored), more = problem(data, dtype)
    separations = ["softmax", "softmax1", "sparsemax", "entmax", hopfield.TopK(3)]
    separation = data.draw(st.sampled_from(separations))
    state.requires_grad_()
    stored.requires_grad_()
    readout = hopfield.update(state, stored, separation=separation, **more)
    gradients = torch.autograd.grad(readout.float().sum(), (state, stored), retain_graph=True)
    assert readout.isfinite().all()
    assert not any(gradient.isnan().any() for gradient in gradients)
    hidden = ~more["mask"].any(-1)
    assert (readout[hidden] == 0).all()
    assert (gradients[0][hidden] == 0).all()


@many
@given(st.data())
def test_implementations_agree(data):
    (state, stored), more = problem(data)
    expected = hopfield.update(state, stored, backend="naive", **more)
    for backend in ("sdpa", "flash", "blockwise", "chunked"):
        actual = hopfield.update(state, stored, backend=backend, **more)
        torch.testing.assert_close(actual, expected, atol=1e-9, rtol=1e-7)


@many
@given(st.data(), st.lists(st.integers(1, 12), min_size=1, max_size=8))
def test_any_cut_merges_to_the_whole(data, sizes):
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**32)))
    stored = torch.randn(sum(sizes), 3, generator=generator).double()
    state = torch.randn(2, 3, generator=generator).double()
    separation = data.draw(st.sampled_from(["softmax", "softmax1", hopfield.TopK(4)]))
    how = {"separation": separation, "beta": data.draw(st.floats(0.01, 50))}
    parts = [hopfield.partial(state, part, **how) for part in stored.split(sizes)]
    merged = hopfield.merge(parts)
    torch.testing.assert_close(merged.readout, hopfield.update(state, stored, **how))
    offsets = torch.tensor([0, *sizes]).cumsum(0)
    bags = hopfield.update(state, stored, offsets=offsets, **how)
    alone = torch.stack([hopfield.update(state, part, **how) for part in stored.split(sizes)])
    torch.testing.assert_close(bags, alone)


@many
@given(st.data())
def test_states_do_not_depend_on_each_other(data):
    (state, stored), more = problem(data)
    more["beta"] = min(more["beta"], 1.0)
    whole = hopfield.retrieve(state, stored, steps=20, **more)
    for i in range(len(state)):
        own = more | {"bias": more["bias"][i], "mask": more["mask"][i]}
        alone = hopfield.retrieve(state[i : i + 1], stored, steps=20, **own)
        torch.testing.assert_close(alone.state[0], whole.state[i], atol=1e-8, rtol=1e-6)
