"""Layers round a `Hopfield`: pooling, lookup, transformer layers."""

import copy

import pytest
import torch
from torch import nn

import hopfield
from hopfield import (
    Hopfield,
    HopfieldDecoderLayer,
    HopfieldEncoderLayer,
    HopfieldLayer,
    HopfieldPooling,
)
from hopfield.errors import ArgumentError, ShapeError

STATIC = ("state", "stored", "projection")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"quantity": 3, "num_heads": 2, "steps": 3, "norm": True},
        {"state_size": 5, "hidden_size": 4, "num_heads": 2},
        {"static": ("state",), "hidden_size": 4, "num_heads": 2},
        {"static": STATIC, "output_projection": False, "quantity": 2},
    ],
)
def test_pooling_is_association_of_learned_states(options):
    pool = HopfieldPooling(8, **options)
    sets = torch.randn(3, 6, 8)
    output = pool(sets)
    assert output.shape == (3, options.get("quantity", 1), pool.hopfield.output_size)
    torch.testing.assert_close(output, pool.hopfield(pool.state.expand(3, -1, -1), sets))
    torch.testing.assert_close(pool(sets.flip(1)), output)
    torch.testing.assert_close(pool(sets[0]), output[0])


def test_pooling_of_padded_and_ragged_sets():
    pool = HopfieldPooling(8, quantity=2, num_heads=2, steps=2)
    sizes = [1, 4, 6]
    rows = torch.randn(11, 8)
    padded = nn.utils.rnn.pad_sequence(rows.split(sizes), batch_first=True)
    padding = torch.arange(6) >= torch.tensor(sizes)[:, None]
    wanted = pool(padded, padding_mask=padding)
    offsets = torch.tensor([0, 1, 5, 11])
    torch.testing.assert_close(pool(rows, offsets=offsets), wanted)
    assert pool.associate(rows, offsets=offsets).shape == (2, 2, 11)
    for method in ("project", "energy", "phase", "retrieve", "associate"):
        getattr(pool, method)(padded, padding_mask=padding)
        getattr(pool, method)(stored=padded)


def test_pooling_projects_apart():
    pool = HopfieldPooling(8, projection_size=3, num_heads=2)
    sets, values = torch.randn(4, 6, 8), torch.randn(4, 6, 3)
    assert pool(sets, values).shape == (4, 1, 8)
    with pytest.raises(ArgumentError, match="projection is missing"):
        pool(sets)


@pytest.mark.parametrize("projection", ["stored", "learned", "frozen"])
def test_lookup_is_association_with_learned_patterns(projection):
    layer = HopfieldLayer(8, quantity=5, projection=projection, num_heads=2, steps=2)
    state = torch.randn(3, 6, 8)
    assert (layer.projection is None) == (projection == "stored")
    own = [layer.stored] if layer.projection is None else [layer.stored, layer.projection]
    torch.testing.assert_close(layer(state), layer.hopfield(state, *own))
    layer(state).sum().backward()
    trained = {name for name, p in layer.named_parameters() if p.grad is not None}
    assert "stored" in trained
    assert ("projection" in trained) == (projection == "learned")
    assert layer.associate(state).shape == (3, 2, 6, 5)


def test_lookup_from_patterns():
    """With all roles static it is retrieval from them."""
    stored, labels = torch.randn(20, 8), torch.randn(20, 3)
    state = stored + 0.1 * torch.randn(20, 8)
    memory = HopfieldLayer.from_patterns(
        stored, static=STATIC, output_projection=False, beta=9.0, steps=3
    )
    wanted = hopfield.retrieve(state, stored, stored, beta=9.0, steps=3).readout
    torch.testing.assert_close(memory(state), wanted)
    assert [*memory.state_dict()] == ["stored", "hopfield.inverse_temperature.value"]
    reader = HopfieldLayer.from_patterns(
        stored, labels, static=STATIC, output_projection=False, beta=9.0
    )
    torch.testing.assert_close(reader(state), hopfield.update(state, stored, labels, beta=9.0))
    assert not reader.projection.requires_grad
    with torch.no_grad():
        memory.stored.zero_()
    assert stored.any()
    learned = HopfieldLayer.from_patterns(stored.double(), labels.double(), learn_projection=True)
    assert learned(state.double()).shape == (20, 8)
    assert learned.projection.requires_grad


