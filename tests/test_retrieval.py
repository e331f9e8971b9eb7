"""Retrieval to a fixed point: counting, stopping, reporting."""

import warnings

import pytest
import torch
from torch.nn.functional import normalize, scaled_dot_product_attention

import hopfield
from hopfield import ConvergenceWarning
from hopfield.errors import ArgumentError
from hopfield.network import DenseNetwork


@pytest.fixture
def stored():
    return normalize(torch.randn(60, 10).double(), dim=-1)


def noisy(stored, count=20, noise=0.3):
    return stored[:count] + noise * torch.randn(count, stored.shape[-1]).double()


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_steps_count_associations(stored, steps):
    """With a projection the last association reads it out; without, it is one more update."""
    state, projection = noisy(stored), torch.randn(60, 3).double()
    moved = state
    for _ in range(steps - 1):
        moved = hopfield.update(moved, stored, beta=4.0)
    result = hopfield.retrieve(state, stored, projection, beta=4.0, steps=steps)
    torch.testing.assert_close(result.state, moved)
    torch.testing.assert_close(result.readout, hopfield.update(moved, stored, projection, beta=4.0))
    result = hopfield.retrieve(state, stored, beta=4.0, steps=steps)
    torch.testing.assert_close(result.state, hopfield.update(moved, stored, beta=4.0))
    assert result.readout is result.state
    assert (result.steps == steps).all()


def test_each_state_stops_by_itself(stored):
    state = noisy(stored, 60)
    result = hopfield.retrieve(state, stored, beta=6.0, steps=2000, tol=1e-8, energy=True)
    assert result.converged.all()
    assert (result.change <= 1e-8).all()
    assert len(result.steps.unique()) > 5
    for i in range(0, 60, 7):
        alone = hopfield.retrieve(state[i : i + 1], stored, beta=6.0, steps=2000, tol=1e-8)
        assert alone.steps.item() == result.steps[i].item()
        torch.testing.assert_close(alone.state[0], result.state[i], atol=1e-12, rtol=0)
        by_count = hopfield.retrieve(state[i : i + 1], stored, beta=6.0, steps=alone.steps.item())
        torch.testing.assert_close(by_count.state[0], result.state[i], atol=1e-12, rtol=0)
    torch.testing.assert_close(
        result.energy, hopfield.energy(result.state, stored, beta=6.0), atol=1e-12, rtol=0
    )


def test_a_projection_costs_one_association_more(stored):
    state, projection = noisy(stored), torch.randn(60, 3).double()
    settings = {"beta": 9.0, "tol": 1e-8}
    bare = hopfield.retrieve(state, stored, steps=500, **settings)
    result = hopfield.retrieve(state, stored, projection, steps=501, **settings)
    assert torch.equal(result.steps, bare.steps + 1)
    torch.testing.assert_close(result.state, bare.state)
    expected = hopfield.update(bare.state, stored, projection, beta=9.0)
    torch.testing.assert_close(result.readout, expected)


@pytest.fixture
def count_rows(monkeypatch):
    """Count the states for which the update is computed."""
    rows = []
    update = DenseNetwork.update

    def counted(self, state):
        rows.append(state.shape[:-1].numel())
        return update(self, state)

    monkeypatch.setattr(DenseNetwork, "update", counted)
    return rows


def test_stopped_states_cost_nothing(stored, count_rows):
    result = hopfield.retrieve(noisy(stored, 60), stored, beta=6.0, steps=2000, tol=1e-8)
    assert sum(count_rows) == result.steps.sum()


def test_stopped_samples_and_heads_cost_nothing(count_rows):
    """With leading dimensions the cost follows the samples that still move."""
    stored = normalize(torch.randn(6, 2, 60, 10).double(), dim=-1)
    state = stored[..., :20, :].clone()
    state[4:] += 0.4 * torch.randn(2, 2, 20, 10).double()
    beta = torch.tensor([60.0, 60, 60, 60, 6, 6]).double().view(6, 1, 1, 1)
    result = hopfield.retrieve(state, stored, beta=beta, steps=2000, tol=1e-8)
    assert result.steps[:4].max() < result.steps[4:].max()
    widths = [rows / 240 for rows in count_rows]
    assert widths[0] == 1
    after = int(result.steps[:4].max())
    assert max(widths[after:]) <= 1 / 3
    for sample, head in ((0, 0), (4, 1), (5, 0)):
        own = {"beta": beta[sample].item(), "steps": 2000, "tol": 1e-8}
        alone = hopfield.retrieve(state[sample, head], stored[sample, head], **own)
        assert torch.equal(alone.steps, result.steps[sample, head])
        torch.testing.assert_close(alone.state, result.state[sample, head], atol=1e-12, rtol=0)


