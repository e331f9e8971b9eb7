"""Families, basins, barriers, slopes and the trade-off, where the answer is known."""

import math
from importlib import import_module

import pytest
import torch
from torch.nn.functional import normalize

import hopfield
from hopfield import ConvergenceWarning, landscape
from hopfield.errors import ArgumentError, ShapeError
from hopfield.phases import PhaseLabel
from hopfield.theory import on_sphere

TWO = torch.tensor([[2.0, 0.0], [-2.0, 0.0]]).double()


def clusters(seed=0, groups=4, each=6, width=16, length=5.0):
    generator = torch.Generator().manual_seed(seed)
    centres = length * normalize(torch.randn(groups, 1, width, generator=generator), dim=-1)
    return (centres + 0.02 * torch.randn(groups, each, width, generator=generator)).flatten(0, 1)


def test_families_are_the_clusters():
    stored = clusters()
    points = hopfield.fixed_points(stored, beta=1.0)
    found = landscape.families(points, stored, beta=1.0)
    assert len(found) == 4
    for family in found:
        assert family.label == PhaseLabel.METASTABLE
        (group,) = set((family.members // 6).tolist())
        assert sorted(family.members.tolist()) == list(range(6 * group, 6 * group + 6))
        assert set(family.holding.tolist()) <= set(family.members.tolist())
        assert len(family.holding) >= 5
        assert family.heaviest < 0.9
        own = hopfield.energy(family.state[None], stored, beta=1.0).item()
        assert family.energy == pytest.approx(own)
    assert landscape.families(points, stored, label=PhaseLabel.GLOBAL, beta=1.0) == []
    assert len(landscape.families(points, stored, label=None, beta=1.0)) == len(points.state)


def test_fixed_points_from_given_starts(untyped):
    """Two patterns at high β: from the ridge between them retrieval ends on the saddle there."""
    middle = torch.tensor([[0.0, 1.0], [1.9, 0.3]]).double()
    found = hopfield.fixed_points(TWO, middle, beta=2.0)
    assert found.reached.tolist() != found.reached_from.tolist()
    assert len(found.state) == 3
    torch.testing.assert_close(found.state[found.reached_from[0]], torch.zeros(2).double())
    assert found.reached_from[1] == found.reached[0]
    assert hopfield.fixed_points(TWO, beta=2.0).reached_from.shape == (0,)
    with pytest.raises(ShapeError, match=r"\(T, d\) is expected"):
        hopfield.fixed_points(TWO, middle[None], beta=2.0)
    with pytest.warns(ConvergenceWarning):
        slow = hopfield.fixed_points(TWO, middle, beta=0.2501, steps=3)
    assert (slow.reached_from == -1).any()


def test_the_basin_of_two_patterns_is_a_half_plane():
    attractor = hopfield.retrieve(TWO, TWO, beta=2.0, steps=99, tol=1e-12).state
    radius = landscape.basin_radius(attractor, TWO, directions=200, beta=2.0, precision=1e-3)
    assert radius.shape == (2, 200)
    assert (radius >= 2 - 2e-3).all()  # the edge is the line between them, 2 away
    assert radius.min() < 2.05
    away = radius.isinf().double().mean().item()
    assert 0.5 < away < 0.75  # 240° of directions, those beyond 8 included
    near, far = landscape.basin_by_noise(attractor, TWO, [1.9, 4.0], draws=200, beta=2.0).unbind(-1)
    assert (near == 1).all()
    assert far == pytest.approx(torch.tensor([2 / 3, 2 / 3]).double(), abs=0.1)
    shares = landscape.basin_by_masking(attractor, TWO, [0.0, 0.5, 1.0], beta=2.0)
    assert (shares[:, 0] == 1).all()
    assert shares[:, 1] == pytest.approx(torch.tensor([0.5, 0.5]).double(), abs=0.25)
    assert (shares[:, 2] == 0).all()  # 0 is the other fixed point


def test_a_state_that_is_no_attractor_has_no_radius(monkeypatch):
    monkeypatch.setattr("hopfield.landscape.ends.STEPS", 2)
    radius = landscape.basin_radius(0.5 * TWO, TWO, directions=3, beta=0.3)
    assert radius.isnan().all()


def test_the_barrier_between_two_patterns():
    """E along the path is known: ½t² − β⁻¹ ln cosh(2βt) + const, highest in the middle."""
    ends = hopfield.retrieve(TWO, TWO, beta=2.0, steps=99, tol=1e-13).state
    found = landscape.barrier(ends[:1], ends[1:], TWO, points=51, beta=2.0)
    assert found.position.item() == pytest.approx(0.5, abs=1e-3)
    top = math.log(math.cosh(2 * 2 * ends[0, 0].item())) / 2 - 0.5 * ends[0, 0].item() ** 2
    assert found.height.item() == pytest.approx(top, abs=1e-6)
    assert found.from_start.item() == pytest.approx(found.from_end.item())
    assert found.energy.shape == (1, 51)
    down = landscape.barrier(ends[:1], 0 * ends[:1], TWO, beta=2.0)
    assert down.height.item() == 0
    assert down.from_end.item() == pytest.approx(0, abs=1e-9)
    assert down.from_start.item() == pytest.approx(top, abs=1e-6)


def test_slopes_of_two_patterns():
    """At the fixed point 0 of ±x the Jacobian is β‖x‖²; near a pattern nothing moves."""
    start = torch.tensor([[0.0, 0.0], [2.0, 0.0]]).double()
    found = landscape.slopes(start, TWO, [0.1, 0.2, 5.0])
    torch.testing.assert_close(found.jacobian[:, 0], 4 * torch.tensor([0.1, 0.2, 5.0]).double())
    assert found.label[0].tolist() == [PhaseLabel.GLOBAL] * 2
    assert found.label[2, 1] == PhaseLabel.FIXED_POINT
    assert found.jacobian[2, 1] < 1e-12
    assert found.gradient[2, 1] < 1e-12
    torch.testing.assert_close(found.entropy[:2], torch.ones(2, 2).double(), atol=1e-6, rtol=0)
    assert found.converged.all()


def test_slopes_are_those_of_autograd():
    stored = clusters().double()
    end = hopfield.retrieve(stored[:3], stored, beta=0.5, steps=9999, tol=1e-12).state
    scores = (0.5 * end @ stored.T).requires_grad_()
    direction = normalize(torch.randn(16, generator=torch.Generator().manual_seed(9)), dim=-1)
    loss = (torch.softmax(scores, -1) @ stored @ direction.double()).sum()
    (gradient,) = torch.autograd.grad(loss, scores)
    from hopfield.landscape.slopes import _reached

    size, spread = _reached(end, stored, 0.5, direction.double()[None])
    torch.testing.assert_close(size, gradient.abs().sum(-1))
    share = gradient.abs() / gradient.abs().sum(-1, keepdim=True)
    torch.testing.assert_close(spread, torch.special.entr(share).sum(-1) / math.log(24))


def test_the_trade_off_grid():
    stored = on_sphere(400, 12, 3.0, torch.Generator().manual_seed(0))
    sizes, betas = [4, 40, 400], [0.05, 0.5, 1.0, 2.0, 8.0]
    found = landscape.trade_off(stored, sizes, betas, noise=0.1, sample=30)
    assert found.once.shape == (3, 5, 4)
    assert (found.once <= found.bound).all()
    assert (found.delta[0] >= found.delta[2]).all()
    retrieved, once = found.retrieved(), found.retrieved(once=True)
    assert retrieved[:, -1].tolist() == [1, 1, 1]
    assert retrieved[2, 2] < retrieved[0, 2]
    assert once.shape == (3, 5)
    assert (found.guaranteed.double().mean(-1) <= once + 1e-9).all()
    whole = sum(found.share(label) for label in PhaseLabel)
    torch.testing.assert_close(whole, torch.ones(3, 5).double())
    assert (found.share(PhaseLabel.GLOBAL)[:, 0] == 1).all()
    assert (found.share(PhaseLabel.FIXED_POINT)[:, -1] == 1).all()
    assert found.converged.all()
    again = landscape.trade_off(stored, sizes, betas, noise=0.1, sample=30)
    assert torch.equal(again.once, found.once)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: landscape.trade_off(x, [1, 5], [1.0]), r"sizes is \[1, 5\]; rising numbers"),
        (lambda x: landscape.trade_off(x, [5, 99], [1.0]), "to the 24 patterns"),
        (lambda x: landscape.trade_off(x, [5], [2.0, 1.0]), "betas is .*; rising numbers"),
        (lambda x: landscape.trade_off(x, [5], []), "betas is"),
        (lambda x: landscape.trade_off(x, [5], [0.0]), "betas is 0.0"),
        (lambda x: landscape.trade_off(x, [5], [1.0], noise=-1), "noise is -1"),
        (lambda x: landscape.barrier(x[:2], x[:3], x), "as many each"),
        (lambda x: landscape.basin_by_noise(x[:2], x, [-1.0]), "lengths is -1.0"),
        (lambda x: landscape.basin_by_masking(x[:2], x, [1.5]), "shares from 0 to 1"),
        (lambda x: landscape.basin_radius(x[0:1, :3], x), "same width"),
        (lambda x: landscape.basin_radius(x[:1], x, directions=0), "directions is 0"),
        (lambda x: landscape.slopes(x[:2], x * torch.nan, [1.0]), "stored has NaN"),
    ],
)
def test_bad_input(untyped, call, message):
    with pytest.raises(ArgumentError, match=message):
        call(clusters())


