"""Checkpoints of hflayers as layers of this library."""

import pytest
import torch
from torch import nn

import hopfield
import hopfield.compat.hflayers as hflayers
from hopfield.compat import load_hflayers
from hopfield.errors import ArgumentError

ROLES = ("stored_pattern", "state_pattern", "pattern_projection")
NO_NORMS = {f"normalize_{role}": False for role in ROLES}
STATIC = {f"{role}_as_static": True for role in ROLES}
BARE = STATIC | NO_NORMS


def scattered(layer):
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(std=0.6)
    return layer.double()


def same(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


# sizes that tensors tell, and arguments that they do not
CONFIGURATIONS = [
    ({}, {}),
    ({"hidden_size": 4, "output_size": 5}, {"num_heads": 3}),
    (
        {"hidden_size": 4, "pattern_size": 3, "stored_pattern_size": 7},
        {"num_heads": 2, "update_steps_max": 3, "update_steps_eps": 1e-30},
    ),
    ({"pattern_projection_size": 7, "disable_out_projection": True}, {"num_heads": 2}),
    ({"input_bias": False}, {"scaling": 3.0, "add_zero_association": True}),
    ({}, {"num_heads": 2, "scaling": torch.tensor([0.5, 2.0])}),
    ({}, {"num_heads": 2, "update_steps_max": torch.tensor([0, 2])}),
    ({}, NO_NORMS),
    ({}, {"normalize_state_pattern_affine": False, "normalize_stored_pattern_eps": 0.1}),
    ({"stored_pattern_size": 7, "pattern_projection_size": 7} | NO_NORMS, {"num_heads": 2}),
    (
        {"hidden_size": 4, "normalize_hopfield_space_affine": True},
        {"num_heads": 2, "normalize_hopfield_space": True, "normalize_hopfield_space_eps": 0.1},
    ),
    ({}, {"num_heads": 2, "normalize_hopfield_space": True}),
    ({}, {"num_heads": 2, "pattern_projection_as_connected": True}),
    ({"concat_bias_pattern": True}, {"num_heads": 3}),
    ({"hidden_size": 6}, {"num_heads": 2, "stored_pattern_as_static": True}),
    ({"hidden_size": 6, "pattern_size": 4}, {"num_heads": 2, "state_pattern_as_static": True}),
    ({"disable_out_projection": True}, {"num_heads": 2, "pattern_projection_as_static": True}),
    ({}, {"num_heads": 2, "hidden_size": 6} | STATIC),
    ({"disable_out_projection": True}, {"input_size": 6, "scaling": 2.0} | BARE),
]


@pytest.mark.parametrize(("told", "config"), CONFIGURATIONS, ids=str)
def test_outputs_are_those_of_the_layer(told, config):
    options = {"input_size": 6} | told | config
    config = config | {name: told[name] for name in NO_NORMS if name in told}
    old = scattered(hflayers.Hopfield(**options))
    layer = load_hflayers(old.state_dict(), **config)
    assert type(layer) is hopfield.nn.Hopfield
    widths = [old.coming["stored"] or 6, old.coming["state"] or 6, old.coming["projection"] or 6]
    stored, state, projection = (
        torch.randn(2, rows, width, dtype=torch.float64)
        for rows, width in zip((5, 3, 5), widths, strict=True)
    )
    padding = torch.tensor([[False, True, False, False, True], [True] * 5])
    expected = old((stored, state, projection), padding)
    same(layer(state, stored, projection, padding_mask=padding), expected)


@pytest.mark.parametrize("batch_first", [True, False])
def test_pooling(batch_first, tmp_path):
    """Through a file, as part of a model."""
    options = {"num_heads": 2, "update_steps_max": 2, "update_steps_eps": 1e-30}
    old = scattered(
        hflayers.HopfieldPooling(6, quantity=3, batch_first=batch_first, trainable=False, **options)
    )
    torch.save(nn.Sequential(old, nn.Linear(2, 2)).state_dict(), tmp_path / "model.pt")
    layer = load_hflayers(tmp_path / "model.pt", prefix="0.", trainable=False, **options)
    assert type(layer) is hopfield.nn.HopfieldPooling
    assert not layer.state.requires_grad
    x = torch.randn(2, 5, 6, dtype=torch.float64)
    same(layer(x).flatten(1), old(x if batch_first else x.transpose(0, 1)))


@pytest.mark.parametrize("kind", ["stored", "learned", "frozen"])
def test_lookup(kind):
    targets = {"lookup_targets_as_trainable": kind == "learned"}
    separated = kind != "stored"
    old = scattered(
        hflayers.HopfieldLayer(
            6,
            quantity=4,
            num_heads=2,
            stored_pattern_size=5,
            pattern_projection_size=7 if separated else 5,
            lookup_weights_as_separated=separated,
            **targets,
        )
    )
    layer = load_hflayers(old.state_dict(), num_heads=2, **targets)
    assert type(layer) is hopfield.nn.HopfieldLayer
    assert (layer.projection is not None) == separated
    if separated:
        assert layer.projection.requires_grad == (kind == "learned")
    x = torch.randn(2, 5, 6, dtype=torch.float64)
    same(layer(x), old(x))


@pytest.mark.parametrize("training", [True, False])
def test_encoder_and_decoder(training):
    inner = {"num_heads": 2}
    old = scattered(hflayers.transformer.HopfieldEncoderLayer(hflayers.Hopfield(6, **inner), 9))
    layer = load_hflayers(old.state_dict(), hopfield_association=inner, dropout=0.0)
    assert type(layer) is hopfield.nn.HopfieldEncoderLayer
    x, padding = torch.randn(2, 5, 6, dtype=torch.float64), torch.rand(2, 5) < 0.3
    old.eval()
    layer.train(training)
    same(layer(x, src_key_padding_mask=padding), old(x, src_key_padding_mask=padding))

    cross = {"num_heads": 3, "scaling": 0.5}
    associations = hflayers.Hopfield(6, **inner), hflayers.Hopfield(6, **cross)
    old = scattered(hflayers.transformer.HopfieldDecoderLayer(*associations, 9, 0.0, "tanh"))
    layer = load_hflayers(
        old.state_dict(),
        hopfield_association_self=inner,
        hopfield_association_cross=cross,
        dropout=0.0,
        activation="tanh",
    )
    assert type(layer) is hopfield.nn.HopfieldDecoderLayer
    memory = torch.randn(2, 4, 6, dtype=torch.float64)
    layer.train(training)
    same(layer(x, memory), old(x, memory))


def test_a_layer_in_use_is_taken_over():
    old = scattered(hflayers.Hopfield(6, num_heads=2, scaling=nn.Parameter(torch.tensor([1.0, 2]))))
    with torch.no_grad():
        old.association.inverse_temperature.value.copy_(torch.tensor([1.0, 2.0]))
    layer = hflayers.modern(old.eval())
    assert not layer.training
    x = torch.randn(2, 5, 6, dtype=torch.float64)
    same(layer(x), old(x))
    assert layer.inverse_temperature.log.requires_grad
    with pytest.raises(ArgumentError, match="Linear is no layer"):
        hflayers.modern(nn.Linear(2, 2))


def test_the_dtype_is_that_of_the_checkpoint():
    state = hflayers.HopfieldPooling(6, num_heads=2).bfloat16().state_dict()
    layer = load_hflayers(state, num_heads=2)
    assert {parameter.dtype for parameter in layer.parameters()} == {torch.bfloat16}


def missing(state):
    del state["hopfield.association_core.out_proj.bias"]


def surplus(state):
    state["hopfield.more"] = torch.zeros(2)


def misshapen(state):
    state["hopfield.norm_state_pattern.bias"] = torch.zeros(5)


@pytest.mark.parametrize(
    ("change", "config", "match"),
    [
        (missing, {}, r"hopfield\.association_core\.out_proj\.bias is missing"),
        (surplus, {}, r"hopfield\.more is not expected"),
        (misshapen, {}, r"norm_state_pattern\.bias has shape \(5,\) instead of \(6,\)"),
        (dict, {"input_bias": False}, r"in_proj_bias is not expected"),
        (dict, {"hidden_size": 4}, r"in_proj_weight has shape \(18, 6\) instead of \(12, 6\)"),
        (dict, {"num_heads": 4}, r"in_proj_weight has shape \(18, 6\) instead of \(12, 6\)"),
        (dict, {"normalize_state_pattern": False}, r"norm_state_pattern\.weight is not expected"),
        (dict, {"prefix": "pool."}, "normalize_stored_pattern=False, normalize_state_pattern"),
    ],
)
def test_checkpoints_that_do_not_fit(change, config, match):
    state = dict(hflayers.HopfieldPooling(6, quantity=2).state_dict())
    change(state)
    with pytest.raises(ArgumentError, match=match):
        load_hflayers(state, **config)


def test_what_a_checkpoint_cannot_tell():
    no_weights = {f"normalize_{role}_affine": False for role in ROLES}
    old = hflayers.Hopfield(6, **no_weights)
    with pytest.raises(ArgumentError, match="give normalize_stored_pattern=False, normalize_state"):
        load_hflayers(old.state_dict())
    x = torch.randn(2, 5, 6)
    torch.testing.assert_close(load_hflayers(old.state_dict(), **no_weights)(x), old(x))
    with pytest.raises(ArgumentError, match="model is no tensor"):
        load_hflayers({"model": old.state_dict()})


def test_what_has_no_modern_form():
    with pytest.raises(ArgumentError, match="association_activation; leave it out"):
        hflayers.modern(hflayers.Hopfield(6, association_activation="relu"))
    with pytest.raises(ArgumentError, match="set input_size"):
        load_hflayers({}, **BARE)
    passing = {"pattern_projection_as_connected": True, "normalize_pattern_projection": False}
    with pytest.raises(ArgumentError, match="pass by the norm of the stored patterns"):
        hflayers.modern(hflayers.Hopfield(6, **passing))