def test_one_stored_pattern_is_warned_of():
    with pytest.warns(UserWarning, match="does not depend on its input"):
        HopfieldLayer(8, quantity=1)
    layer = HopfieldLayer(8, quantity=1, separation="softmax1")
    assert not torch.allclose(layer(torch.zeros(1, 8)), layer(torch.ones(1, 8)))


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: HopfieldPooling(8, quantity=0), "quantity"),
        (lambda: HopfieldLayer(8, quantity=2, projection="own"), "projection"),
        (lambda: HopfieldLayer(8, quantity=2, projection_size=3), "projection_size"),
        (lambda: HopfieldLayer.from_patterns(torch.randn(2, 3, 8)), "N, stored_size"),
        (lambda: HopfieldLayer.from_patterns(torch.randn(2, 3), torch.randn(3, 3)), "same number"),
        (lambda: HopfieldPooling(8)("bag"), "stored is a str"),
        (lambda: HopfieldLayer(8, quantity=2)(None), "state is a NoneType"),
    ],
)
def test_bad_arguments_of_the_shells(make, what):
    with pytest.raises(hopfield.HopfieldError, match=what):
        make()


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_encoder_layer_is_pytorchs_round_our_layer(norm_first, training):
    """With one step it equals PyTorch's encoder layer of the same parameters."""
    theirs = nn.TransformerEncoderLayer(
        8, 2, 16, 0.0, "gelu", batch_first=True, norm_first=norm_first
    )
    layer = Hopfield.from_attention(theirs.self_attn)
    ours = HopfieldEncoderLayer(layer, 16, 0.0, "gelu", norm_first=norm_first)
    for name, child in theirs.named_children():
        if name != "self_attn":
            setattr(ours, name, child)
    ours.train(training), theirs.train(training)
    state = torch.randn(3, 5, 8)
    padding = torch.arange(5) >= torch.tensor([[5], [3], [1]])
    output, wanted = (m(state, src_key_padding_mask=padding) for m in (ours, theirs))
    torch.testing.assert_close(output[~padding], wanted[~padding], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("norm_first", [True, False])
def test_inside_pytorchs_encoder_and_decoder(norm_first):
    layer = HopfieldEncoderLayer(Hopfield(8, num_heads=2, steps=2), 16, norm_first=norm_first)
    encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
    layer = HopfieldDecoderLayer(
        Hopfield(8, num_heads=2), Hopfield(8, steps=3), 16, norm_first=norm_first
    )
    decoder = nn.TransformerDecoder(layer, 2)
    state, target = torch.randn(3, 5, 8), torch.randn(3, 4, 8)
    hidden = torch.arange(5) >= torch.tensor([[5], [3], [0]])
    triangle = torch.ones(4, 4, dtype=torch.bool).triu(1)
    for training in (True, False):
        encoder.train(training), decoder.train(training)
        memory = encoder(state, src_key_padding_mask=hidden)
        output = decoder(
            target, memory, tgt_mask=triangle, tgt_is_causal=True, memory_key_padding_mask=hidden
        )
        assert output.isfinite().all()
    changed = torch.cat([target[:, :2], torch.randn(3, 2, 8)], 1)
    again = decoder(changed, memory, tgt_mask=triangle, memory_key_padding_mask=hidden)
    torch.testing.assert_close(again[:, :2], output[:, :2], atol=1e-5, rtol=1e-5)
    output.sum().backward()
    assert all(p.grad is not None for p in decoder.parameters())


def test_transformer_layers_take_the_layer_as_it_is():
    layer = Hopfield(8)
    before = copy.deepcopy(layer.state_dict())
    encoder = HopfieldEncoderLayer(layer, 16)
    decoder = HopfieldDecoderLayer(layer, Hopfield(8), 16)
    assert encoder.self_attn.hopfield is layer
    assert decoder.self_attn.hopfield is layer
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


@pytest.mark.parametrize(
    "name",
    ["relu", "leaky_relu", "LeakyReLU", "gelu", "SiLU", "mish", "prelu", "hard_swish", "tanh"],
)
def test_any_activation(name):
    layer = HopfieldEncoderLayer(Hopfield(8), 16, activation=name)
    assert layer(torch.randn(2, 3, 8)).isfinite().all()


def test_an_activation_follows_its_layer():
    double = HopfieldEncoderLayer(Hopfield(8, dtype=torch.float64), 16, activation="prelu")
    assert double(torch.randn(2, 3, 8).double()).isfinite().all()
    meta = HopfieldEncoderLayer(Hopfield(8, device="meta"), 16, activation="prelu")
    assert all(parameter.is_meta for parameter in meta.parameters())


def test_activation_as_module_or_function():
    for activation in (nn.ELU(0.5), torch.sin):
        HopfieldEncoderLayer(Hopfield(8), 16, activation=activation)(torch.randn(2, 3, 8))


@pytest.mark.parametrize("name", ["rulu", "softmax", "glu", "multihead_attention"])
def test_unknown_activations_are_told(name):
    with pytest.raises(ArgumentError, match=name):
        HopfieldEncoderLayer(Hopfield(8), 16, activation=name)


def test_transformer_layers_need_equal_widths():
    with pytest.raises(ShapeError, match="hopfield takes"):
        HopfieldEncoderLayer(Hopfield(8, output_size=4))
    with pytest.raises(ShapeError, match="hopfield_cross takes"):
        HopfieldDecoderLayer(Hopfield(8), Hopfield(4))
    with pytest.raises(ArgumentError, match="a Linear"):
        HopfieldEncoderLayer(nn.Linear(8, 8))
