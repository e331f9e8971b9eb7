"""Each energy: definitions written out, descent, slopes, shapes, bad input."""

from functools import partial

import pytest
import torch
from torch.nn.functional import normalize

import hopfield
from hopfield import ConvergenceWarning
from hopfield.energies import Epanechnikov, Hebbian, Modern, Polynomial, RandomFeatures
from hopfield.errors import ArgumentError, DtypeError, ShapeError

DESCENDING = {
    "modern": partial(Modern, beta=1.5),
    "modern euclidean": partial(Modern, beta=1.5, similarity="euclidean"),
    "modern sparsemax": partial(Modern, beta=1.5, separation="sparsemax"),
    "polynomial 2": partial(Polynomial, degree=2),
    "polynomial 7": partial(Polynomial, degree=7),
    "epanechnikov": partial(Epanechnikov, beta=0.4),
    "hebbian": lambda stored: Hebbian(torch.where(stored >= 0, 1.0, -1.0).to(stored)),
}
ALL = DESCENDING | {"random features": partial(RandomFeatures, beta=0.3, features=512)}


def patterns(seed, size=12, width=10):
    return torch.randn(size, width, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("name", DESCENDING)
@pytest.mark.parametrize("seed", range(5))
def test_no_update_raises_the_energy(name, seed):
    stored = patterns(seed)
    memory = DESCENDING[name](stored)
    start = stored.repeat(4, 1) + patterns(seed + 100, 48)
    way = memory.retrieve(start, steps=30, trajectory=True).trajectory
    before, after = way.energy[:-1], way.energy[1:]
    fell = after < before - 1e-9
    assert (fell | (after <= before + 1e-12 * (1 + after.abs())) | before.isposinf()).all()
    assert fell.any()


@pytest.mark.parametrize("name", ["modern", "modern euclidean", "random features"])
def test_the_slope_of_the_energy_is_state_minus_update(name):
    memory = ALL[name](patterns(0))
    state = (patterns(0)[:6] + 0.1).requires_grad_()
    (slope,) = torch.autograd.grad(memory.energy(state).sum(), state)
    torch.testing.assert_close(slope, state - memory.update(state))


def test_modern_is_the_core():
    stored, state = patterns(0), patterns(1)
    memory = Modern(stored, beta=0.7, separation="entmax")
    how = {"beta": 0.7, "separation": "entmax"}
    torch.testing.assert_close(memory.update(state), hopfield.update(state, stored, **how))
    torch.testing.assert_close(memory.energy(state), hopfield.energy(state, stored, **how))
    ours = memory.retrieve(state, steps=500, tol=1e-9, energy=True)
    theirs = hopfield.retrieve(state, stored, steps=500, tol=1e-9, energy=True, **how)
    torch.testing.assert_close(ours.state, theirs.state)
    torch.testing.assert_close(ours.energy, theirs.energy)
    assert torch.equal(ours.steps, theirs.steps)


def test_polynomial_written_out():
    stored, state = patterns(0), patterns(1)
    memory = Polynomial(stored, degree=3)
    radius = stored.norm(dim=-1).max()
    on = radius * normalize(state, dim=-1)
    overlap = (on @ stored.T).clamp(min=0)
    torch.testing.assert_close(
        memory.energy(state), -(radius**2) / 3 * (overlap / radius**2).pow(3).sum(-1)
    )
    wanted = radius * normalize(overlap.square() @ stored, dim=-1)
    torch.testing.assert_close(memory.update(state), wanted)


def test_polynomial_update_is_the_steepest_point_of_the_sphere():
    stored = patterns(0)
    memory = Polynomial(stored, degree=4)
    state = memory.start(patterns(1)).requires_grad_()
    (slope,) = torch.autograd.grad(memory.energy(state).sum(), state)
    direction = normalize(memory.update(state.detach()), dim=-1)
    tangent = slope - (slope * state).sum(-1, keepdim=True) * state / memory.radius**2
    assert ((-tangent * direction).sum(-1) >= -1e-9).all()


def test_a_state_that_sees_no_pattern_stays():
    lone = torch.tensor([[2.0, 0.0]]).double()
    state = torch.tensor([[-3.0, 0.0]]).double()
    torch.testing.assert_close(Polynomial(lone, degree=3).update(state), state * 2 / 3)
    far = Epanechnikov(lone, beta=1.0)
    assert torch.equal(far.update(state), state)
    assert far.energy(state).item() == torch.inf


def test_epanechnikov_written_out():
    stored, state = patterns(0), patterns(1)
    beta = 0.15
    apart = torch.cdist(state, stored).square()
    memory = Epanechnikov(stored, beta=beta)
    kernel = (1 - beta / 2 * apart).clamp(min=0)
    torch.testing.assert_close(memory.energy(state), -kernel.sum(-1).log() / beta)
    felt = (kernel > 0).double()
    mean = felt @ stored / felt.sum(-1, keepdim=True)
    torch.testing.assert_close(
        memory.update(state), torch.where(felt.any(-1)[:, None], mean, state)
    )


def test_epanechnikov_retrieves_an_isolated_pattern_exactly():
    """And two within each other's reach have a minimum between them."""
    stored = torch.tensor([[0.0, 0.0], [1.0, 0.0], [9.0, 9.0]]).double()
    memory = Epanechnikov(stored, beta=1.0)  # reach √2
    end = memory.retrieve(stored + 0.1, steps=50, tol=1e-12).state
    torch.testing.assert_close(end[2], stored[2])
    torch.testing.assert_close(end[0], torch.tensor([0.5, 0.0]).double())


def test_random_features_approach_the_kernel():
    """The error of the estimate falls as one over the root of the number of features."""
    stored, state = patterns(0), patterns(0) + 0.2 * patterns(1)
    exact = torch.exp(-0.5 * 0.3 * torch.cdist(state, stored).square()).sum(-1)
    errors = []
    for features in (100, 10_000):
        found = [
            (-0.3 * RandomFeatures(stored, beta=0.3, features=features, seed=s).energy(state)).exp()
            for s in range(20)
        ]
        errors.append((torch.stack(found) - exact).square().mean().sqrt().item())
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.3)
    assert errors[1] < 0.05


