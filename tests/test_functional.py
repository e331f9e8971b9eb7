"""One association: problems with known answers."""

import math

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

import hopfield
from hopfield.errors import ArgumentError


def test_one_step_is_attention():
    q, k, v = torch.randn(3, 2, 4, 50, 16).unbind()
    torch.testing.assert_close(hopfield.update(q, k, v), scaled_dot_product_attention(q, k, v))
    result = hopfield.retrieve(q, k, v)
    torch.testing.assert_close(result.readout, scaled_dot_product_attention(q, k, v))
    assert result.change is None
    assert result.converged is None
    assert (result.steps == 1).all()


def test_one_pattern():
    state, pattern = torch.randn(5, 3), torch.randn(1, 3)
    torch.testing.assert_close(hopfield.update(state, pattern), pattern.expand(5, 3))
    assert (hopfield.associate(state, pattern) == 1).all()
    energy = hopfield.energy(state, pattern, beta=3.0)
    torch.testing.assert_close(energy, 0.5 * (state - pattern).square().sum(-1))


@pytest.mark.parametrize("beta", [0.5, 1.0, 5.0, 50.0])
def test_orthogonal_patterns(beta):
    """At pattern i of N orthonormal ones its weight is 1 / (1 + (N − 1) e^−β)."""
    stored = torch.eye(8, dtype=torch.float64)
    weights = hopfield.associate(stored, stored, beta=beta)
    own = 1 / (1 + 7 * math.exp(-beta))
    torch.testing.assert_close(weights.diagonal(), torch.full((8,), own).double())
    energy = hopfield.energy(stored, stored, beta=beta)
    expected = -math.log(math.exp(beta) + 7) / beta + 0.5 + math.log(8) / beta + 0.5
    torch.testing.assert_close(energy, torch.full((8,), expected).double())


@pytest.mark.parametrize("square", [0.25, 0.81, 1.21, 4.0])
def test_two_opposite_patterns(square):
    """Along ±x retrieval solves t = tanh(β‖x‖² t): a bifurcation at β‖x‖² = 1."""
    pattern = torch.tensor([[math.sqrt(square), 0.0]], dtype=torch.float64)
    stored = torch.cat([pattern, -pattern])
    result = hopfield.retrieve(0.3 * pattern, stored, beta=1.0, steps=5000, tol=1e-13)
    t = (result.state / pattern)[0, 0].item()
    assert t == pytest.approx(math.tanh(square * t), abs=1e-10)
    assert (abs(t) > 0.05) == (square > 1)


def test_duplicates_are_multiplicities():
    state, stored = torch.randn(6, 3).double(), torch.randn(4, 3).double()
    counts = torch.tensor([1, 5, 2, 9])
    repeated = stored.repeat_interleave(counts, 0)
    settings = {"beta": 2.0, "bias": counts.double().log()}
    torch.testing.assert_close(
        hopfield.update(state, stored, **settings), hopfield.update(state, repeated, beta=2.0)
    )
    energy = hopfield.energy(state, stored, **settings)
    torch.testing.assert_close(energy, hopfield.energy(state, repeated, beta=2.0))
    assert (energy >= 0).all()


def test_euclidean_similarity_finds_the_nearest():
    state, stored = torch.randn(40, 3), torch.randn(30, 3) * torch.rand(30, 1) * 3
    nearest = torch.cdist(state, stored).argmin(-1)
    weights = hopfield.associate(state, stored, beta=1e4, similarity="euclidean")
    assert torch.equal(weights.argmax(-1), nearest)


def test_cosine_similarity_ignores_lengths():
    state, stored = torch.randn(6, 3).double(), torch.randn(9, 3).double()
    longer = stored * torch.rand(9, 1).double() * 10, state * 7
    for function in (hopfield.update, hopfield.energy, hopfield.associate):
        torch.testing.assert_close(
            function(state, stored, beta=3.0, similarity="cosine"),
            function(longer[1], longer[0], beta=3.0, similarity="cosine"),
        )
    moved = hopfield.update(state, stored, beta=3.0, similarity="cosine")
    torch.testing.assert_close(moved.norm(dim=-1), torch.ones(6).double())
    nothing = hopfield.update(torch.zeros(1, 3), torch.zeros(2, 3), similarity="cosine")
    assert (nothing == 0).all()


