"""PyTorch's attention and ours: the same outputs, weights, gradients and masks.

What is checked follows PyTorch's own tests of its attention.
"""

import copy

import pytest
import torch
from torch import nn

import hopfield
from hopfield import Hopfield
from hopfield.compat import MultiheadAttention
from hopfield.errors import ArgumentError, DtypeError, ShapeError

KINDS = {
    "plain": {},
    "no bias": {"bias": False},
    "sizes": {"kdim": 6, "vdim": 10},
    "sizes, no bias": {"kdim": 6, "vdim": 10, "bias": False},
    "bias_kv": {"add_bias_kv": True},
    "zero": {"add_zero_attn": True},
    "bias_kv, zero": {"add_bias_kv": True, "add_zero_attn": True},
    "bias_kv, zero, sizes": {"add_bias_kv": True, "add_zero_attn": True, "kdim": 6, "vdim": 10},
}
B, L, S, E, H = 3, 5, 7, 8, 2


def attention(kind, **options):
    made = nn.MultiheadAttention(E, H, **KINDS[kind], **options)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.4)
    return made


def inputs(source, batched=True):
    batch = (B,) if batched else ()
    sizes = (L, E), (S, source.kdim), (S, source.vdim)
    tensors = [torch.randn(*batch, *size, dtype=source.out_proj.weight.dtype) for size in sizes]
    first = source.batch_first or not batched
    return [t if first else t.transpose(0, 1) for t in tensors]


def masks(name, dtype):
    """`key_padding_mask` and `attn_mask`; no row is hidden whole, where PyTorch gives NaN."""
    padding = torch.zeros(B, S, dtype=torch.bool)
    padding[0, 4:] = padding[1, 0] = True
    two = torch.rand(L, S) < 0.4
    two[:, 1] = False
    three = torch.rand(B * H, L, S) < 0.4
    three[..., 1] = False
    if "float" in name:
        padding, two, three = (
            torch.zeros(m.shape, dtype=dtype).masked_fill(m, -torch.inf)
            for m in (padding, two, three)
        )
        two, three = two + torch.randn(L, S).to(dtype), three + torch.randn(B * H, L, S).to(dtype)
    parts = {"padding": (padding, None), "two": (None, two), "three": (None, three)}
    key_padding_mask = parts["padding"][0] if "padding" in name else None
    attn_mask = two if "two" in name else three if "three" in name else None
    return {"key_padding_mask": key_padding_mask, "attn_mask": attn_mask}