def test_a_grid_that_does_not_fit_is_told_before_the_work(monkeypatch):
    monkeypatch.setattr(import_module("hopfield.landscape.trade_off"), "BYTES_PER_CELL", 2**50)
    with pytest.raises(ArgumentError, match="2 sizes × 1 β × 4 tested patterns take about"):
        landscape.trade_off(clusters(), [4, 10], [1.0])


@pytest.mark.parametrize("scale", [1e-3, 1000.0])
def test_cosine_landscapes_do_not_know_the_length_of_patterns(scale):
    stored = torch.tensor([[1.0, 0, 0], [math.cos(0.5), math.sin(0.5), 0]]).double()
    how = {"beta": 60.0, "similarity": "cosine"}
    found = []
    for patterns in (stored, scale * stored):
        attractor = hopfield.fixed_points(patterns, **how).state
        found.append(
            (
                landscape.basin_by_noise(attractor, patterns, [0.3, 1.0], draws=50, **how),
                landscape.basin_radius(attractor, patterns, directions=5, **how),
            )
        )
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: landscape.basin_radius(x[:1], x, offsets=torch.tensor([0, 24])), "no offsets"),
        (lambda x: landscape.barrier(x[:2], x[2:4], x, offsets=torch.tensor([0, 24])), "no off"),
        (lambda x: landscape.barrier(x[:2], x[2:4], x, points=1), "points is 1; at least 3"),
        (lambda x: landscape.barrier(x[:2] * math.nan, x[2:4], x), "start has NaN"),
        (lambda x: landscape.slopes(x[None], x, [1.0]), r"state has shape .*\(S, d\)"),
        (lambda x: landscape.slopes(x[:1], x[:1], [1.0]), "one pattern is stored"),
        (lambda x: landscape.slopes(x[:1], x, 1.0), "betas is 1.0; a sequence of numbers"),
        (lambda x: landscape.trade_off(x, 5, [1.0]), "sizes is 5; a sequence"),
        (lambda x: landscape.basin_by_masking(x[:1], x, ["a"]), "shares is 'a'"),
        (
            lambda x: landscape.families(hopfield.fixed_points(x), x, label="metastable"),
            "label is 'metastable'",
        ),
    ],
)
def test_more_bad_input(untyped, call, message):
    with pytest.raises(ArgumentError, match=message):
        call(clusters())


def test_betas_may_be_a_tensor(untyped):
    found = landscape.slopes(clusters()[:2], clusters(), torch.tensor([0.5, 1.0]))
    assert found.beta.tolist() == [0.5, 1.0]
    assert found.beta.dtype == torch.float64


def test_the_finest_precision_ends():
    ends = hopfield.retrieve(TWO, TWO, beta=2.0, steps=99, tol=1e-12).state
    radius = landscape.basin_radius(ends, TWO, directions=2, precision=1e-17, beta=2.0)
    assert (radius > 1.9).all()