def test_stopped_states_leave_with_their_mask_and_bias(stored):
    state, mask = noisy(stored, 30), torch.rand(30, 60) < 0.7
    bias = torch.randn(30, 60).double()
    result = hopfield.retrieve(state, stored, beta=8.0, steps=900, tol=1e-8, mask=mask, bias=bias)
    for i in (0, 11, 29):
        own = {"mask": mask[i], "bias": bias[i], "beta": 8.0, "steps": 900, "tol": 1e-8}
        alone = hopfield.retrieve(state[i : i + 1], stored, **own)
        torch.testing.assert_close(alone.state[0], result.state[i], atol=1e-12, rtol=0)


def test_bags_stop_by_themselves(stored, count_rows):
    offsets = torch.tensor([0, 5, 30, 60])
    state = torch.randn(3, 4, 10).double()
    beta = torch.tensor([50.0, 5.0, 9.0]).double().view(3, 1, 1)
    settings = {"steps": 3000, "tol": 1e-9}
    result = hopfield.retrieve(state, stored, beta=beta, offsets=offsets, **settings)
    assert result.steps.shape == (3, 4)
    assert min(count_rows) < 4
    for bag, (low, high) in enumerate(((0, 5), (5, 30), (30, 60))):
        own = {"beta": beta[bag].item(), **settings}
        alone = hopfield.retrieve(state[bag], stored[low:high], **own)
        torch.testing.assert_close(alone.state, result.state[bag], atol=1e-12, rtol=0)
        assert torch.equal(alone.steps, result.steps[bag])


def test_unconverged_states_give_one_warning(stored):
    with pytest.warns(
        ConvergenceWarning, match=r"20 of 20 states did not .* in 2 updates"
    ) as caught:
        result = hopfield.retrieve(noisy(stored), stored, beta=5.0, steps=2, tol=1e-12)
    assert len(caught) == 1
    assert not result.converged.any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert hopfield.retrieve(noisy(stored), stored, beta=5.0, steps=2).converged is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_rounding_cycles_end(dtype):
    """In half precision some states go back and forth between two values for ever."""
    generator = torch.Generator().manual_seed(3)
    state = torch.randn(400, 16, generator=generator).to(dtype)
    stored = torch.randn(200, 400, 16, generator=generator)[:30, :, :].to(dtype)[:, 0]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = hopfield.retrieve(state, stored, beta=0.3, steps=100_000, tol=0.0)
    assert result.steps.max() < 1000
    moved = hopfield.update(result.state, stored, beta=0.3)
    again = hopfield.update(moved, stored, beta=0.3)
    cycling = ~result.converged
    torch.testing.assert_close(again[cycling], result.state[cycling], atol=0, rtol=0)
    assert len(caught) == bool(cycling.any())
    if caught:
        assert "back and forth between two values by rounding" in str(caught[0].message)


def test_a_cycle_of_two_ends_unconverged():
    class Flip:
        """Weights that send each state to the opposite pattern."""

        def weights(self, scores):
            return torch.softmax(-50 * scores, -1)

        def conjugate(self, scores):
            return torch.logsumexp(scores, -1)

    stored = torch.tensor([[1.0], [-1.0]])
    with pytest.warns(ConvergenceWarning, match="2 of them go back and forth"):
        result = hopfield.retrieve(stored, stored, separation=Flip(), beta=1.0, steps=999, tol=1e-3)
    assert result.steps.max() < 6
    assert not result.converged.any()


def test_trajectory(stored):
    state = noisy(stored, 30)
    settings = {"beta": 6.0, "steps": 400, "trajectory": True}
    result = hopfield.retrieve(state, stored, tol=1e-7, **settings)
    path = result.trajectory
    assert path.state.shape == (int(result.steps.max()) + 1, 30, 10)
    torch.testing.assert_close(path.state[0], state)
    torch.testing.assert_close(path.state[-1], result.state)
    assert (path.energy.diff(dim=0) <= 1e-12).all()
    for i in (0, 7, 29):
        stop = int(result.steps[i])
        assert (path.state[stop:, i] == result.state[i]).all()
        torch.testing.assert_close(
            path.state[1 : stop + 1, i], hopfield.update(path.state[:stop, i], stored, beta=6.0)
        )
    settings["steps"] = 3
    fixed = hopfield.retrieve(state, stored, **settings).trajectory
    torch.testing.assert_close(fixed.state, path.state[:4])
    only_start = hopfield.retrieve(state, stored, stored, beta=6.0, trajectory=True).trajectory
    assert only_start.state.shape == (1, 30, 10)


def test_unrolled_gradient_with_stopping_is_that_of_the_steps_made(stored):
    stored = stored.requires_grad_()
    state = noisy(stored.detach()).requires_grad_()
    result = hopfield.retrieve(state, stored, beta=7.0, steps=300, tol=1e-6)
    weight = torch.randn(20, 10).double()
    gradients = torch.autograd.grad((result.state * weight).sum(), (state, stored))
    total = torch.zeros_like(stored)
    for i in range(20):
        one = hopfield.retrieve(state[i : i + 1], stored, beta=7.0, steps=int(result.steps[i]))
        own = torch.autograd.grad((one.state[0] * weight[i]).sum(), (state, stored))
        torch.testing.assert_close(own[0][i], gradients[0][i])
        total += own[1]
    torch.testing.assert_close(total, gradients[1])


