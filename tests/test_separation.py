"""Separations by themselves: weights, conjugates, precision, masks, and one of a user's own."""

import pickle

import pytest
import torch

import hopfield
import oracle
from hopfield import Entmax, Softmax, Softmax1, Sparsemax, TopK
from hopfield.errors import ArgumentError
from hopfield.separation import BY_NAME, resolve

BUILT_IN = [Softmax(), Softmax1(), Sparsemax(), Entmax(), Entmax(1.2), Entmax(3.0), TopK(4)]
built_in = pytest.mark.parametrize("separation", BUILT_IN, ids=repr)


@built_in
def test_weights_are_the_gradient_of_the_conjugate(separation):
    scores = (3 * torch.randn(20, 31, dtype=torch.float64)).requires_grad_()
    (gradient,) = torch.autograd.grad(separation.conjugate(scores).sum(), scores)
    torch.testing.assert_close(gradient, separation.weights(scores).detach())


@built_in
def test_conjugate_is_convex_and_bounds_every_other_choice(separation):
    one, other = 3 * torch.randn(2, 200, 15, dtype=torch.float64)
    middle = separation.conjugate((one + other) / 2)
    assert (middle <= (separation.conjugate(one) + separation.conjugate(other)) / 2 + 1e-12).all()
    tangent = (separation.weights(one) * (other - one)).sum(-1)
    assert (separation.conjugate(other) >= separation.conjugate(one) + tangent - 1e-12).all()


@built_in
def test_weights_lie_on_the_simplex(separation):
    weights = separation.weights(5 * torch.randn(50, 40))
    assert (weights >= 0).all()
    total = weights.sum(-1)
    if isinstance(separation, Softmax1):
        assert (total <= 1).all()
        assert (separation.weights(torch.full((1, 40), -9.0)).sum() < 0.01).all()
    else:
        torch.testing.assert_close(total, torch.ones(50))


@built_in
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision(separation, dtype):
    scores = (3 * torch.randn(50, 40)).to(dtype)
    exact = separation.weights(scores.double())
    weights = separation.weights(scores)
    assert weights.dtype == dtype
    error = torch.finfo(dtype).eps
    torch.testing.assert_close(weights.double(), exact, atol=error, rtol=error)
    wide = separation.conjugate(scores.double())
    torch.testing.assert_close(separation.conjugate(scores).double(), wide, atol=0, rtol=2 * error)


@built_in
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64], ids=str)
def test_masked_scores_and_rows(separation, dtype):
    scores = torch.randn(6, 9).to(dtype)
    scores[1] = -torch.inf
    scores[2, 3:] = -torch.inf
    scores.requires_grad_()
    weights, conjugate = separation.weights(scores), separation.conjugate(scores)
    assert (weights[1] == 0).all()
    assert (weights[2, 3:] == 0).all()
    assert weights.isfinite().all()
    assert conjugate[1] == (0 if isinstance(separation, Softmax1) else -torch.inf)
    alone = separation.weights(scores[2:3, :3].detach())
    torch.testing.assert_close(weights[2:3, :3].detach(), alone)
    loss = (weights * torch.randn(9).to(dtype)).sum() + conjugate[[0, 2, 3, 4, 5]].sum()
    (gradient,) = torch.autograd.grad(loss, scores)
    assert gradient.isfinite().all()
    assert (gradient[1] == 0).all()


@built_in
def test_extreme_scores(separation):
    scores = torch.tensor([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e4, 1e4, -3e38]])
    weights, conjugate = separation.weights(scores), separation.conjugate(scores)
    assert weights.isfinite().all()
    assert conjugate.isfinite().all()
    torch.testing.assert_close(weights[0], torch.tensor([1.0, 0.0, 0.0]))


def test_entmax_runs_from_softmax_to_sparsemax():
    scores = 2 * torch.randn(30, 20, dtype=torch.float64)
    for alpha, same in ((1.0, Softmax()), (1 + 1e-10, Softmax()), (2.0, Sparsemax())):
        torch.testing.assert_close(Entmax(alpha).weights(scores), same.weights(scores))
        torch.testing.assert_close(Entmax(alpha).conjugate(scores), same.conjugate(scores))
    for alpha in (1.001, 1.01, 1.04, 1.06, 1.3, 2.5):
        weights, conjugate = oracle.entmax(scores, alpha)
        torch.testing.assert_close(Entmax(alpha).weights(scores), weights)
        torch.testing.assert_close(Entmax(alpha).conjugate(scores), conjugate)
        single = Entmax(alpha).weights(scores.float())
        torch.testing.assert_close(single, weights.float(), atol=2e-6, rtol=1e-4)


