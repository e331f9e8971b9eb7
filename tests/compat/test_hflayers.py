"""The interface of hflayers: equal where it is right, and right where it is not."""

import copy
import inspect
import pickle
import warnings
from collections import namedtuple

import numpy as np
import pytest
import torch
from torch import nn

import hopfield
import hopfield.compat.hflayers as hflayers
from hopfield.errors import ArgumentError, DtypeError, ShapeError

ROLES = ("stored_pattern", "state_pattern", "pattern_projection")
BARE = dict.fromkeys((f"{role}_as_static" for role in ROLES), True) | dict.fromkeys(
    (f"normalize_{role}{affine}" for role in ROLES for affine in ("", "_affine")), False
)


# ---- recorded from hflayers 1.0.2 (PyTorch 2.13, float64), with these parameters and inputs


def filled(layer):
    """Every parameter by one formula, so that both libraries can be given the same."""
    with torch.no_grad():
        for place, parameter in enumerate(layer.parameters()):
            n = torch.arange(parameter.numel(), dtype=torch.float64)
            parameter.copy_((1.3 * n + place).sin().view(parameter.shape) * 0.8)
    return layer


def wave(*shape, shift=0.0):
    n = torch.arange(np.prod(shape), dtype=torch.float64)
    return (0.7 * n + 0.01 * n**2 + shift).cos().view(shape)


def hidden(*shape):
    return (wave(*shape, shift=2.0) > 0.6).index_fill(-1, torch.tensor([0]), False)


X, Y, V = wave(2, 3, 6), wave(2, 5, 4, shift=1.0), wave(2, 5, 5, shift=3.0)
SIZES = {"stored_pattern_size": 4, "pattern_projection_size": 5}
STEPS = {"update_steps_max": 3, "update_steps_eps": 1e-30}
CASES = {
    "plain": ("Hopfield", {"input_size": 6}, (X,), {}),
    "sizes": (
        "Hopfield",
        {"input_size": 6, "hidden_size": 3, "pattern_size": 2, "num_heads": 2, "output_size": 4}
        | SIZES
        | STEPS,
        (Y, X, V),
        {"stored_pattern_padding_mask": hidden(2, 5), "association_mask": wave(4, 3, 5)},
    ),
    "steps by head": (
        "Hopfield",
        {"input_size": 6, "num_heads": 3, "scaling": 2.0, "add_zero_association": True}
        | STEPS
        | {"update_steps_max": torch.tensor([0, 2, 5])},
        (X,),
        {"association_mask": hidden(3, 3)},
    ),
    "connected": (
        "Hopfield",
        {
            "input_size": 6,
            "hidden_size": 4,
            "pattern_projection_as_connected": True,
            "normalize_hopfield_space": True,
            "normalize_hopfield_space_affine": True,
            "normalize_stored_pattern_eps": 1e-2,
            "batch_first": False,
        },
        (X.transpose(0, 1),),
        {},
    ),
    "static": (
        "Hopfield",
        {"input_size": 6, "state_pattern_as_static": True, "input_bias": False} | STEPS,
        (X, X + wave(2, 3, 6, shift=1.0), X),
        {},
    ),
    "bare": (
        "Hopfield",
        BARE | STEPS | {"disable_out_projection": True, "scaling": 3.0},
        (Y, Y[:, :3] + 0.3, V),
        {},
    ),
    "pooling": (
        "HopfieldPooling",
        {"input_size": 6, "num_heads": 2, "quantity": 2, "association_activation": "tanh"},
        (X,),
        {"stored_pattern_padding_mask": hidden(2, 3)},
    ),
    "layer": (
        "HopfieldLayer",
        {
            "input_size": 6,
            "num_heads": 2,
            "quantity": 4,
            "lookup_weights_as_separated": True,
            "pattern_projection_size": 5,
        },
        (X,),
        {"association_mask": hidden(3, 4)},
    ),
}


def build(library, transformer, case):
    """The layer of a case in a library, its inputs, and its masks."""
    if case in CASES:
        name, options, inputs, masks = CASES[case]
        return filled(getattr(library, name)(**options).double()), inputs, masks
    first = library.Hopfield(6, num_heads=2)
    if case == "encoder":
        layer = transformer.HopfieldEncoderLayer(first, dim_feedforward=7, dropout=0.0)
        return filled(layer.double()), (X,), {"src_key_padding_mask": hidden(2, 3)}
    second = library.Hopfield(6, num_heads=2, stored_pattern_size=4, pattern_projection_size=4)
    layer = transformer.HopfieldDecoderLayer(first, second, 7, 0.0, "tanh")
    return filled(layer.double()), (X, Y), {"tgt_mask": hidden(3, 3)}