def test_heads_with_their_own_beta(stored):
    state = noisy(stored)
    beta = torch.tensor([1.0, 8.0, 40.0]).double().view(3, 1, 1)
    result = hopfield.retrieve(state, stored, beta=beta, steps=500, tol=1e-6)
    assert result.state.shape == (3, 20, 10)
    for head, one in enumerate((1.0, 8.0, 40.0)):
        alone = hopfield.retrieve(state, stored, beta=one, steps=500, tol=1e-6)
        torch.testing.assert_close(result.state[head], alone.state)


def test_fully_masked_states_come_to_rest_at_zero(stored):
    mask = torch.ones(20, 1, dtype=torch.bool)
    mask[3] = False
    result = hopfield.retrieve(noisy(stored), stored, mask=mask, beta=8.0, steps=900, tol=1e-6)
    assert result.converged.all()
    assert (result.state[3] == 0).all()


def test_three_steps_equal_a_loop_of_attention():
    q, k = torch.randn(2, 2, 4, 30, 8).unbind()
    expected = q
    for _ in range(3):
        expected = scaled_dot_product_attention(expected, k, k)
    torch.testing.assert_close(hopfield.retrieve(q, k, steps=3).state, expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "steps is 0; a whole number of at least 1"),
        ({"steps": 2.0}, "steps is 2.0"),
        ({"tol": -1.0, "steps": 2}, "tol is -1.0; a finite number of at least 0"),
        ({"tol": float("nan"), "steps": 2}, "tol is nan"),
        ({"tol": "small", "steps": 2}, "tol is 'small'"),
        ({"backward": "implict"}, "backward is 'implict'; choose one of 'unrolled', 'implicit'"),
        ({"backward": "implicit"}, "needs tol"),
        ({"tol": 0.1, "projection": True}, "no state is updated; use steps=2"),
    ],
)
def test_bad_arguments(untyped, stored, arguments, message):
    projection = stored if arguments.pop("projection", False) else None
    with pytest.raises(ArgumentError, match=message):
        hopfield.retrieve(stored, stored, projection, **arguments)


@pytest.mark.parametrize("lead", [(1,), (1, 1)])
@pytest.mark.parametrize("what", ["stored", "beta", "bias"])
def test_leading_dimensions_of_one(stored, lead, what):
    state = noisy(stored)
    settings = {"beta": torch.tensor(9.0), "bias": torch.zeros(60).double()}
    expected = hopfield.retrieve(state, stored, steps=200, tol=1e-9, **settings)
    if what == "stored":
        stored = stored.expand(*lead, -1, -1)
    else:
        settings[what] = settings[what].expand(*lead, 1, settings[what].numel())
    found = hopfield.retrieve(state, stored, steps=200, tol=1e-9, **settings)
    torch.testing.assert_close(found.state, expected.state.expand(*lead, -1, -1))
    assert (found.steps == expected.steps).all()


def test_states_of_bags_stop_one_by_one(stored, monkeypatch):
    """Every setting differs from state to state and from bag to bag."""
    state, offsets = noisy(stored), torch.tensor([0, 25, 60])
    beta = 3 + 9 * torch.rand(2, 20, 1).double()
    bias, mask = 0.3 * torch.randn(20, 60).double(), torch.rand(20, 60) > 0.2
    computed = []
    update = DenseNetwork.update

    def counted(network, state):
        computed.append(state.shape[:-1].numel())
        return update(network, state)

    with monkeypatch.context() as patch:
        patch.setattr(DenseNetwork, "update", counted)
        settings = {"offsets": offsets, "beta": beta, "bias": bias, "mask": mask}
        found = hopfield.retrieve(state, stored, steps=900, tol=1e-9, **settings)
    assert sum(computed) < 1.5 * found.steps.sum()
    for bag, which in enumerate((slice(0, 25), slice(25, 60))):
        settings = {"beta": beta[bag], "bias": bias[:, which], "mask": mask[:, which]}
        alone = hopfield.retrieve(state, stored[which], steps=900, tol=1e-9, **settings)
        torch.testing.assert_close(found.state[bag], alone.state)


def test_the_energy_does_not_need_the_forced_backend(stored):
    found = hopfield.retrieve(stored[:2], stored, steps=3, energy=True, backend="sdpa")
    torch.testing.assert_close(found.energy, hopfield.energy(found.state, stored))


def test_patterns_of_width_zero():
    found = hopfield.retrieve(torch.randn(3, 0), torch.randn(5, 0), steps=3, tol=1e-3)
    assert found.state.shape == (3, 0)
    assert found.converged.all()
