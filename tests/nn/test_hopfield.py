"""The layer against its definition, in all its variants."""

import warnings

import pytest
import reference
import torch
from torch import nn

import hopfield
from hopfield import Hopfield
from hopfield.errors import ArgumentError, DtypeError, ShapeError

STATIC = ("state", "stored", "projection")
VARIANTS = {
    "attention": {"num_heads": 4},
    "one head": {},
    "wide heads": {"num_heads": 3, "hidden_size": 5},
    "values of their own": {"num_heads": 3, "hidden_size": 5, "value_size": 7, "output_size": 9},
    "no bias": {"num_heads": 4, "bias": False},
    "steps": {"num_heads": 4, "steps": 3},
    "beta": {"num_heads": 4, "beta": 2.5, "steps": 2},
    "beta per head": {"num_heads": 4, "beta": torch.tensor([0.5, 1.0, 2.0, 4.0]), "steps": 3},
    "learned beta": {"num_heads": 4, "learn_beta": True},
    "norms": {"num_heads": 4, "norm": True},
    "one norm": {"num_heads": 4, "norm": ("stored",)},
    "hidden norm": {"num_heads": 4, "norm": ("hidden",), "steps": 2},
    "connected": {"num_heads": 4, "connected": True, "value_size": 3},
    "connected, norms": {"num_heads": 4, "connected": True, "norm": ("projection", "hidden")},
    "static state": {"num_heads": 4, "static": ("state",), "steps": 2},
    "static stored": {"num_heads": 4, "static": ("stored",)},
    "static stored, connected": {"num_heads": 4, "static": ("stored",), "connected": True},
    "static projection": {"num_heads": 4, "static": ("projection",)},
    "read out what is stored": {"num_heads": 4, "static": ("projection",), "connected": True},
    "static": {"static": STATIC, "output_projection": False, "steps": 3},
    "static, heads": {
        "num_heads": 2,
        "static": STATIC,
        "output_projection": False,
        "beta": torch.tensor([1.0, 9.0]),
    },
    "softmax1": {"num_heads": 4, "separation": "softmax1", "steps": 2},
    "sparsemax": {"num_heads": 4, "separation": "sparsemax", "steps": 2},
    "top-k": {"num_heads": 4, "separation": hopfield.TopK(2)},
    "entmax": {"num_heads": 4, "separation": hopfield.Entmax(1.3)},
    "no output projection": {"num_heads": 4, "output_projection": False},
}
WIDTH = 8


def made(name):
    options = dict(VARIANTS[name])
    if "value_size" not in options and "projection" in options.get("static", ()):
        options["value_size"] = WIDTH
    if "static" in name or "read out" in name:
        options["hidden_size"] = WIDTH if name != "read out what is stored" else 2
    if name == "read out what is stored":
        options["value_size"] = 2
    return reference.layer(WIDTH, **options)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("kind", ["self", "cross", "three"])
def test_output_is_the_definition(name, kind):
    layer = made(name)
    tensors = torch.randn(3, 2, 6, WIDTH, dtype=torch.float64).unbind()
    inputs = {"self": tensors[:1], "cross": tensors[:2], "three": tensors}[kind]
    torch.testing.assert_close(layer(*inputs), reference.forward(layer, *inputs))
    torch.testing.assert_close(layer(*(t[0] for t in inputs)), layer(*inputs)[0])  # no batch