def measured(library, transformer, case):
    """Some of the output, and how much the gradients of a weighted sum of it come to."""
    layer, inputs, masks = build(library, transformer, case)
    leaves = tuple(tensor.clone().requires_grad_() for tensor in inputs)
    roles = leaves if case == "decoder" else (leaves[0] if len(leaves) == 1 else leaves,)
    output = layer(*roles, **masks)
    output.backward(wave(*output.shape))
    grads = [tensor.grad for tensor in (*layer.parameters(), *leaves)]
    total = sum(grad.abs().sum().item() for grad in grads if grad is not None)
    return [*output.flatten()[[0, 1, 5, -1]].tolist(), total]


RECORDED = {
    "plain": [-4.966715633, 1.655568556, 1.155356475, 1.021821776, 426.407635558],
    "sizes": [-0.375517063, -0.055522118, -0.062956205, 0.262910375, 51.734008779],
    "steps by head": [-4.876865484, 1.349702703, 0.879413046, 0.823127476, 437.906393177],
    "connected": [-1.299006071, -9.028553176, 7.140804221, 6.991047107, 879.394921675],
    "static": [-5.698037735, -1.155867356, -2.338244700, -2.090989909, 448.381841424],
    "bare": [-0.447834421, 0.048130186, 0.625989663, -0.200397802, 53.811251488],
    "pooling": [-0.983506012, 0.999988214, 0.999956357, 0.999983444, 1.281524821],
    "layer": [-0.839470491, 2.070303250, 1.651770889, 1.651763694, 220.993700333],
    "encoder": [-0.790144040, -0.820467085, -0.580826607, -0.650385998, 59.711918435],
    "decoder": [0.700640575, 0.510791004, -0.456407830, -0.458792587, 69.086107220],
}


@pytest.mark.parametrize("case", RECORDED)
def test_outputs_and_gradients_are_those_recorded(case):
    found = measured(hflayers, hflayers.transformer, case)
    assert found == pytest.approx(RECORDED[case], rel=1e-7, abs=1e-8)


HOPFIELD = {
    "input_size": None,
    "hidden_size": None,
    "output_size": None,
    "pattern_size": None,
    "num_heads": 1,
    "scaling": None,
    "update_steps_max": 0,
    "update_steps_eps": 1e-4,
    **{
        f"normalize_{role}{suffix}": default
        for role in ROLES
        for suffix, default in (("", True), ("_affine", True), ("_eps", 1e-5))
    },
    "normalize_hopfield_space": False,
    "normalize_hopfield_space_affine": False,
    "normalize_hopfield_space_eps": 1e-5,
    "stored_pattern_as_static": False,
    "state_pattern_as_static": False,
    "pattern_projection_as_static": False,
    "pattern_projection_as_connected": False,
    "stored_pattern_size": None,
    "pattern_projection_size": None,
    "batch_first": True,
    "association_activation": None,
    "dropout": 0.0,
    "input_bias": True,
    "concat_bias_pattern": False,
    "add_zero_association": False,
    "disable_out_projection": False,
}


def test_arguments_have_the_order_and_defaults_recorded():
    parameters = inspect.signature(hflayers.Hopfield).parameters
    assert {name: p.default for name, p in parameters.items()} == HOPFIELD
    assert list(parameters) == list(HOPFIELD)
    for layer in (hflayers.HopfieldPooling, hflayers.HopfieldLayer):
        assert list(inspect.signature(layer).parameters)[:8] == list(HOPFIELD)[:8]
        every = dict.fromkeys(HOPFIELD, None) | HOPFIELD | {"input_size": 6, "quantity": 2}
        assert layer(**every).quantity == 2


def core(**shapes):
    return {f"association_core.{name.replace('__', '.')}": shape for name, shape in shapes.items()}


