"""Attention that is a module: PyTorch's and this library's, seen like transformers' attention."""

import numpy as np
import pytest
import torch
import transformers
from torch import nn

import hopfield
from hopfield.errors import ArgumentError
from hopfield.heads import Batch, Corpus, Watcher, probe
from hopfield.heads import rows as rows_module
from hopfield.heads.observer import HeadsObserver
from hopfield.heads.tally import MEANS
from hopfield.nn import (
    Hopfield,
    HopfieldEncoderLayer,
    HopfieldLayer,
    HopfieldPooling,
    MultiheadAttention,
    replace_attention,
)

B, N, E, H = 3, 10, 16, 4


class Reader(HeadsObserver):
    """Keeps all calls."""

    def __init__(self, model):
        super().__init__(model)
        self.calls = []

    def see(self, call):
        self.calls.append(call)

    def weights(self):
        """Of each call, `(B, H, S, N)`."""
        return [
            hopfield.associate(c.heads.state, c.heads.stored, **settings(c)) for c in self.calls
        ]


def settings(call):
    association = call.heads.association
    return {"beta": association.beta, "mask": association.mask, "bias": association.bias}


class Wrapped(nn.Module):
    """Attention with its weights as output, called as the test says."""

    def __init__(self, attention, call):
        super().__init__()
        self.attention, self.call = attention, call

    def forward(self, **inputs):
        return self.call(self.attention, **inputs)