def test_random_features_keep_no_patterns_and_add_and_remove():
    stored = patterns(0)
    whole = RandomFeatures(stored, beta=0.3, features=64)
    grown = RandomFeatures(stored[:5], beta=0.3, features=64)
    grown.add(stored[5:])
    state = patterns(1)
    torch.testing.assert_close(grown.update(state), whole.update(state))
    grown.remove(stored[5:])
    shrunk = RandomFeatures(stored[:5], beta=0.3, features=64)
    torch.testing.assert_close(grown.energy(state), shrunk.energy(state))
    assert len(whole.stored) == 0
    with pytest.raises(ShapeError, match="patterns with 10 entries are stored"):
        grown.add(torch.randn(3, 4).double())
    with pytest.raises(ArgumentError, match="12 patterns are to be removed, and 5 are stored"):
        grown.remove(stored)


def test_a_smaller_step_goes_part_of_the_way():
    stored, state = patterns(0), patterns(0) + 0.1
    whole, half = (RandomFeatures(stored, beta=0.3, step=step).update(state) for step in (1.0, 0.5))
    torch.testing.assert_close(half, (state + whole) / 2)


def test_hebbian_is_the_dense_memory_of_degree_two():
    """Krotov & Hopfield 2016, eq. 3: a coordinate is what lowers −Σ (x·σ)² more."""
    generator = torch.Generator().manual_seed(3)
    stored = 2.0 * torch.randint(2, (3, 11), generator=generator) - 1
    state = 2.0 * torch.randint(2, (8, 11), generator=generator) - 1
    wanted = state.clone()
    for i in range(11):
        up, down = wanted.clone(), wanted.clone()
        up[:, i], down[:, i] = 1, -1
        gain = (up @ stored.T).square().sum(-1) - (down @ stored.T).square().sum(-1)
        wanted[:, i] = torch.where(gain == 0, wanted[:, i], gain.sign())
    assert torch.equal(Hebbian(stored).update(state), wanted)


@pytest.mark.parametrize("name", ALL)
def test_leading_dimensions_chunks_and_nothing(name, monkeypatch):
    stored = patterns(0)
    memory = ALL[name](stored)
    state = patterns(5, 14)
    whole = memory.update(state), memory.energy(state)
    monkeypatch.setattr("hopfield.energies.memory.NUMBERS_AT_ONCE", 100)
    folded = state.view(2, 7, 10)
    torch.testing.assert_close(memory.update(folded).view(14, 10), whole[0])
    torch.testing.assert_close(memory.energy(folded).view(14), whole[1])
    assert memory.update(state[:0]).shape == (0, 10)
    assert memory.energy(state[:0]).shape == (0,)
    found = memory.retrieve(folded, steps=3)
    assert found.state.shape == (2, 7, 10)
    assert found.converged is None


@pytest.mark.parametrize("name", ALL)
def test_each_state_stops_by_itself(name):
    memory = ALL[name](patterns(0))
    state = patterns(2, 20)
    found = memory.retrieve(state, steps=20_000, tol=1e-9, energy=True)
    assert found.converged.all()
    torch.testing.assert_close(memory.update(found.state), found.state, atol=1e-8, rtol=0)
    alone = memory.retrieve(state[7:8], steps=20_000, tol=1e-9)
    torch.testing.assert_close(alone.state[0], found.state[7])