NORMS = {f"norm_{role}.{kind}": (16,) for role in ROLES for kind in ("weight", "bias")}
OUT = {"out_proj__weight": (16, 16), "out_proj__bias": (16,)}
PLAIN = core(in_proj_weight=(48, 16), in_proj_bias=(48,), **OUT) | NORMS
NO_NORMS = dict.fromkeys(
    (f"normalize_{role}{affine}" for role in ROLES for affine in ("", "_affine")), False
)
STATE_DICTS = [
    ("Hopfield", {}, PLAIN),
    (
        "Hopfield",
        {"hidden_size": 8, "num_heads": 4, "input_bias": False},
        core(in_proj_weight=(96, 16), out_proj__weight=(16, 32)) | NORMS,
    ),
    (
        "Hopfield",
        {
            "hidden_size": 8,
            "num_heads": 4,
            "output_size": 5,
            "pattern_size": 6,
            "stored_pattern_size": 10,
            "pattern_projection_size": 12,
        }
        | NO_NORMS,
        core(
            q_proj_weight=(32, 16),
            k_proj_weight=(32, 10),
            v_proj_weight=(24, 12),
            in_proj_bias=(88,),
            out_proj__weight=(5, 24),
            out_proj__bias=(5,),
        ),
    ),
    ("Hopfield", BARE | {"disable_out_projection": True}, {}),
    (
        "Hopfield",
        {"pattern_projection_as_connected": True, "disable_out_projection": True},
        core(
            q_proj_weight=(16, 16),
            k_proj_weight=(16, 16),
            v_proj_weight=(16, 16),
            in_proj_bias=(48,),
        )
        | NORMS,
    ),
    (
        "Hopfield",
        {
            "hidden_size": 16,
            "normalize_hopfield_space": True,
            "normalize_hopfield_space_affine": True,
            "pattern_projection_as_static": True,
        },
        core(
            p_norm_weight=(16,),
            p_norm_bias=(16,),
            in_proj_weight=(32, 16),
            in_proj_bias=(48,),
            **OUT,
        )
        | NORMS,
    ),
    (
        "Hopfield",
        {"concat_bias_pattern": True, "disable_out_projection": True},
        core(in_proj_weight=(48, 16), in_proj_bias=(48,), bias_k=(1, 1, 16), bias_v=(1, 1, 16))
        | NORMS,
    ),
    (
        "HopfieldPooling",
        {"quantity": 3},
        {"pooling_weights": (1, 3, 16)} | {f"hopfield.{k}": v for k, v in PLAIN.items()},
    ),
    (
        "HopfieldPooling",
        {"quantity": 3, "batch_first": False},
        {"pooling_weights": (3, 1, 16)} | {f"hopfield.{k}": v for k, v in PLAIN.items()},
    ),
    (
        "HopfieldLayer",
        {"quantity": 5, "lookup_weights_as_separated": True},
        {"lookup_weights": (1, 5, 16), "target_weights": (1, 5, 16)}
        | {f"hopfield.{k}": v for k, v in PLAIN.items()},
    ),
]


@pytest.mark.parametrize(("name", "options", "expected"), STATE_DICTS)
def test_state_dicts_have_the_keys_shapes_and_order_recorded(name, options, expected):
    layer = getattr(hflayers, name)(16, **options)
    found = {key: tuple(tensor.shape) for key, tensor in layer.state_dict().items()}
    assert list(found.items()) == list(expected.items())
    assert [key for key, _ in layer.named_parameters()] == list(expected)


def test_transformer_layers_have_the_keys_recorded():
    layer = hflayers.transformer.HopfieldEncoderLayer(hflayers.Hopfield(16))
    inner = [f"hopfield_association.{key}" for key in PLAIN]
    modules = ["linear_residual", "linear_output", "norm_residual", "norm_output"]
    rest = [f"{name}.{kind}" for name in modules for kind in ("weight", "bias")]
    assert list(layer.state_dict()) == inner + rest
    both = hflayers.Hopfield(16), hflayers.Hopfield(16)
    decoder = hflayers.transformer.HopfieldDecoderLayer(*both)
    modules[2:] = ["norm_residual_self", "norm_residual_cross", "norm_output"]
    inner = [f"hopfield_association_{which}.{key}" for which in ("self", "cross") for key in PLAIN]
    rest = [f"{name}.{kind}" for name in modules for kind in ("weight", "bias")]
    assert list(decoder.state_dict()) == inner + rest
    assert (decoder.input_size, decoder.output_size, decoder.batch_first) == (16, 16, True)


def test_a_seed_gives_the_same_weights():
    """The draws of hflayers, in its order: the core three times, as layer after layer draws."""
    torch.manual_seed(0)
    nn.Linear(6, 6)
    for _ in range(3):
        into, out = (nn.init.normal_(torch.empty(n, 6), std=0.02) for n in (18, 6))
    state = nn.init.normal_(torch.empty(1, 2, 6), std=0.02)
    torch.manual_seed(0)
    layer = hflayers.HopfieldPooling(6, quantity=2)
    assert torch.equal(layer.hopfield.association_core.in_proj_weight, into)
    assert torch.equal(layer.hopfield.association_core.out_proj.weight, out)
    assert torch.equal(layer.pooling_weights, state)


def test_weights_are_drawn_as_there():
    layer = hflayers.HopfieldLayer(40, quantity=50, concat_bias_pattern=True)
    for name, parameter in layer.named_parameters():
        if name.endswith("bias"):
            assert (parameter == 0).all(), name
        elif "norm" in name:
            assert (parameter == 1).all(), name
        else:
            assert parameter.mean().abs() < 0.01, name
            assert 0.01 < parameter.std() < 0.03, name


# ---- against a reference written out