MASKS = ["none", "padding", "two", "three", "padding, two", "padding, three"]
MASKS += [f"float {name}" for name in MASKS[1:]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("batch_first", [True, False])
def test_outputs_and_weights(kind, name, batch_first):
    source = attention(kind, batch_first=batch_first)
    ours = MultiheadAttention.from_attention(source)
    given, seen = inputs(source), masks(name, torch.float32)
    for average in (True, False):
        options = {**seen, "average_attn_weights": average}
        output, weights = ours(*given, **options)
        wanted, wanted_weights = source(*given, **options)
        torch.testing.assert_close(output, wanted, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(weights, wanted_weights, atol=1e-6, rtol=1e-5)
    output, weights = ours(*given, **seen, need_weights=False)
    assert weights is None
    torch.testing.assert_close(output, wanted, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind):
    source = attention(kind, batch_first=True, dtype=torch.float64)
    ours = MultiheadAttention.from_attention(source)
    given = [tensor.requires_grad_() for tensor in inputs(source)]
    of_inputs = []
    for layer in (source, ours):
        output, weights = layer(*given)
        of_inputs.append(
            torch.autograd.grad((output.sum() + weights.square().sum()), given, retain_graph=True)
        )
        output.square().sum().backward(inputs=[*layer.parameters()])
    for one, other in zip(*of_inputs, strict=True):
        torch.testing.assert_close(one, other)
    gradient = ours.hopfield.out_proj.weight.grad
    torch.testing.assert_close(gradient, source.out_proj.weight.grad)
    mapped = {name: p.grad for name, p in ours.hopfield.space.maps.named_parameters()}
    if "packed.weight" in mapped:
        torch.testing.assert_close(mapped["packed.weight"], source.in_proj_weight.grad)
    else:
        torch.testing.assert_close(mapped["stored.weight"], source.k_proj_weight.grad)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_batch(kind):
    source = attention(kind)
    ours = MultiheadAttention.from_attention(source)
    given = inputs(source, batched=False)
    three = torch.rand(H, L, S) < 0.3
    three[..., 1] = False
    seen = {"key_padding_mask": torch.arange(S) > 4, "attn_mask": three}
    for one, other in zip(ours(*given, **seen), source(*given, **seen), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("need_weights", [True, False])
def test_causal(need_weights):
    source = attention("plain", batch_first=True)
    ours = MultiheadAttention.from_attention(source)
    given = torch.randn(B, L, E)
    triangle = nn.Transformer.generate_square_subsequent_mask(L)
    options = {"attn_mask": triangle, "is_causal": True, "need_weights": need_weights}
    output, weights = ours(given, given, given, **options)
    wanted, wanted_weights = source(given, given, given, **options)
    torch.testing.assert_close(output, wanted, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(weights, wanted_weights, atol=1e-6, rtol=1e-5)


def test_a_mask_counts_although_it_is_called_causal():
    """PyTorch takes the word for it only where it gives no weights."""
    source = attention("plain", batch_first=True)
    ours, given = MultiheadAttention.from_attention(source), torch.randn(B, L, E)
    slope = torch.randn(L, L) + nn.Transformer.generate_square_subsequent_mask(L)
    for need_weights in (True, False):
        options = {"attn_mask": slope, "is_causal": True, "need_weights": need_weights}
        output, _ = ours(given, given, given, **options)
        torch.testing.assert_close(output, source(given, given, given, **options)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back(kind):
    source = attention(kind, batch_first=True, dropout=0.1).eval()
    back = Hopfield.from_attention(source).to_attention()
    assert not back.training
    assert back.dropout == 0.1
    for name, parameter in source.named_parameters():
        assert torch.equal(parameter, back.get_parameter(name))


@pytest.mark.parametrize("beta", [2.0, torch.tensor([0.3, 3.0])])
@pytest.mark.parametrize("bias", [True, False])
def test_beta_goes_into_the_weights(beta, bias):
    layer = Hopfield(E, num_heads=H, beta=beta, learn_beta=True, bias=bias)
    given = torch.randn(B, L, E)
    theirs = layer.to_attention()(given, given, given)[0]
    torch.testing.assert_close(theirs, layer(given), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"steps": 3}, "steps"),
        ({"separation": "sparsemax"}, "separation"),
        ({"static": ("state",), "hidden_size": E}, "static"),
        ({"connected": True}, "connected"),
        ({"norm": True}, "norms"),
        ({"output_projection": False}, "output projection"),
        ({"hidden_size": 3}, "hidden_size"),
        ({"value_size": 3}, "value_size"),
        ({"output_size": 3}, "output_size"),
    ],
)
def test_what_is_more_than_attention_is_told(options, what):
    with pytest.raises(ArgumentError, match=what):
        Hopfield(E, num_heads=H, **options).to_attention()


def test_dtypes_and_devices_follow():
    source = attention("plain", dtype=torch.float64)
    assert Hopfield.from_attention(source).out_proj.weight.dtype == torch.float64
    on_meta = Hopfield.from_attention(attention("plain", device="meta"))
    assert on_meta.to_attention().out_proj.weight.is_meta


def test_hidden_rows_give_zeros():
    """Where PyTorch gives NaN."""
    source = attention("plain", batch_first=True)
    ours = MultiheadAttention.from_attention(source)
    given = inputs(source)
    hidden = torch.zeros(B, S, dtype=torch.bool)
    hidden[1] = True
    output, weights = ours(*given, key_padding_mask=hidden)
    torch.testing.assert_close(output[1], source.out_proj.bias.expand(L, E))
    assert not weights[1].any()
    output.sum().backward()
    assert all(p.grad.isfinite().all() for p in ours.parameters())


def test_dropout_drops_in_training_alone():
    layer = MultiheadAttention(E, H, dropout=0.5, batch_first=True)
    given = torch.randn(B, L, E)
    assert not torch.equal(layer(given, given, given)[0], layer(given, given, given)[0])
    layer.eval()
    assert torch.equal(layer(given, given, given)[0], layer(given, given, given)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_constructor_is_theirs(kind):
    options = {"dropout": 0.1, "batch_first": True, **KINDS[kind]}
    ours, theirs = MultiheadAttention(E, H, **options), nn.MultiheadAttention(E, H, **options)
    given = inputs(theirs)
    shapes = [[t.shape for t in layer(*given)] for layer in (ours, theirs)]
    assert shapes[0] == shapes[1]
    number = [sum(p.numel() for p in layer.parameters()) for layer in (ours, theirs)]
    assert number[0] == number[1]


def test_further_options():
    layer = MultiheadAttention(E, H, batch_first=True, steps=3, beta=2.0, separation="sparsemax")
    given = torch.randn(B, L, E)
    torch.testing.assert_close(layer(given, given, given)[0], layer.hopfield(given))
    with pytest.raises(ArgumentError, match="add_zero_attn"):
        MultiheadAttention(E, H, add_zero_attn=True, separation="softmax")


@pytest.mark.parametrize(
    ("call", "error", "what"),
    [
        (lambda m, x: m(x, x, x[:, :3]), ShapeError, "projection"),
        (lambda m, x: m(x[..., :5], x, x), ShapeError, "state_size"),
        (lambda m, x: m(x, x, x, attn_mask=torch.zeros(5, L, L)), ShapeError, "attn_mask"),
        (lambda m, x: m(x, x, x, attn_mask=torch.zeros(L, L).long()), DtypeError, "attn_mask"),
        (lambda m, x: m(x, x, x, attn_mask=torch.zeros(L, 2) > 0), ShapeError, "mask"),
        (lambda m, x: m(x, x, x, torch.zeros(B, L).long()), DtypeError, "key_padding_mask"),
        (lambda m, x: m(x, x, x, torch.zeros(B, 2) > 0), ShapeError, "key_padding_mask"),
        (lambda m, x: m(x, x, x, torch.zeros(B, 2)), ShapeError, "key_padding_mask"),
        (lambda m, x: m(x, x, x, [1]), DtypeError, "key_padding_mask"),
        (lambda m, x: m(x, x, x, attn_mask=torch.zeros(L, 2)), ShapeError, "attn_mask"),
        (lambda m, x: m(x, x, x, attn_mask=torch.zeros(B, H, L, L)), ShapeError, "attn_mask"),
        (lambda m, x: m(x, x, x, attn_mask=torch.ones(9), is_causal=True), ShapeError, "attn_mask"),
        (lambda m, x: m(x[0], x, x), ShapeError, "query, key and value"),
        (lambda m, x: m(x, x[0], x[0]), ShapeError, "query, key and value"),
        (lambda m, x: m(x[:1], x, x), ShapeError, "same batch"),
        (lambda m, x: m(x, None, x), DtypeError, "key is a NoneType"),
    ],
)
def test_bad_inputs(call, error, what):
    with pytest.raises(error, match=what):
        call(MultiheadAttention(E, H, batch_first=True), torch.randn(B, L, E))


def encoder(**options):
    layer = nn.TransformerEncoderLayer(E, H, 16, dropout=0.0, batch_first=True, **options)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("grad", [True, False])
def test_it_stands_in_for_self_attn(norm_first, grad):
    theirs = encoder(norm_first=norm_first)
    ours = hopfield.replace_attention(copy.deepcopy(theirs))
    assert not any(isinstance(m, nn.MultiheadAttention) for m in ours.modules())
    given, hidden = torch.randn(B, L, E), torch.zeros(B, L, dtype=torch.bool)
    hidden[0, 3:] = True
    for mode in (True, False):
        theirs.train(mode), ours.train(mode)
        with torch.set_grad_enabled(grad):
            output = ours(given, src_key_padding_mask=hidden)
            wanted = theirs(given, src_key_padding_mask=hidden)
        torch.testing.assert_close(output[~hidden], wanted[~hidden], atol=1e-5, rtol=1e-5)


def test_replacing_with_options():
    model = hopfield.replace_attention(encoder(), steps=3, beta=2.0, separation="softmax1")
    for layer in model.layers:
        assert (layer.self_attn.hopfield.steps, layer.self_attn.hopfield.beta) == (3, 2.0)
    assert model(torch.randn(B, L, E)).isfinite().all()
    alone = hopfield.replace_attention(nn.MultiheadAttention(E, H), steps=2)
    assert isinstance(alone, MultiheadAttention)
    with pytest.raises(ArgumentError, match="heads"):
        hopfield.replace_attention(encoder(), heads=3)


def test_frozen_parameters_stay_frozen():
    source = attention("bias_kv, zero, sizes")
    source.k_proj_weight.requires_grad_(False)
    source.out_proj.bias.requires_grad_(False)
    layer = Hopfield.from_attention(source)
    frozen = {name for name, p in layer.named_parameters() if not p.requires_grad}
    assert frozen == {"space.maps.stored.weight", "out_proj.bias"}
    packed = Hopfield.from_attention(attention("plain").requires_grad_(False))
    assert not any(p.requires_grad for p in packed.parameters())


def test_a_shared_attention_stays_shared():
    model = nn.Module()
    model.one = model.other = nn.MultiheadAttention(E, H)
    model.part = nn.ModuleList([model.one])
    hopfield.replace_attention(model)
    assert model.one is model.other is model.part[0]
    assert isinstance(model.one, MultiheadAttention)


def test_an_encoder_that_takes_nested_tensors():
    """Built with PyTorch's default, which its own attention alone can follow."""
    layer = nn.TransformerEncoderLayer(E, H, 16, dropout=0.0, batch_first=True)
    theirs = nn.TransformerEncoder(layer, 2).eval()
    ours = hopfield.replace_attention(copy.deepcopy(theirs))
    given, hidden = torch.randn(B, L, E), torch.arange(L) >= torch.tensor([[5], [3], [1]])
    with torch.no_grad():
        wanted = copy.deepcopy(ours).train()(given, src_key_padding_mask=hidden)
        output = ours(given, src_key_padding_mask=hidden)
    torch.testing.assert_close(output, wanted)


@pytest.mark.parametrize("wrong", [nn.Linear(2, 2), None])
def test_what_is_no_attention_is_told(wrong):
    with pytest.raises(ArgumentError, match=type(wrong).__name__):
        Hopfield.from_attention(wrong)
    if wrong is None:
        with pytest.raises(ArgumentError, match="NoneType"):
            hopfield.replace_attention(wrong)


def test_options_of_replaced_attention_are_checked_at_once():
    for options in ({"steps": "x"}, {"separation": "x"}, {"steps": None}):
        with pytest.raises(ArgumentError):
            hopfield.replace_attention(encoder(), **options)