def test_energy_is_the_papers():
    """Eq. 2 of the paper, and its bounds in the convex hull (lemma A1)."""
    stored = torch.randn(20, 5).double()
    state = torch.softmax(torch.randn(50, 20).double(), -1) @ stored
    beta = 0.7
    energy = hopfield.energy(state, stored, beta=beta)
    square = stored.norm(dim=-1).max() ** 2
    lse = torch.logsumexp(beta * state @ stored.T, -1) / beta
    expected = -lse + 0.5 * state.square().sum(-1) + math.log(20) / beta + 0.5 * square
    torch.testing.assert_close(energy, expected)
    assert (energy >= 0).all()
    assert (energy <= 2 * square).all()
    assert (energy <= math.log(20) / beta + 0.5 * square).all()


def test_energy_falls_by_at_least_half_the_squared_step():
    state, stored = 3 * torch.randn(300, 6).double(), torch.randn(25, 6).double()
    for beta in (0.05, 1.0, 20.0):
        moved = hopfield.update(state, stored, beta=beta)
        fall = hopfield.energy(state, stored, beta=beta) - hopfield.energy(moved, stored, beta=beta)
        assert (fall >= 0.5 * (moved - state).square().sum(-1) - 1e-12).all()


def test_association_weights():
    state, stored = torch.randn(2, 5, 3), torch.randn(9, 3)
    weights = hopfield.associate(state, stored, beta=2.0)
    torch.testing.assert_close(weights, torch.softmax(2 * state @ stored.T, -1))
    torch.testing.assert_close(weights @ stored, hopfield.update(state, stored, beta=2.0))
    bags = hopfield.associate(state[0], stored, beta=2.0, offsets=torch.tensor([0, 4, 9]))
    assert bags.shape == (5, 9)
    torch.testing.assert_close(bags[:, :4], torch.softmax(2 * state[0] @ stored[:4].T, -1))


def test_hessian_of_a_small_energy():
    """Small problems are written out and can be differentiated twice: ∇²E = I − J."""
    state, stored = torch.randn(3).double(), torch.randn(6, 3).double()

    def energy(x):
        return hopfield.energy(x[None], stored, beta=1.5)[0]

    hessian = torch.autograd.functional.hessian(energy, state)
    p = hopfield.associate(state[None], stored, beta=1.5)[0]
    jacobian = 1.5 * stored.T @ (torch.diag(p) - torch.outer(p, p)) @ stored
    torch.testing.assert_close(hessian, torch.eye(3).double() - jacobian)


def test_explain_names_the_choice_and_the_reasons():
    state, stored = torch.randn(200, 16), torch.randn(20_000, 16)
    choice = hopfield.explain(state, stored)
    assert choice.backend == "sdpa"
    assert "up to 4 states" in choice.passed_over["fused"]
    choice = hopfield.explain(state, stored, log_partition=True)
    assert choice.backend == "flash"
    assert "no log-partition" in choice.passed_over["sdpa"]
    assert hopfield.explain(state[:3], stored[:5]).backend == "sdpa"
    assert hopfield.explain(state, stored, separation="entmax").backend == "chunked"
    assert hopfield.explain(state, stored, stored[:, :3]).backend == "blockwise"
    assert hopfield.explain(state, stored, backend="naive").backend == "naive"
    with pytest.raises(ArgumentError, match="in one tensor, without offsets"):
        hopfield.explain(state, stored, offsets=torch.tensor([0, 20_000]))


@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
@pytest.mark.parametrize("shape", [(), (1,), (3, 1)])
def test_a_tensor_beta_does_not_overflow_half_precision(similarity, shape):
    """βξ is beyond float16's range where the scores are not."""
    state = torch.tensor([[100.0, 0], [0, 90], [80, 80]]).half()
    stored = torch.tensor([[0.1, 0], [-0.1, 0], [0, 0.1]]).half()
    beta = torch.full(shape, 1000.0)
    found = hopfield.update(state, stored, beta=beta, similarity=similarity)
    expected = hopfield.update(state, stored, beta=1000.0, similarity=similarity)
    torch.testing.assert_close(found, expected)
    assert hopfield.energy(state, stored, beta=beta).isfinite().all()


def test_cosine_of_vectors_whose_squares_overflow():
    state, stored = torch.randn(3, 4), torch.randn(5, 4)
    expected = hopfield.update(state, stored, similarity="cosine")
    for size in (1e25, 1e-25):
        found = hopfield.update(size * state, size * stored, similarity="cosine")
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (3, 1), (1, 1, 1)])
def test_bias_and_mask_that_are_the_same_for_all_patterns(shape):
    state, stored = torch.randn(3, 4), torch.randn(7, 4)
    settings = {"bias": torch.rand(shape), "mask": torch.ones(shape, dtype=torch.bool)}
    expected = hopfield.update(state, stored)
    for patterns in (stored, [stored[:2], stored[2:]]):
        found = hopfield.update(state, patterns, **settings)
        torch.testing.assert_close(found.reshape(3, 4), expected)