def test_entmax_alpha_per_head():
    scores = torch.randn(2, 3, 5, 7, dtype=torch.float64)
    alpha = torch.tensor([1.0, 1.5, 2.0], dtype=torch.float64).view(3, 1, 1)
    weights, conjugate = Entmax(alpha).weights(scores), Entmax(alpha).conjugate(scores)
    for head, one in enumerate((1.0, 1.5, 2.0)):
        torch.testing.assert_close(weights[:, head], Entmax(one).weights(scores[:, head]))
        torch.testing.assert_close(conjugate[:, head], Entmax(one).conjugate(scores[:, head]))
    spread = Entmax(alpha).weights(scores[0, 0])
    assert spread.shape == (3, 5, 7)


@pytest.mark.parametrize("backend", [None, "naive", "chunked"])
def test_entmax_alpha_is_differentiable(backend):
    state, stored = torch.randn(2, 3, 4).double(), torch.randn(2, 6, 4).double()

    def both(alpha):
        settings = {"separation": Entmax(alpha), "beta": 1.5, "backend": backend}
        return hopfield.update(state, stored, **settings), hopfield.energy(
            state, stored, **settings
        )

    alpha = torch.tensor([1.3, 1.7], dtype=torch.float64).view(2, 1, 1).requires_grad_()
    assert torch.autograd.gradcheck(both, (alpha,))


def test_alpha_per_state_follows_its_state_through_chunks_and_stops():
    state, stored = torch.randn(40, 4).double(), torch.randn(9, 4).double()
    alpha = torch.linspace(1.1, 2.2, 40).double()[:, None]
    settings = {"separation": Entmax(alpha), "beta": 2.0, "backend": "chunked"}
    result = hopfield.retrieve(state, stored, steps=300, tol=1e-9, **settings)
    assert len(result.steps.unique()) > 2
    for i in (0, 17, 39):
        own = {"separation": Entmax(alpha[i].item()), "beta": 2.0}
        alone = hopfield.retrieve(state[i : i + 1], stored, steps=300, tol=1e-9, **own)
        torch.testing.assert_close(result.state[i], alone.state[0], atol=1e-7, rtol=0)


def test_top_k_takes_exactly_k():
    tied = torch.zeros(2, 10)
    assert ((TopK(3).weights(tied) > 0).sum(-1) == 3).all()
    torch.testing.assert_close(TopK(3).conjugate(tied), torch.full((2,), 3.0).log())
    scores = torch.randn(5, 4)
    torch.testing.assert_close(TopK(9).weights(scores), Softmax().weights(scores))


def test_null_pattern_takes_what_nothing_resembles():
    stored = torch.eye(4)
    far = hopfield.associate(torch.full((1, 4), -9.0), stored, beta=1.0, separation="softmax1")
    near = hopfield.associate(torch.full((1, 4), 9.0), stored, beta=1.0, separation="softmax1")
    assert far.sum() < 1e-3 < 0.999 < near.sum()


def test_names_and_pickles():
    assert {name: resolve(name) for name in BY_NAME} == BY_NAME
    for separation in BUILT_IN:
        assert pickle.loads(pickle.dumps(separation)) == separation


@pytest.mark.parametrize(
    ("separation", "message"),
    [
        ("sofmax", "'sofmax'; choose one of 'softmax', 'sparsemax', 'entmax', 'softmax1'"),
        ("topk", "give an object: TopK"),
        (Softmax, "an object with the methods"),
        (torch.softmax, "an object with the methods"),
    ],
)
def test_unknown_separations(untyped, separation, message):
    with pytest.raises(ArgumentError, match=message):
        hopfield.update(torch.randn(1, 2), torch.randn(3, 2), separation=separation)


@pytest.mark.parametrize("alpha", [0.9, float("nan"), float("inf"), torch.tensor([1.5, 0.5])])
def test_alpha_below_one(alpha):
    with pytest.raises(ArgumentError, match=r"alpha is .*at least 1"):
        Entmax(alpha)


@pytest.mark.parametrize("k", [0, -1, 2.5, True])
def test_k_below_one(untyped, k):
    with pytest.raises(ArgumentError, match=r"k is .*at least 1"):
        TopK(k)


class Argmax:
    """A separation of a user: all weight on the best pattern; Ω* is the maximum."""

    def weights(self, scores):
        assert scores.isfinite().any(-1).all()
        return torch.nn.functional.one_hot(scores.argmax(-1), scores.shape[-1]).to(scores.dtype)

    def conjugate(self, scores):
        return scores.amax(-1)


def test_own_separation():
    state, stored = torch.randn(7, 3), torch.randn(9, 3)
    nearest = (state @ stored.T).argmax(-1)
    mask = torch.ones(7, 9, dtype=torch.bool)
    mask[2] = False
    for backend in (None, "naive", "chunked"):
        settings = {"separation": Argmax(), "mask": mask, "backend": backend, "beta": 1.0}
        readout = hopfield.update(state, stored, **settings)
        assert (readout[2] == 0).all()
        torch.testing.assert_close(readout[3:], stored[nearest][3:])
        energy = hopfield.energy(state, stored, **settings)
        assert energy[2].isposinf()
        assert (hopfield.energy(readout, stored, **settings)[3:] <= energy[3:] + 1e-6).all()