def loud(module):
    """Parameters large enough that attention is not uniform."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.5)
    return module.eval()


def read(model, **inputs):
    reader = Reader(model)
    with torch.no_grad():
        expected = model(**inputs)
        found = reader.run(Batch(inputs, torch.arange(B)))
    return reader, found, expected


def full(attention, x, y=None, **more):
    y = x if y is None else y
    return attention(x, y, y, need_weights=True, average_attn_weights=False, **more)


MASKS = {
    "none": {},
    "padding": {"key_padding_mask": torch.arange(N) >= torch.tensor([[N], [7], [4]])},
    "causal": {"attn_mask": torch.ones(N, N, dtype=torch.bool).triu(1)},
    "numbers": {"attn_mask": torch.linspace(-2, 2, N * N).view(N, N)},
    "heads": {"attn_mask": torch.rand(B * H, N, N) > 0.6},
    "infinite": {
        "attn_mask": torch.zeros(N, N).masked_fill(torch.ones(N, N).triu(1) > 0, -torch.inf)
    },
}
MASKS["heads"]["attn_mask"][..., 0] = False
MADE = {
    "plain": {},
    "second": {"batch_first": False},
    "keys": {"add_bias_kv": True},
    "zero": {"add_zero_attn": True},
    "both": {"add_bias_kv": True, "add_zero_attn": True},
    "widths": {"kdim": E, "vdim": E, "bias": False},
}


@pytest.mark.parametrize("ours", [False, True], ids=["pytorch", "hopfield"])
@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("mask", MASKS)
def test_weights_of_multihead_attention(made, mask, ours):
    options = {"batch_first": True, **MADE[made]}
    attention = loud(nn.MultiheadAttention(E, H, **options))
    if ours:
        attention = MultiheadAttention.from_attention(attention).eval()
    model = Wrapped(attention, full)
    x = torch.randn(B, N, E) if options["batch_first"] else torch.randn(N, B, E)
    reader, found, expected = read(model, x=x, **MASKS[mask])
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])
    (call,) = reader.calls
    assert (call.module, call.cross) == ("attention", False)
    beside = expected[1].shape[-1] - N
    weights = expected[1].roll(beside, -1)
    if made == "both":  # the bias pattern, then the zero; here the other way round
        weights = expected[1].roll(1, -1)
        weights = torch.cat([weights[..., :1], weights[..., -1:], weights[..., 1:-1]], -1)
    torch.testing.assert_close(reader.weights()[0], weights, rtol=1e-4, atol=1e-6)
    valid = torch.ones(B, N, dtype=torch.bool)
    if mask == "padding":
        valid = ~MASKS[mask]["key_padding_mask"]
    assert call.around.valid.tolist() == valid.tolist()


# PyTorch's transformer layers.


def encoder(layers=2, **options):
    layer = nn.TransformerEncoderLayer(E, H, 24, **options)
    nested = options == {"batch_first": True}
    return loud(nn.TransformerEncoder(layer, layers, enable_nested_tensor=nested))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("options", [{}, {"norm_first": True}, {"bias": False}])
def test_encoders(options, padded):
    """In eval mode they pass their attention by, without gradients even by nested tensors."""
    model = encoder(batch_first=True, **options)
    x, padding = torch.randn(B, N, E), MASKS["padding"]["key_padding_mask"]
    given = {"src": x, "src_key_padding_mask": padding} if padded else {"src": x}
    reader, found, expected = read(model, **given)
    seen = ~padding if padded else torch.ones(B, N, dtype=torch.bool)
    torch.testing.assert_close(found[seen], expected[seen], rtol=1e-4, atol=1e-5)
    assert [call.module for call in reader.calls] == ["layers.0.self_attn", "layers.1.self_attn"]
    assert all((call.around.valid == seen.numpy()).all() for call in reader.calls)
    assert torch.backends.mha.get_fastpath_enabled()
    assert not any(module._forward_pre_hooks for module in model.modules())
    own = model.layers[0]
    x = own.norm1(x) if "norm_first" in options else x
    with torch.no_grad():
        weights = full(own.self_attn, x, key_padding_mask=padding if padded else None)[1]
    torch.testing.assert_close(reader.weights()[0], weights, rtol=1e-4, atol=1e-6)


def test_the_fast_path_stays_as_it_was():
    model, x = encoder(1, batch_first=True), torch.randn(B, N, E)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        _, found, expected = read(model, src=x)
        assert not torch.backends.mha.get_fastpath_enabled()
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    assert torch.equal(found, expected)  # the same path
    with pytest.raises(KeyError):
        Reader(model).run(Batch({"src": _Bad()}, torch.arange(1)))
    assert torch.backends.mha.get_fastpath_enabled()


class _Bad:
    def to(self, device):
        raise KeyError


def test_causal_encoders():
    mask = nn.Transformer.generate_square_subsequent_mask(N)
    for hint in (True, None):
        given = {"mask": mask, "is_causal": hint}
        model = Wrapped(encoder(batch_first=True), lambda m, src, given=given: m(src, **given))
        reader, found, expected = read(model, src=torch.randn(B, N, E))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        for call in reader.calls:
            assert call.around.visible.tolist() == [list(range(1, N + 1))] * B


def test_decoders():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            layer = nn.TransformerDecoderLayer(E, H, 24, batch_first=True)
            self.decoder = nn.TransformerDecoder(layer, 2)

        def forward(self, tgt, memory):
            return self.decoder(tgt, memory)

    given = {"tgt": torch.randn(B, N, E), "memory": torch.randn(B, 7, E)}
    reader, found, expected = read(loud(Both()), **given)
    assert torch.equal(found, expected)
    assert [call.cross for call in reader.calls] == [False, True, False, True]
    assert [call.around.reachable is None for call in reader.calls] == [False, True, False, True]
    assert {call.heads.stored.shape[-2] for call in reader.calls if call.cross} == {7}


def test_random_numbers_and_parameters_stay():
    model = encoder(1, batch_first=True)
    before, state = torch.get_rng_state(), [p.clone() for p in model.parameters()]
    read(model, src=torch.ones(B, N, E))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), state, strict=True))


# Layers of this library.

LAYERS = {
    "attention": {},
    "beta": {"beta": 2.0},
    "betas": {"beta": torch.tensor([0.1, 0.5, 2.0, 4.0]), "learn_beta": True},
    "static": {"static": ("state", "stored"), "hidden_size": E},
    "bias pattern": {"bias_pattern": True},
    "null pattern": {"separation": "softmax1"},
    "steps": {"steps": 3},
    "until they stop": {"steps": None, "tol": 1e-4},
    "steps by head": {"steps": [1, 2, 3, 4]},
}


@pytest.mark.parametrize("unbatched", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_weights_of_layers(name, unbatched):
    layer = loud(Hopfield(E, num_heads=H, **LAYERS[name]))
    if LAYERS[name].get("beta") is not None:
        layer.beta = LAYERS[name]["beta"]
    state = torch.randn(N, E) if unbatched else torch.randn(B, N, E)
    seen = {"is_causal": True} if name == "bias pattern" else {}
    model = Wrapped(layer, lambda layer, state: layer(state, **seen))
    reader = Reader(model)
    with torch.no_grad():
        expected, weights = model(state=state), layer.associate(state, **seen)
        assert torch.equal(
            reader.run(Batch({"state": state}, torch.arange(1 if unbatched else B))), expected
        )
    (call,) = reader.calls
    assert not call.cross
    weights = weights[None] if unbatched else weights
    if name == "null pattern":
        weights = torch.cat([1 - weights.sum(-1, keepdim=True), weights], -1)
    if name == "bias pattern":
        weights = weights.roll(1, -1)
    torch.testing.assert_close(reader.weights()[0], weights, rtol=1e-3, atol=1e-5)
    beta = torch.as_tensor(layer.beta).expand(H)
    assert call.beta.tolist() == pytest.approx(beta.tolist())


def test_pooling_and_lookup():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.lookup = HopfieldLayer(E, quantity=6, num_heads=H)
            self.pool = HopfieldPooling(E, quantity=2, num_heads=H)

        def forward(self, x, padding):
            return self.pool(self.lookup(x), padding_mask=padding)

    x, padding = torch.randn(B, N, E), MASKS["padding"]["key_padding_mask"]
    model = loud(Both())
    reader, found, expected = read(model, x=x, padding=padding)
    assert torch.equal(found, expected)
    lookup, pool = reader.calls
    assert [call.module for call in reader.calls] == ["lookup.hopfield", "pool.hopfield"]
    assert lookup.cross
    assert pool.cross
    with torch.no_grad():
        weights = (
            model.lookup.associate(x),
            model.pool.associate(model.lookup(x), padding_mask=padding),
        )
    for ours, theirs in zip(reader.weights(), weights, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    assert pool.around.visible.tolist() == [[n, n] for n in (~padding).sum(-1).tolist()]


@pytest.mark.parametrize("made", ["replaced", "layers"])
def test_encoders_of_our_layers(made):
    if made == "replaced":
        model = replace_attention(encoder(batch_first=True)).eval()
    else:
        layer = HopfieldEncoderLayer(Hopfield(E, num_heads=H), 24)
        model = loud(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False))
    reader, found, expected = read(model, src=torch.randn(B, N, E))
    assert torch.equal(found, expected)
    assert [call.module for call in reader.calls] == ["layers.0.self_attn", "layers.1.self_attn"]


@pytest.mark.parametrize(
    ("options", "call", "message"),
    [
        ({"separation": "sparsemax"}, lambda layer, x: layer(x), r"attention associates by Spa"),
        (
            {},
            lambda layer, x: layer(x.flatten(0, 1), offsets=torch.tensor([0, 12, 30])),
            "called with offsets.*padding_mask",
        ),
        ({}, lambda layer, x: layer(x[:2]), "associates 2 sequences where the batch has 3"),
    ],
)
def test_what_is_refused(options, call, message):
    model = Wrapped(loud(Hopfield(E, num_heads=H, **options)), call)
    with pytest.raises(ArgumentError, match=message):
        read(model, x=torch.randn(B, N, E))


# Statistics.


def test_windows_of_a_sequence_are_its_group():
    """Attention over parts of sequences, as in models of images: those of one lie together."""
    model = Wrapped(
        loud(nn.MultiheadAttention(E, H, batch_first=True)),
        lambda attention, x: full(attention, x.view(2 * B, N // 2, E)),
    )
    watcher = Watcher(model, groups=B)
    watcher.run(Batch({"x": torch.randn(B, N, E)}, torch.arange(B)))
    assert watcher.tallies[0].states.tolist() == [N] * B


def summed(statistics):
    return np.concatenate([t.sums.sum(0).ravel() for t in statistics.tallies])


@pytest.mark.parametrize("batch_dim", [0, 1, None])
def test_a_probe_of_tensors(batch_dim):
    """Of different lengths, in whatever dimension the batch is, or without one."""
    torch.manual_seed(5)
    model = encoder(batch_first=batch_dim == 0)
    tensors = [torch.randn(n, E) for n in (9, 5, 9, 12, 5, 9)]
    corpus = Corpus.of_tensors(tensors, "src", batch_dim)
    found = probe(model, None, corpus, batch_size=2)
    with torch.no_grad():
        alone = [Watcher(model, groups=1) for _ in tensors]
        for watcher, tensor in zip(alone, tensors, strict=True):
            watcher.run(Batch({"src": tensor[None] if batch_dim == 0 else tensor}, torch.arange(1)))
    sums = np.sum([summed(watcher) for watcher in alone], 0)
    assert np.allclose(summed(found), sums, rtol=1e-4, atol=1e-4)
    assert [head.states for head in found.heads] == [49] * 2 * H
    assert found.tallies[0].profile.shape == (H, 23)


@pytest.mark.parametrize("chunk", [1, 2**18])
def test_heads_have_a_beta_of_their_own(chunk, monkeypatch):
    monkeypatch.setattr(rows_module, "AT_ONCE", chunk)
    layer = loud(Hopfield(E, num_heads=H, learn_beta=True))
    layer.beta = torch.tensor([0.01, 0.1, 1.0, 30.0])
    corpus = Corpus.of_tensors(torch.randn(4, 40, E), "state")
    found = probe(layer, None, corpus)
    assert [head.beta for head in found.heads] == pytest.approx([0.01, 0.1, 1.0, 30.0])
    assert [head.k for head in found.heads] == sorted((h.k for h in found.heads), reverse=True)
    with torch.no_grad():
        for b, x in enumerate(corpus.sequences):
            energy = layer.energy(x).mean(-1)
            own = found.tallies[0].sums[b, :, MEANS.index("energy")] / 40
            assert np.allclose(own, energy, rtol=1e-4)
    for head in found.heads:
        assert head.jacobian_beta == pytest.approx(head.beta * head.jacobian)


def test_transformers_layers_and_modules_of_one_model():
    """SigLIP pools its states by PyTorch's attention."""
    config = transformers.SiglipVisionConfig(
        hidden_size=E,
        num_hidden_layers=1,
        num_attention_heads=H,
        intermediate_size=24,
        image_size=12,
        patch_size=4,
    )
    model = transformers.SiglipVisionModel(config).eval()
    found = probe(model, None, Corpus.of_tensors(torch.randn(3, 3, 12, 12), "pixel_values"))
    assert [tally.cross for tally in found.tallies] == [False, True]
    assert [head.states for head in found.heads] == [27] * H + [3] * H