@pytest.mark.parametrize("name", VARIANTS)
def test_gradients_are_those_of_the_definition(name):
    layer = made(name)
    inputs = [torch.randn(2, 5, WIDTH, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    wanted = [*inputs, *layer.parameters()]
    ours = torch.autograd.grad(layer(*inputs).square().sum(), wanted)
    theirs = torch.autograd.grad(reference.forward(layer, *inputs).square().sum(), wanted)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", ["attention", "steps", "softmax1", "sparsemax", "static, heads"])
def test_masks(name):
    layer = made(name)
    state, stored = torch.randn(2, 3, 5, WIDTH, dtype=torch.float64).unbind()
    padding = torch.rand(3, 5) < 0.3
    padding[1] = True  # nothing to see
    mask, bias = torch.rand(5, 5) < 0.7, torch.randn(3, layer.num_heads, 5, 5).double()
    visible = mask & ~padding[:, None, None]
    output = layer(state, stored, padding_mask=padding, mask=mask, bias=bias)
    torch.testing.assert_close(
        output, reference.forward(layer, state, stored, visible=visible, bias=bias)
    )
    assert output.isfinite().all()
    per_head = mask.expand(layer.num_heads, 5, 5)
    again = layer(state, stored, padding_mask=padding, mask=per_head[None], bias=bias)
    torch.testing.assert_close(again, output)


@pytest.mark.parametrize("name", ["attention", "steps", "softmax1"])
@pytest.mark.parametrize("patterns", [6, 4])
def test_causal(name, patterns):
    layer = made(name)
    state = torch.randn(2, 6, WIDTH, dtype=torch.float64)
    stored = None if patterns == 6 else torch.randn(2, patterns, WIDTH, dtype=torch.float64)
    triangle = torch.ones(6, patterns, dtype=torch.bool).tril()
    wanted = reference.forward(layer, state, stored, visible=triangle)
    torch.testing.assert_close(layer(state, stored, is_causal=True), wanted)
    padding = torch.zeros(2, patterns, dtype=torch.bool)
    together = layer(state, stored, is_causal=True, padding_mask=padding)
    torch.testing.assert_close(together, wanted)


@pytest.mark.parametrize("bias_pattern", [False, True])
@pytest.mark.parametrize("stopping", [{}, {"steps": 30, "tol": 1e-6, "beta": 3.0}])
@pytest.mark.parametrize("is_causal", [False, True])
def test_masks_of_ragged_bags(bias_pattern, stopping, is_causal):
    layer = reference.layer(WIDTH, num_heads=2, bias_pattern=bias_pattern, **stopping)
    bounds = [0, 1, 5, 12]
    offsets, rows = torch.tensor(bounds), torch.randn(12, WIDTH).double()
    states = torch.randn(3, 4, WIDTH).double()
    mask, bias = torch.rand(2, 4, 12) < 0.7, torch.randn(4, 12).double()
    given = {"offsets": offsets, "mask": mask, "bias": bias, "is_causal": is_causal}
    output = layer(states, rows, **given)
    for bag in range(3):
        some = slice(bounds[bag], bounds[bag + 1])
        own = {"mask": mask[..., some], "bias": bias[:, some], "is_causal": is_causal}
        torch.testing.assert_close(output[bag], layer(states[bag], rows[some], **own))


def test_per_head_entmax_of_ragged_bags():
    alpha = torch.tensor([1.2, 2.0]).double().view(2, 1, 1)
    layer = reference.layer(WIDTH, num_heads=2, separation=hopfield.Entmax(alpha))
    rows, states = torch.randn(9, WIDTH).double(), torch.randn(2, 3, WIDTH).double()
    output = layer(states, rows, offsets=torch.tensor([0, 4, 9]))
    torch.testing.assert_close(output[0], layer(states[0], rows[:4]))
    torch.testing.assert_close(output[1], layer(states[1], rows[4:]))


@pytest.mark.parametrize("name", ["attention", "beta per head", "softmax1", "static, heads"])
@pytest.mark.parametrize("bias_pattern", [False, True])
def test_ragged_bags_are_taken_one_by_one(name, bias_pattern):
    options = VARIANTS[name] | {"bias_pattern": bias_pattern}
    if "static" in name:
        options["hidden_size"] = WIDTH
    layer = reference.layer(WIDTH, **options)
    bounds = [0, 1, 5, 6, 12]
    offsets, rows = torch.tensor(bounds), torch.randn(12, WIDTH).double()
    states = torch.randn(4, 3, WIDTH).double()
    shared, own, themselves = (
        layer(states[0], rows, offsets=offsets),
        layer(states, rows, offsets=offsets),
        layer(rows, offsets=offsets),
    )
    for bag in range(4):
        some = rows[bounds[bag] : bounds[bag + 1]]
        torch.testing.assert_close(shared[bag], layer(states[0], some))
        torch.testing.assert_close(own[bag], layer(states[bag], some))
        torch.testing.assert_close(themselves[bounds[bag] : bounds[bag + 1]], layer(some))
    weights = layer.associate(states, rows, offsets=offsets)
    assert weights.shape == (layer.num_heads, 3, 12 + 4 * bias_pattern)
    assert layer.retrieve(states, rows, offsets=offsets, energy=True).energy.isfinite().all()
    assert layer.phase(rows, offsets=offsets).k90.shape == (4, layer.num_heads, 6)


def test_connected_projections_are_those_of_the_normed_patterns():
    layer = reference.layer(8, connected=True, norm=("stored",))
    state = torch.randn(2, 5, 8, dtype=torch.float64)
    torch.testing.assert_close(layer(state), layer(state, state, state))


def test_limits_per_head():
    """Each head makes its own number of steps, with its own tolerance."""
    options = {"num_heads": 2, "output_projection": False, "beta": 3.0}
    both = Hopfield(8, steps=[1, 5], tol=[0.0, 1e-3], **options)
    state = torch.randn(3, 6, 8)
    with pytest.warns(hopfield.ConvergenceWarning):
        result = both.retrieve(state)
    assert (result.steps[:, 0] == 1).all()
    assert (result.steps[:, 1] > 1).all()
    for head, (steps, tol) in enumerate([(1, None), (5, 1e-3)]):
        alone = Hopfield(8, steps=steps, tol=tol, **options)
        alone.load_state_dict(both.state_dict())
        which = slice(4 * head, 4 * head + 4)
        torch.testing.assert_close(both(state)[..., which], alone(state)[..., which])


@pytest.mark.parametrize("steps", [[1, 2, 3], [3, 2, 1], [1, 4, 2], [2, 2, 2]])
def test_numbers_of_steps_alone_differ_by_head(steps):
    layer = reference.layer(6, num_heads=3, steps=steps, output_projection=False)
    state = torch.randn(2, 4, 6).double()
    for head, number in enumerate(steps):
        alone = reference.layer(6, num_heads=3, steps=number, output_projection=False)
        alone.load_state_dict(layer.state_dict())
        which = slice(2 * head, 2 * head + 2)
        torch.testing.assert_close(layer(state)[..., which], alone(state)[..., which])


def test_a_lost_state_does_not_go_on():
    layer = Hopfield(8, steps=None, tol=1e-3)
    state = torch.randn(3, 8)
    state[1] = torch.nan
    stored = torch.randn(4, 8)
    with pytest.warns(hopfield.ConvergenceWarning):
        result = layer.retrieve(state, stored)
    assert result.steps[:, 1].item() == 2
    assert bool(result.converged[:, 0].all())


def test_until_the_states_stop():
    layer = Hopfield(8, num_heads=2, beta=0.5, steps=None, tol=1e-6)
    state = torch.randn(2, 5, 8)
    result = layer.retrieve(state)
    assert bool(result.converged.all())
    assert result.steps.max() < 1000
    many = Hopfield(8, num_heads=2, beta=0.5, steps=1000)
    many.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(state), many(state), atol=1e-5, rtol=1e-5)


def test_states_that_do_not_stop_are_warned_of(monkeypatch):
    monkeypatch.setattr("hopfield.nn.attend.MOST_STEPS", 3)
    layer = Hopfield(8, steps=None, tol=0.0, norm=True)
    with pytest.warns(hopfield.ConvergenceWarning, match="did not converge"):
        layer(torch.randn(5, 8))


def test_a_budget_of_steps_is_no_failure():
    layer = Hopfield(8, steps=2, tol=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer(torch.randn(5, 8))


def test_implicit_gradient():
    """At a fixed point it is the gradient through many steps."""
    options = {"num_heads": 2, "beta": 0.3, "dtype": torch.float64}
    implicit = Hopfield(8, steps=500, tol=1e-12, backward="implicit", **options)
    unrolled = Hopfield(8, steps=200, **options)
    unrolled.load_state_dict(implicit.state_dict())
    state, stored = torch.randn(2, 5, 8).double()
    for layer in (implicit, unrolled):
        layer(state, stored).square().sum().backward()
    for (name, one), other in zip(implicit.named_parameters(), unrolled.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-8, rtol=1e-6, msg=name)


def test_what_one_looks_into():
    layer = Hopfield(8, num_heads=2, steps=3, norm=True)
    state, stored = torch.randn(2, 3, 5, 8).unbind()
    projected = layer.project(state, stored)
    xi, x, v = projected.state, projected.stored, projected.projection
    result = layer.retrieve(state, stored, energy=True, trajectory=True)
    last = hopfield.retrieve(xi, x, steps=2).state
    torch.testing.assert_close(result.state, last)
    torch.testing.assert_close(result.energy, hopfield.energy(last, x))
    assert result.trajectory.energy.shape == (3, 3, 2, 5)
    assert bool((result.trajectory.energy.diff(dim=0) <= 1e-6).all())
    torch.testing.assert_close(layer.energy(state, stored), hopfield.energy(last, x))
    weights = layer.associate(state, stored)
    torch.testing.assert_close(weights, hopfield.associate(last, x))
    read = (weights @ v).transpose(1, 2).flatten(-2)
    torch.testing.assert_close(layer.out_proj(read), layer(state, stored))
    together = layer.with_weights(state, stored)
    torch.testing.assert_close(together, (layer(state, stored), weights))
    assert torch.equal(layer.phase(state, stored).k90, hopfield.phase(last, x).k90)
    (gradient,) = torch.autograd.grad(weights[..., 0].sum(), layer.space.norms["state"].weight)
    assert bool((gradient != 0).any())


def test_dropout_in_training_alone():
    layer = Hopfield(8, num_heads=2, dropout=0.5)
    state = torch.randn(4, 6, 8)
    assert not torch.equal(layer(state), layer(state))
    layer.eval()
    assert torch.equal(layer(state), layer(state))


@pytest.mark.parametrize("separation", ["softmax", "softmax1", "sparsemax"])
@pytest.mark.parametrize("size", [8, 600])
def test_dropout_keeps_the_mean_and_its_gradient(separation, size):
    """Large inputs take another way; in both the gradient is that of what was computed."""
    layer = Hopfield(4, dropout=0.3, separation=separation, dtype=torch.float64)
    state = torch.randn(1, size, 4).double()
    torch.manual_seed(1)
    first = layer(state)
    rounds = torch.stack([layer(state) for _ in range(100)]).mean(0)
    layer.eval()
    assert (rounds - layer(state)).abs().mean() < 0.3 * (first - layer(state)).abs().mean()
    layer.train()
    direction = torch.randn_like(state)
    moved = state.clone().requires_grad_()
    torch.manual_seed(1)
    (gradient,) = torch.autograd.grad(layer(moved).sum(), moved)
    values = []
    for h in (1e-6, -1e-6):
        torch.manual_seed(1)
        values.append(layer(state + h * direction).sum())
    slope = (values[0] - values[1]) / 2e-6
    torch.testing.assert_close((gradient * direction).sum(), slope, atol=1e-4, rtol=1e-4)


def test_dropout_of_bags():
    layer = Hopfield(8, num_heads=2, dropout=0.5)
    rows, offsets = torch.randn(9, 8), torch.tensor([0, 4, 9])
    assert not torch.equal(
        layer(rows[:2], rows, offsets=offsets), layer.eval()(rows[:2], rows, offsets=offsets)
    )


def test_beta_in_every_form():
    given = torch.tensor([1.0, 2.0])
    with pytest.raises(ArgumentError, match="learn_beta"):
        Hopfield(8, num_heads=2, beta=nn.Parameter(given))
    for beta in (3.0, given, given.double()):
        layer = Hopfield(8, num_heads=2, beta=beta)
        assert "inverse_temperature.value" in layer.state_dict()
        assert layer.to(torch.float64).beta.dtype == torch.float64
    learned = Hopfield(8, num_heads=2, beta=given, learn_beta=True)
    torch.testing.assert_close(learned.beta, given)
    optimised = learned.inverse_temperature.log
    learned.beta = 5.0
    assert learned.inverse_temperature.log is optimised
    torch.testing.assert_close(learned.beta, torch.tensor([5.0, 5.0]))
    with torch.no_grad():
        learned.inverse_temperature.log.fill_(-50.0)
    assert bool((learned.beta > 0).all())
    default = Hopfield(8, num_heads=2)
    assert default.beta == 0.5
    state = torch.randn(2, 5, 8)
    sharp = Hopfield(8, num_heads=2, beta=9.0)
    sharp.load_state_dict(
        {**default.state_dict(), "inverse_temperature.value": torch.tensor([9.0])}
    )
    default.beta = 9.0
    torch.testing.assert_close(default(state), sharp(state))
    assert set(default.state_dict()) == set(sharp.state_dict())


def test_an_attention_becomes_a_retrieval():
    """Larger β and more steps bring states to fixed points that are single patterns."""
    layer = Hopfield(16, num_heads=2)
    state = torch.randn(2, 10, 16)
    layer.beta, layer.steps, layer.tol = 50.0, 500, 1e-5
    result = layer.retrieve(state)
    assert bool(result.converged.all())
    assert (layer.phase(state).label == hopfield.PhaseLabel.FIXED_POINT).float().mean() > 0.5


@pytest.mark.parametrize("shape", [(0, 5, 8), (2, 0, 8)])
def test_empty_batches(shape):
    layer = Hopfield(8, num_heads=2, steps=2)
    output = layer(torch.zeros(shape), torch.randn(shape[0], 4, 8))
    assert output.shape == shape


def test_stored_patterns_for_a_whole_batch():
    layer = Hopfield(8, num_heads=2)
    state, stored = torch.randn(3, 5, 8), torch.randn(4, 8)
    torch.testing.assert_close(layer(state, stored), layer(state, stored.expand(3, 4, 8)))


def test_one_causal_state_for_each_of_a_batch():
    layer = reference.layer(WIDTH)
    states, stored = torch.randn(6, 1, WIDTH).double(), torch.randn(4, WIDTH).double()
    wanted = torch.stack([layer(state, stored, is_causal=True) for state in states])
    torch.testing.assert_close(layer(states, stored, is_causal=True), wanted)


def test_autocast_looks_inside_with_the_same_precision():
    layer, state = Hopfield(64, num_heads=2), torch.randn(3, 20, 64)
    with torch.autocast("cpu", torch.bfloat16):
        energy, projected = layer.energy(state), layer.project(state)
    wide = hopfield.energy(projected.state.double(), projected.stored.double())
    torch.testing.assert_close(energy.double(), wide, atol=1e-3, rtol=1e-3)


BAD = {
    "static is None": (lambda: Hopfield(8, static=None), ArgumentError),
    "norm is 1": (lambda: Hopfield(8, norm=1), ArgumentError),
    "dropout is 'a'": (lambda: Hopfield(8, dropout="a"), ArgumentError),
    "steps is 1.0": (lambda: Hopfield(8, steps=1.0), ArgumentError),
    "steps is True": (lambda: Hopfield(8, steps=True), ArgumentError),
    "steps is None": (lambda: Hopfield(8, num_heads=2, steps=[None, 3]), ArgumentError),
    "tol is True": (lambda: Hopfield(8, steps=3, tol=[True]), ArgumentError),
    "state_size": (lambda: Hopfield(0), ArgumentError),
    "num_heads": (lambda: Hopfield(8, num_heads=3), ShapeError),
    "hidden_size": (lambda: Hopfield(8, hidden_size=-1), ArgumentError),
    "dropout": (lambda: Hopfield(8, dropout=1.0), ArgumentError),
    "separation": (lambda: Hopfield(8, separation="softmin"), ArgumentError),
    "backward": (lambda: Hopfield(8, backward="adjoint"), ArgumentError),
    "tol": (lambda: Hopfield(8, steps=3, tol=-1.0), ArgumentError),
    "steps=1": (lambda: Hopfield(8, tol=1e-3), ArgumentError),
    "steps=None": (lambda: Hopfield(8, steps=None), ArgumentError),
    "steps": (lambda: Hopfield(8, steps=0), ArgumentError),
    "heads": (lambda: Hopfield(8, steps=[1, 2, 3]), ShapeError),
    "implicit": (lambda: Hopfield(8, backward="implicit"), ArgumentError),
    "static": (lambda: Hopfield(8, static=("key",)), ArgumentError),
    "norm": (lambda: Hopfield(8, norm="state"), ArgumentError),
    "state is static": (lambda: Hopfield(8, static=("state",), hidden_size=4), ShapeError),
    "connected": (lambda: Hopfield(8, 8, 4, connected=True), ShapeError),
    "beta has shape": (lambda: Hopfield(8, num_heads=2, beta=torch.ones(3)), ShapeError),
    "beta is": (lambda: Hopfield(8, beta=-1.0), ArgumentError),
    "beta has values": (lambda: Hopfield(8, beta=torch.tensor(-1.0)), ArgumentError),
    "output_size": (lambda: Hopfield(8, output_projection=False, output_size=3), ShapeError),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_options_are_named(what):
    make, error = BAD[what]
    with pytest.raises(error, match=what):
        make()


x, y = torch.randn(3, 5, 8), torch.randn(3, 4, 8)
BAD_INPUT = {
    "state_size": (lambda layer: layer(torch.randn(3, 5, 7)), ShapeError),
    "stored_size": (lambda layer: layer(x, torch.randn(3, 5, 7)), ShapeError),
    "projection has shape": (lambda layer: layer(x, y, x), ShapeError),
    "at least one": (lambda layer: layer(x, y[:, :0]), ShapeError),
    "leading dimensions": (lambda layer: layer(x, y[:2]), ShapeError),
    "state is": (lambda layer: layer(x.double()), DtypeError),
    "state has dtype": (lambda layer: layer(x.long()), DtypeError),
    "stored is": (lambda layer: layer(x, y.half()), DtypeError),
    "projection is": (lambda layer: layer(x, y, y.double()), DtypeError),
    "padding_mask has shape": (lambda layer: layer(x, y, padding_mask=x[..., 0] > 9), ShapeError),
    "padding_mask is": (lambda layer: layer(x, y, padding_mask=torch.zeros(3, 4)), DtypeError),
    "mask is": (lambda layer: layer(x, y, mask=torch.zeros(5, 4)), DtypeError),
    "mask has shape": (lambda layer: layer(x, y, mask=torch.zeros(4, 5) > 0), ShapeError),
    r"mask\[:, None\]": (lambda layer: layer(x, y, mask=torch.zeros(3, 5, 4) > 0), ShapeError),
    "bias is": (lambda layer: layer(x, y, bias=torch.zeros(5, 4) > 0), DtypeError),
    "bias has shape": (lambda layer: layer(x, y, bias=torch.zeros(5, 5)), ShapeError),
    "offsets": (lambda layer: layer(x[0], offsets=torch.tensor([0, 3])), ShapeError),
    "with offsets": (lambda layer: layer(x, offsets=torch.tensor([0, 3])), ShapeError),
    "leave no padding": (
        lambda layer: layer(
            x[0], offsets=torch.tensor([0, 5]), padding_mask=torch.zeros(5, dtype=torch.bool)
        ),
        ArgumentError,
    ),
    "number": (lambda layer: layer(x, y[0], offsets=torch.tensor([0, 1, 4])), ShapeError),
    "heads": (lambda layer: layer.associate(x, heads=3), TypeError),
}


@pytest.mark.parametrize("what", BAD_INPUT)
def test_bad_inputs_are_named(what):
    call, error = BAD_INPUT[what]
    with pytest.raises(error, match=what):
        call(Hopfield(8, num_heads=2))


def test_raw_roles_of_different_dtypes_are_named():
    static = {"static": STATIC, "output_projection": False}
    with pytest.raises(DtypeError, match=r"stored is torch\.float64 but state"):
        Hopfield(8, **static)(x, y.double())
    with pytest.raises(DtypeError, match=r"stored is torch\.float64 but the layer is"):
        Hopfield(8, static=("stored",))(x, y.double())


def test_a_missing_projection_is_asked_for():
    with pytest.raises(ArgumentError, match="projection is missing"):
        Hopfield(8, 8, 3)(x)


def test_initialisation_is_that_of_attention():
    torch.manual_seed(3)
    theirs = nn.MultiheadAttention(64, 4)
    torch.manual_seed(3)
    ours = Hopfield(64, num_heads=4)
    bound = theirs.in_proj_weight.abs().max()
    torch.testing.assert_close(
        ours.space.maps["packed"].weight.abs().max(), bound, rtol=0.01, atol=0
    )
    for name, bias in ours.named_parameters():
        if name.endswith("bias"):
            assert not bias.any()


def test_options_show():
    assert "steps=3" in repr(Hopfield(8, steps=3))