def oracle(layer, stored, state, projection, padding=None, mask=None):
    """Output, weights and projected patterns in float64, sample by sample and head by head."""
    given = {name: tensor.double() for name, tensor in layer.state_dict().items()}
    heads, static = layer.num_heads, [getattr(layer, f"{role}_as_static") for role in ROLES]
    roles = {}
    for role, tensor in zip(ROLES, (stored, state, projection), strict=True):
        norm = getattr(layer, f"norm_{role}")
        tensor = tensor.double()
        if norm is not None:
            centred = tensor - tensor.mean(-1, keepdim=True)
            tensor = centred / (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt()
            tensor = tensor * given.get(f"norm_{role}.weight", 1.0)
            tensor = tensor + given.get(f"norm_{role}.bias", 0.0)
        roles[role] = tensor
    maps, row = {}, 0
    packed = given.get("association_core.in_proj_weight")
    bias = given.get("association_core.in_proj_bias")
    for role, letter in zip((ROLES[1], ROLES[0], ROLES[2]), "qkv", strict=True):
        if getattr(layer, f"{role}_as_static"):
            continue
        rows = heads * (layer.pattern_size if letter == "v" else layer.hidden_size)
        if packed is None:
            weight = given[f"association_core.{letter}_proj_weight"]
        else:
            weight = packed[row : row + rows]
        maps[role] = weight, 0.0 if bias is None else bias[row : row + rows]
        row += rows

    def enter(role, tensor):
        if role not in maps:
            return [tensor] * heads
        weight, bias = maps[role]
        return (tensor @ weight.T + bias).chunk(heads, -1)

    if layer.pattern_projection_as_connected and not static[0]:
        weight, bias = maps[ROLES[0]]
        roles[ROLES[2]] = roles[ROLES[2]] @ weight.T + bias
    betas = torch.as_tensor(layer.scaling, dtype=torch.float64).expand(heads)
    steps = torch.as_tensor(layer.update_steps_max).expand(heads)
    readouts, weights, projected = [], [], []
    for b in range(len(state)):
        entered = [enter(role, roles[role][b]) for role in ROLES]
        for h in range(heads):
            x, xi, v = (role[h] for role in entered)
            added = torch.zeros(len(xi), len(x), dtype=torch.float64)
            if mask is not None:
                own = mask if mask.dim() == 2 else mask[b * heads + h]
                numbers = own.is_floating_point()
                added = added + own if numbers else added.masked_fill(own, -torch.inf)
            if padding is not None:
                added = added.masked_fill(padding[b], -torch.inf)
            extra = [f"association_core.bias_{letter}" for letter in "kv"]
            if extra[0] in given:
                x, v = (
                    torch.cat([t, given[name].flatten().chunk(heads)[h][None]])
                    for t, name in zip((x, v), extra, strict=True)
                )
            if layer.add_zero_association:
                x, v = (torch.cat([t, torch.zeros(1, t.shape[1])]) for t in (x, v))
            wider = len(x) - added.shape[1]
            added = torch.cat([added, torch.zeros(len(xi), wider)], -1)
            for step in range(int(steps[h]) + 1):
                scores = betas[h] * xi @ x.T + added
                p = scores.softmax(-1).nan_to_num(0.0)
                xi = p @ x if step < steps[h] else xi
            readouts.append(p @ v)
            weights.append(p)
            projected.append(v)
    batch = len(state)
    readout = torch.stack(readouts).unflatten(0, (batch, heads)).transpose(1, 2).flatten(2)
    if "association_core.out_proj.weight" in given:
        readout = readout @ given["association_core.out_proj.weight"].T
        readout = readout + given.get("association_core.out_proj.bias", 0.0)
    both = (torch.stack(t).unflatten(0, (batch, heads)) for t in (weights, projected))
    return readout, *both


def scattered(layer):
    """Parameters that make a difference, unlike those at first."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(std=0.6)
    return layer.double()


def agrees(layer, inputs, padding=None, mask=None):
    """The layer does what the reference says."""
    inputs = [tensor.double() for tensor in inputs]
    masks = {"stored_pattern_padding_mask": padding, "association_mask": mask}
    output, weights, projected = oracle(layer, *inputs, padding, mask)
    torch.testing.assert_close(layer(tuple(inputs), **masks), output, rtol=0, atol=1e-10)
    found = layer.get_association_matrix(tuple(inputs), **masks)
    torch.testing.assert_close(found, weights, rtol=0, atol=1e-10)
    found = layer.get_projected_pattern_matrix(tuple(inputs), **masks)
    torch.testing.assert_close(found, projected, rtol=0, atol=1e-10)


SIX = {"input_size": 6}
CONFIGURATIONS = [
    SIX,
    SIX | {"num_heads": 3, "update_steps_max": 4, "update_steps_eps": 1e-30},
    SIX | {"num_heads": 2, "hidden_size": 4, "pattern_size": 3, "output_size": 2},
    SIX | {"normalize_state_pattern": False, "normalize_state_pattern_affine": False},
    SIX | {"normalize_stored_pattern_affine": False, "normalize_stored_pattern_eps": 0.1},
    SIX | {"num_heads": 2, "add_zero_association": True, "disable_out_projection": True},
    SIX | {"num_heads": 2, "pattern_projection_as_connected": True, "input_bias": False},
    SIX | {"num_heads": 2, "concat_bias_pattern": True},
    SIX | {"num_heads": 2, "concat_bias_pattern": True, "add_zero_association": True},
    SIX | {"num_heads": 3, "scaling": torch.tensor([0.2, 1.0, 4.0])},
    SIX
    | {
        "num_heads": 2,
        "scaling": torch.tensor([0.2, 1.0]),
        "update_steps_max": torch.tensor([3, 1]),
        "update_steps_eps": torch.tensor([1e-30, 1e-30]),
    },
    *(
        SIX | {"num_heads": 2, "hidden_size": 6} | {f"{role}_as_static": True for role in roles}
        for roles in (ROLES[:1], ROLES[1:2], ROLES[2:], ROLES[:2], ROLES[1:], ROLES)
    ),
    SIX
    | {
        "num_heads": 2,
        "hidden_size": 6,
        "stored_pattern_as_static": True,
        "pattern_projection_as_static": True,
        "concat_bias_pattern": True,
    },
    SIX | BARE | {"num_heads": 2, "disable_out_projection": True},
]


@pytest.mark.parametrize("masked", ["free", "left out", "all"])
@pytest.mark.parametrize("options", CONFIGURATIONS, ids=str)
def test_association_is_as_written_out(options, masked):
    layer = scattered(hflayers.Hopfield(**options))
    heads, padding, mask = layer.num_heads, None, None
    if masked == "all":
        padding = torch.rand(3, 5) < 0.4
        padding[1] = True  # zeros, not NaN
        mask = torch.randn(4, 5, dtype=torch.float64)
    if masked == "left out":
        mask = torch.rand(3 * heads, 4, 5) < 0.4
    agrees(layer, [torch.randn(3, 5, 6), torch.randn(3, 4, 6), torch.randn(3, 5, 6)], padding, mask)


def test_layers_round_it_are_as_written_out():
    pool = scattered(hflayers.HopfieldPooling(6, quantity=3, num_heads=2))
    x, v = torch.randn(4, 5, 6).double(), torch.randn(4, 5, 6).double()
    state = pool.pooling_weights.expand(4, -1, -1)
    expected, weights, projected = oracle(pool.hopfield, x, state, v)
    torch.testing.assert_close(pool((x, v)), expected.flatten(1))
    torch.testing.assert_close(pool.get_association_matrix((x, v)), weights)
    torch.testing.assert_close(pool.get_projected_pattern_matrix((x, v)), projected)
    for separated in (True, False):
        options = {"lookup_weights_as_separated": separated, "num_heads": 2}
        layer = scattered(hflayers.HopfieldLayer(6, quantity=3, **options))
        stored = layer.lookup_weights.expand(4, -1, -1)
        targets = layer.target_weights.expand(4, -1, -1) if separated else stored
        expected, weights, projected = oracle(layer.hopfield, stored, x, targets)
        torch.testing.assert_close(layer(x), expected)
        torch.testing.assert_close(layer.get_association_matrix(x), weights)
        torch.testing.assert_close(layer.get_projected_pattern_matrix(x), projected)


# ---- what is right here and was not there; in the order of docs/from_hflayers.md


def test_beta_of_each_head():
    betas = torch.tensor([0.1, 1.0, 10.0])
    layer = scattered(hflayers.Hopfield(6, num_heads=3, scaling=betas))
    x = torch.randn(2, 4, 6).double()
    weights = layer.get_association_matrix(x)
    for head, beta in enumerate(betas.tolist()):
        single = hflayers.Hopfield(6, num_heads=3, scaling=beta).double()
        single.load_state_dict(layer.state_dict())
        torch.testing.assert_close(weights[:, head], single.get_association_matrix(x)[:, head])


@pytest.mark.parametrize("static", [ROLES[:1], ROLES[1:2], ROLES[2:], ROLES])
def test_static_inputs_do_not_mix_samples(static):
    options = {f"{role}_as_static": True for role in static}
    layer = scattered(hflayers.Hopfield(6, hidden_size=6, num_heads=2, **options))
    x = torch.randn(3, 5, 6).double()
    alone = torch.cat([layer(sample[None]) for sample in x])
    torch.testing.assert_close(layer(x), alone)


def test_static_projections_serve_all_heads():
    """There, heads shared out the projections where stored patterns were static too."""
    options = {"stored_pattern_as_static": True, "pattern_projection_as_static": True}
    options |= {"hidden_size": 6, "pattern_size": 6, "disable_out_projection": True}
    layer = scattered(hflayers.Hopfield(6, num_heads=2, **options))
    x = torch.randn(3, 5, 6).double()
    assert layer(x).shape == (3, 5, 12)
    agrees(layer, (x, x, x))


def test_gradients_go_where_they_belong():
    layer = scattered(hflayers.Hopfield(6, num_heads=2))
    x = torch.randn(2, 3, 6).double()
    roles = [x.clone().requires_grad_() for _ in range(3)]
    assert torch.autograd.gradcheck(lambda *roles: layer(roles), roles, fast_mode=True)
    layer(roles).square().sum().backward()
    assert all(tensor.grad.abs().max() > 0 for tensor in roles)


@pytest.mark.parametrize("name", ["Hopfield", "HopfieldPooling", "HopfieldLayer"])
def test_no_parameter_goes_without_gradient(name):
    options = {} if name == "Hopfield" else {"quantity": 2}
    layer = getattr(hflayers, name)(6, num_heads=2, **options)
    layer(torch.randn(2, 3, 6)).sum().backward()
    assert [name for name, p in layer.named_parameters() if p.grad is None] == []


def test_states_stop_by_themselves():
    options = BARE | {"disable_out_projection": True, "scaling": 0.7}
    layer = hflayers.Hopfield(update_steps_max=20, update_steps_eps=1e-1, **options)
    stored, state = torch.randn(1, 20, 8), torch.randn(1, 6, 8)
    together = layer((stored, state, stored))
    alone = [layer((stored, state[:, [i]], stored)) for i in range(6)]
    torch.testing.assert_close(together, torch.cat(alone, 1))
    settled = hflayers.Hopfield(update_steps_max=20, update_steps_eps=1e-30, **options)
    assert not torch.allclose(together, settled((stored, state, stored)), atol=1e-3)


def test_no_limit_stops_and_warns(monkeypatch):
    options = BARE | {"disable_out_projection": True, "scaling": 2.0}
    stored, state = torch.randn(1, 20, 8), torch.randn(1, 16, 8)
    for most in (None, -1, torch.tensor([-1])):
        layer = hflayers.Hopfield(update_steps_max=most, **options)
        settled = layer((stored, state, stored))
        further = layer((stored, settled, stored))
        assert (settled - further).norm(dim=-1).max() < 1e-3
    monkeypatch.setattr("hopfield.nn.attend.MOST_STEPS", 3)
    layer = hflayers.Hopfield(update_steps_max=None, **options | {"scaling": 0.7})
    with pytest.warns(hopfield.ConvergenceWarning, match="did not converge"):
        layer((stored, state, stored))


def test_bias_patterns_count():
    layer = scattered(hflayers.Hopfield(6, num_heads=2, concat_bias_pattern=True))
    x = torch.randn(2, 3, 6).double()
    assert layer.get_association_matrix(x).shape == (2, 2, 3, 4)
    layer(x).sum().backward()
    core = layer.association_core
    assert core.bias_k.grad.abs().max() > 0
    assert core.bias_v.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("tanh", torch.tanh),
        ("exp", torch.exp),
        ("sin", torch.sin),
        ("gelu", nn.functional.gelu),
        ("leaky_relu", nn.functional.leaky_relu),
        ("silu", nn.functional.silu),
        ("elu", nn.functional.elu),
    ],
)
def test_activations_are_found(name, function):
    plain = scattered(hflayers.Hopfield(6))
    layer = hflayers.Hopfield(6, association_activation=name).double()
    layer.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 6).double()
    assert torch.equal(layer(x), function(plain(x)))


@pytest.mark.parametrize("name", ["sotfmax", "softmax", "save", "Tensor", "prelu", "nn", ""])
def test_what_is_no_activation_is_an_error(name):
    with pytest.raises(ArgumentError, match="association_activation is"):
        hflayers.Hopfield(6, association_activation=name)
    with pytest.raises(ArgumentError, match="activation is"):
        hflayers.transformer.HopfieldEncoderLayer(hflayers.Hopfield(6), activation=name)


def test_what_is_padded_reads_zeros():
    layer = scattered(hflayers.Hopfield(6, num_heads=2, disable_out_projection=True))
    padding = torch.tensor([[False, True, False], [True, True, True]])
    output = layer(torch.randn(2, 3, 6).double(), padding)
    assert (output[1] == 0).all()
    assert (output[0] != 0).any()
    output.sum().backward()
    assert all(p.grad.isfinite().all() for p in layer.parameters())


def test_pooling_is_by_sample_whatever_comes_first():
    first = scattered(hflayers.HopfieldPooling(6, quantity=2))
    second = hflayers.HopfieldPooling(6, quantity=2, batch_first=False).double()
    state = first.state_dict()
    state["pooling_weights"] = state["pooling_weights"].transpose(0, 1)
    second.load_state_dict(state)
    x, padding = torch.randn(3, 5, 6).double(), torch.rand(3, 5) < 0.3
    assert first(x).shape == (3, 12)
    torch.testing.assert_close(second(x.transpose(0, 1), padding), first(x, padding))


def test_bytes_and_any_float_are_masks():
    layer = hflayers.Hopfield(6, num_heads=2)
    x, mask, padding = torch.randn(3, 4, 6), torch.rand(6, 4, 4) < 0.3, torch.rand(3, 4) < 0.3
    assert torch.equal(layer(x, padding, mask), layer(x, padding.byte(), mask.byte()))
    added = torch.randn(4, 4).bfloat16()
    assert torch.equal(layer(x, None, added), layer(x, None, added.float()))
    with pytest.raises(DtypeError, match="stored_pattern_padding_mask is of dtype"):
        layer(x, padding.long())
    with pytest.raises(ShapeError, match="batch times heads = 6"):
        layer(x, None, mask[:5])


@pytest.mark.parametrize(
    "scaling",
    [2, np.float32(2), torch.tensor(2.0), torch.tensor([2, 2]), np.array([2.0, 2.0])],
    ids=str,
)
def test_numbers_of_any_kind_are_scalings(scaling):
    plain = scattered(hflayers.Hopfield(6, num_heads=2, scaling=2.0))
    layer = hflayers.Hopfield(6, num_heads=2, scaling=scaling).double()
    layer.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, 6).double()
    torch.testing.assert_close(layer(x), plain(x))


def test_scaling_moves_and_is_learned_where_it_is_a_parameter():
    fixed = hflayers.Hopfield(6, num_heads=2, scaling=torch.tensor([1.0, 2.0]))
    assert fixed.bfloat16().scaling.dtype == torch.bfloat16
    assert fixed(torch.randn(2, 3, 6).bfloat16()).dtype == torch.bfloat16
    learned = hflayers.Hopfield(6, num_heads=2, scaling=nn.Parameter(torch.tensor([1.0, 2.0])))
    scattered(learned)(torch.randn(2, 3, 6).double()).square().sum().backward()
    assert learned.association.inverse_temperature.value.grad.abs().min() > 0
    assert len(learned.state_dict()) == len(fixed.state_dict()) + 1


def test_patterns_of_any_kind():
    layer, x = hflayers.Hopfield(6), torch.randn(2, 3, 6)
    three = namedtuple("Three", "stored state projection")
    plain = layer(x)
    for same in (nn.Parameter(x), [x, x, x], (x, x, x), three(x, x, x)):
        assert torch.equal(layer(same), plain)
    pool = hflayers.HopfieldPooling(6)
    assert torch.equal(pool([x, x]), pool(x))


@pytest.mark.parametrize("steps", [0, 3, None])
def test_empty_batches(steps):
    nothing = torch.zeros(0, 3, 6)
    layer = hflayers.Hopfield(6, num_heads=2, update_steps_max=steps)
    assert layer(nothing).shape == (0, 3, 6)
    assert layer.get_association_matrix(nothing).shape == (0, 2, 3, 3)
    pool = hflayers.HopfieldPooling(6, quantity=2, update_steps_max=steps)
    assert pool(nothing).shape == (0, 12)
    lookup = hflayers.HopfieldLayer(6, quantity=2, update_steps_max=steps)
    assert lookup(nothing).shape == (0, 3, 6)


def test_one_stored_pattern_is_warned_of():
    with pytest.warns(UserWarning, match="does not depend on its input") as caught:
        layer = hflayers.HopfieldLayer(6)
    assert caught[0].filename == __file__
    x = scattered(layer)(torch.randn(2, 3, 6).double())
    torch.testing.assert_close(x, x[:1, :1].expand_as(x))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hflayers.HopfieldLayer(6, add_zero_association=True)
        hflayers.HopfieldLayer(6, concat_bias_pattern=True)


def test_transformer_layers_take_associations_as_they_are():
    first, second = hflayers.Hopfield(6, num_heads=2), hflayers.Hopfield(6)
    before = copy.deepcopy(first.state_dict())
    encoder = hflayers.transformer.HopfieldEncoderLayer(first)
    decoder = hflayers.transformer.HopfieldDecoderLayer(first, second)
    assert encoder.hopfield_association is decoder.hopfield_association_self is first
    assert all(torch.equal(before[key], tensor) for key, tensor in first.state_dict().items())
    encoder.reset_parameters()
    assert not torch.equal(before["association_core.in_proj_weight"], next(first.parameters()))


def test_norms_go_without_mention_of_affine():
    layer = hflayers.Hopfield(6, normalize_state_pattern=False)
    assert layer.norm_state_pattern is None
    assert not layer.normalize_state_pattern_affine


# ---- the rest of the interface


def test_attributes():
    options = {"hidden_size": 4, "pattern_size": 3, "output_size": 5, "num_heads": 2}
    options |= {"stored_pattern_size": 7, "pattern_projection_size": 8, "update_steps_max": 2}
    layer = hflayers.HopfieldPooling(6, quantity=3, **options)
    names = ("hidden_size", "pattern_size", "output_size", "num_heads", "update_steps_max")
    assert [getattr(layer, name) for name in names] == [4, 3, 5, 2, 2]
    assert (layer.input_size, layer.quantity, layer.batch_first) == (6, 3, True)
    assert (layer.state_pattern_dim, layer.stored_pattern_dim) == (6, 7)
    assert (layer.pattern_projection_dim, layer.scaling) == (8, 0.5)
    assert layer.normalize_stored_pattern
    assert layer.normalize_pattern_projection_affine
    assert not layer.normalize_hopfield_space
    assert not layer.state_pattern_as_static
    with pytest.raises(AttributeError, match="has no attribute 'hidden_sizes'"):
        layer.hidden_sizes  # noqa: B018
    bare = hflayers.Hopfield(**BARE, disable_out_projection=True)
    assert (bare.input_size, bare.hidden_size, bare.scaling) == (None, None, 1.0)


def test_copies_pickles_and_functional_calls():
    layer = hflayers.HopfieldPooling(
        6, num_heads=2, scaling=torch.tensor([1.0, 2.0]), association_activation="gelu"
    )
    x = torch.randn(2, 3, 6)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(other(x), layer(x))
    halved = {name: tensor / 2 for name, tensor in layer.state_dict().items()}
    called = torch.func.functional_call(layer, halved, (x,))
    layer.load_state_dict(halved)
    assert torch.equal(called, layer(x))


def test_dropout_is_in_training_alone():
    layer = scattered(hflayers.HopfieldPooling(6, num_heads=2, dropout=0.5))
    x = torch.randn(2, 9, 6).double()
    assert not torch.equal(layer(x), layer(x))
    torch.testing.assert_close(*(layer.get_association_matrix(x).sum(-1) for _ in range(2)))
    layer.eval()
    assert torch.equal(layer(x), layer(x))


def test_half_precision_by_autocast():
    options = {"state_pattern_as_static": True, "concat_bias_pattern": True, "num_heads": 2}
    layer = hflayers.Hopfield(6, hidden_size=6, **options)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.randn(2, 3, 6)).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: hflayers.Hopfield(), ArgumentError, "input_size is missing"),
        (lambda: hflayers.Hopfield(6, num_heads=4), ShapeError, "does not divide by num_heads 4"),
        (lambda: hflayers.Hopfield(6, hidden_size=0), ArgumentError, "hidden_size is 0"),
        (lambda: hflayers.Hopfield(6, scaling=-1.0), ArgumentError, "beta is -1.0"),
        (lambda: hflayers.Hopfield(6, scaling=torch.ones(3)), ShapeError, "each of the 1 heads"),
        (
            lambda: hflayers.Hopfield(6, num_heads=2, update_steps_max=torch.tensor([1, 2, 3])),
            ShapeError,
            "steps has 3 entries",
        ),
        (
            lambda: hflayers.Hopfield(
                6, pattern_projection_size=5, pattern_projection_as_connected=True
            ),
            ShapeError,
            "so 6 is expected",
        ),
        (
            lambda: hflayers.Hopfield(**(BARE | {"normalize_state_pattern": True})),
            ArgumentError,
            "input_size is missing",
        ),
        (
            lambda: hflayers.Hopfield(
                **(BARE | {"normalize_state_pattern": True}), disable_out_projection=True
            ),
            ArgumentError,
            "normalize_state_pattern needs the size",
        ),
        (
            lambda: hflayers.transformer.HopfieldEncoderLayer(nn.Identity()),
            ArgumentError,
            "hopfield_association is a Identity",
        ),
        (
            lambda: hflayers.transformer.HopfieldEncoderLayer(hflayers.Hopfield(6, output_size=5)),
            ShapeError,
            "returns 5",
        ),
        (
            lambda: hflayers.transformer.HopfieldDecoderLayer(
                hflayers.Hopfield(6), hflayers.Hopfield(5)
            ),
            ShapeError,
            "hopfield_association_cross takes state patterns 5",
        ),
    ],
)
def test_arguments_that_do_not_fit(make, error, match):
    with pytest.raises(error, match=match):
        make()


def test_inputs_that_do_not_fit():
    layer, x = hflayers.Hopfield(6), torch.randn(2, 3, 6)
    for wrong, match in (
        (x[0], r"state_pattern has shape \(3, 6\)"),
        (x[..., :5], r"width 6 is expected"),
        ((x, x[..., 1:], x), r"state_pattern has shape \(2, 3, 5\)"),
    ):
        with pytest.raises(ShapeError, match=match):
            layer(wrong)
    for wrong in ((x, x), x.numpy(), None):
        with pytest.raises(ArgumentError, match="a tensor for all roles is expected"):
            layer(wrong)
    with pytest.raises(DtypeError, match="but the layer's parameters are"):
        layer(x.double())
    bare = hflayers.Hopfield(**BARE, disable_out_projection=True)
    with pytest.raises(ShapeError, match="6 wide but stored patterns 5"):
        bare((x[..., :5], x, x))