def test_unconverged_states_are_told():
    with pytest.warns(ConvergenceWarning, match="did not converge in 1 updates"):
        Modern(patterns(0), beta=1.0).retrieve(patterns(1), steps=1, tol=1e-12)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda x: Modern(x[None], beta=1.0), ShapeError, r"\(N, d\) is expected"),
        (lambda x: Modern(x, beta=-1.0), ArgumentError, "beta is -1.0"),
        (lambda x: Modern(x, beta=torch.ones(12, 1)), ArgumentError, "must broadcast|alike"),
        (lambda x: Polynomial(x, degree=1), ArgumentError, "degree is 1; at least 2"),
        (lambda x: Polynomial(0 * x, degree=2), ArgumentError, "all stored patterns are 0"),
        (lambda x: Epanechnikov(x, beta=0.0), ArgumentError, "beta is 0.0"),
        (lambda x: Epanechnikov(x * torch.nan, beta=1.0), ArgumentError, "stored has NaN"),
        (lambda x: RandomFeatures(x, beta=1.0, features=0), ArgumentError, "features is 0"),
        (lambda x: RandomFeatures(x, beta=1.0, step=2.0), ArgumentError, "step is 2.0"),
        (lambda x: RandomFeatures(x, beta=1.0, seed=-1), ArgumentError, "seed is -1"),
        (Hebbian, ArgumentError, "120 entries that are neither −1 nor 1"),
        (lambda x: Hebbian(x.sign()).update(x.float()), DtypeError, "state is torch.float32"),
        (lambda x: Modern(x, beta=1.0).retrieve(x, steps=0), ArgumentError, "steps is 0"),
        (lambda x: Modern(x, beta=1.0).retrieve(x, tol=-1.0), ArgumentError, "tol is -1.0"),
    ],
)
def test_bad_input(untyped, make, error, message):
    with pytest.raises(error, match=message):
        make(patterns(0))


def test_high_degrees_do_not_underflow():
    stored = torch.nn.functional.normalize(torch.randn(5, 64), dim=-1)
    state = torch.nn.functional.normalize(torch.randn(4, 64), dim=-1)
    for degree in (60, 1000):
        low, high = (
            Polynomial(stored.to(dtype), degree=degree).update(state.to(dtype))
            for dtype in (torch.float32, torch.float64)
        )
        torch.testing.assert_close(low, high.float(), atol=1e-4, rtol=1e-4)
        assert ((high - state).norm(dim=-1) > 0.1).all()
    large = Polynomial(1e20 * stored, degree=3)
    assert large.update(1e20 * state).isfinite().all()


def test_a_short_reach_is_not_lost_in_float32():
    generator = torch.Generator().manual_seed(0)
    stored = 100 * torch.randn(20, 10, generator=generator)
    memory = Epanechnikov(stored, beta=2 / 0.05**2)
    torch.testing.assert_close(memory.energy(stored), torch.zeros(20), atol=1e-9, rtol=0)
    assert torch.equal(memory.update(stored + 0.002), stored)
    far = Epanechnikov(1e12 * stored, beta=1.0).energy(torch.full((1, 10), 1e18))
    assert far.item() == torch.inf


def test_a_field_of_zero_leaves_the_coordinate():
    stored = torch.tensor([[1.0, -1, 1, 1, 1], [1, 1, 1, 1, -1], [1, 1, -1, 1, 1]])
    moved = Hebbian(stored).update(torch.tensor([[1.0, 1, 1, -1, 1]]))
    assert moved.tolist() == [[1, -1, 1, 1, 1]]


def test_only_plain_patterns_are_added(untyped):
    memory = RandomFeatures(patterns(0), beta=1.0, features=8)
    with pytest.raises(ShapeError, match=r"\(N, d\) is expected"):
        memory.add(patterns(0)[None])


def problems(count):
    """Random patterns of many sizes and lengths, and states near and far from them."""
    generator = torch.Generator().manual_seed(0)

    def uniform(low, high):
        return low + (high - low) * torch.rand((), generator=generator).item()

    for _ in range(count):
        size, width, scale = int(2 ** uniform(0, 6)), int(2 ** uniform(1, 5)), 10 ** uniform(-1, 1)
        stored = scale * torch.randn(size, width, generator=generator).double()
        chosen = torch.randint(size, (50,), generator=generator)
        noise = (
            scale * 10 ** uniform(-2, 0.5) * torch.randn(50, width, generator=generator).double()
        )
        beta = 10 ** uniform(-1, 1) / (scale**2 * width)
        yield stored, stored[chosen] + noise, beta, int(uniform(2, 20))


def rises(memory, state):
    before, after = memory.energy(state), memory.energy(memory.update(state))
    rounding = 1e-10 * (1 + before.nan_to_num(posinf=0.0).abs())
    return int((~(after <= before + rounding) & ~before.isposinf()).sum())


def test_descent_on_many_problems():
    for stored, state, beta, degree in problems(100):
        assert rises(Polynomial(stored, degree=degree), state) == 0
        assert rises(Epanechnikov(stored, beta=beta), state) == 0
        assert rises(Hebbian(torch.where(stored >= 0, 1.0, -1.0).double()), state) == 0


def test_random_features_may_rise_and_a_smaller_step_does_so_less():
    count = {1.0: 0, 0.2: 0}
    for stored, state, beta, _ in problems(100):
        for step in count:
            count[step] += rises(RandomFeatures(stored, beta=beta, features=256, step=step), state)
    assert 0 < count[0.2] < count[1.0] < 500
