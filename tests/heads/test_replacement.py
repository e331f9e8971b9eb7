"""Heads that are replaced: what they read out, alone and in models of many families."""

import math

import pytest
import torch
import transformers
from torch import nn
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from hopfield.errors import ArgumentError
from hopfield.heads.replacement import (
    GaussianAttention,
    MeanOutput,
    Uniform,
    Zero,
    attention_layers,
    replace_heads,
    replaced,
    replaced_heads,
)
from hopfield.heads.replacement.attention import HELD, ReplacedHeads, attend
from hopfield.heads.replacement.visible import visible_keys
from tiny_models import inputs, make

FAMILIES = (
    *("bert", "roberta", "distilbert", "modernbert", "gpt2", "llama", "mistral", "opt"),
    *("albert", "t5", "bart", "vit", "clip_vision"),
)
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def batch(name, padded=True):
    given = inputs(name, padded)
    return {"pixel_values": given} if isinstance(given, torch.Tensor) else given


def hidden(model, given):
    with torch.no_grad():
        return model(**given).last_hidden_state


def seen(queries, keys=None, mask=None, causal=False, window=None):
    keys = queries if keys is None else keys
    device = torch.device("cpu")
    return visible_keys(mask, queries, keys, causal=causal, sliding_window=window, device=device)


def layer(by_head, causal=False):
    module = nn.Module()
    module.is_causal = causal
    setattr(module, HELD, ReplacedHeads(by_head))
    return module


# What a replacement reads out.


def gaussian_by_hand(head, value, mask):
    """A_ij ∝ exp(−½ ((s_j − μ_i)/σ_i)²) over what the mask shows, one number at a time."""
    n, mu, log_sigma = head.positions, head.mu.tolist(), head.log_sigma.tolist()
    readout = torch.zeros(*mask.shape[:2], value.shape[-1])
    for b in range(len(mask)):
        for i in range(mask.shape[1]):
            weights = {}
            for j in mask[b, i].nonzero().squeeze(-1).tolist():
                s = (j - 0.5 * (n - 1)) / (0.5 * (n - 1))
                sigma = math.exp(log_sigma[i])
                weights[j] = math.exp(-0.5 * ((s - mu[i]) / sigma) ** 2)
            for j, weight in weights.items():
                readout[b, i] += weight / sum(weights.values()) * value[b, j]
    return readout


@pytest.mark.parametrize("causal", [False, True])
def test_gaussian_attention_is_the_formula_of_the_paper(causal):
    head, value = GaussianAttention(9), torch.randn(2, 6, 3)
    mask = torch.ones(2, 6, 6, dtype=torch.bool)
    mask[1, :, 4:] = False
    mask = mask.tril() if causal else mask
    readout = head(value, seen(6, mask=mask[:, None], causal=causal))
    expected = gaussian_by_hand(head, value, mask)
    real = torch.tensor([[1.0] * 6, [1.0] * 4 + [0.0] * 2])[..., None]  # padded queries: any
    assert torch.allclose(readout * real, expected * real, **CLOSE)


@pytest.mark.parametrize("deviation", [0.3, 2.0, 50.0])
def test_padding_behind_sequences_may_hide_nearly_all_of_a_gaussian(deviation):
    """Centres far behind the end of the shorter sequence, and near it."""
    places = torch.arange(12)
    for mean in (places + 4, places - 1, torch.full((12,), 11)):
        head = GaussianAttention.of(mean.float(), torch.full((12,), deviation))
        value = torch.randn(2, 12, 3)
        mask = torch.ones(2, 12, 12, dtype=torch.bool)
        mask[1, :, 5:] = False
        readout = head(value, seen(12, mask=mask[:, None]))
        for row, length in enumerate((12, 5)):
            alone = head(value[row : row + 1, :length], seen(length))
            assert torch.allclose(readout[row, :length], alone[0], **CLOSE)
        assert readout.isfinite().all()


def test_gaussian_attention_begins_as_in_the_paper():
    head = GaussianAttention(4000)
    sigma = head.log_sigma.exp()
    for values, low, high in ((head.mu, -1.0, 1.0), (sigma, 0.75, 1.25)):
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high
        assert abs(values.mean() - (low + high) / 2) < 0.05 * (high - low)
    assert [one.requires_grad for one in head.parameters()] == [True, True]


def test_means_and_deviations_are_in_tokens():
    head = GaussianAttention.of(torch.tensor([0.0, 0.0, 1.0, 2.0]), torch.full((4,), 0.1))
    weights = head.weights(seen(4))[0]
    before = torch.tensor([[1.0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    assert torch.allclose(weights, before, **CLOSE)


def test_gaussian_attention_learns():
    head, value = GaussianAttention(5), torch.randn(2, 5, 3)
    head(value, seen(5)).square().sum().backward()
    assert all(one.grad.abs().min() > 0 for one in head.parameters())


def test_gaussian_attention_of_one_place():
    assert GaussianAttention(1)(torch.ones(1, 1, 2), seen(1)).tolist() == [[[1.0, 1.0]]]


def test_uniform_is_the_mean_of_what_is_visible():
    value = torch.randn(2, 5, 3)
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])[:, None, None].expand(-1, 1, 5, -1)
    readout = Uniform()(value, seen(5, mask=mask))
    assert torch.allclose(readout[0], value[0].mean(0).expand(5, -1), **CLOSE)
    assert torch.allclose(readout[1], value[1, :3].mean(0).expand(5, -1), **CLOSE)
    causal = Uniform()(value, seen(5, causal=True))
    assert torch.allclose(causal[:, 3], value[:, :4].mean(1), **CLOSE)


def test_mean_output_and_zero_look_at_nothing():
    value, constant = torch.full((2, 5, 3), torch.nan), torch.randn(3)
    assert torch.equal(MeanOutput(constant)(value, seen(4, 5)), constant.expand(2, 4, -1))
    assert torch.equal(Zero()(value, seen(4, 5)), torch.zeros(2, 4, 3))


@pytest.mark.parametrize("make_one", [lambda: GaussianAttention(8), Uniform])
def test_queries_that_see_nothing_read_out_zero(make_one):
    mask = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    mask[..., 2, :] = False
    readout = make_one()(torch.randn(1, 4, 3), seen(4, mask=mask))
    assert readout[0, 2].tolist() == [0.0, 0.0, 0.0]
    assert readout.isfinite().all()


def test_floating_masks_hide_what_they_make_small():
    mask = torch.ones(2, 1, 4, 4, dtype=torch.bool).tril()
    added = torch.zeros(mask.shape).masked_fill(~mask, torch.finfo(torch.float32).min)
    head, value = GaussianAttention(4), torch.randn(2, 4, 3)
    expected = head(value, seen(4, mask=mask, causal=True))
    assert torch.equal(head(value, seen(4, mask=added, causal=True)), expected)


# A layer of which some heads are replaced.


@pytest.mark.parametrize("groups", [4, 2, 1])
@pytest.mark.parametrize("masked", [False, True])
def test_kept_heads_are_those_of_pytorch_bit_for_bit(groups, masked):
    query = torch.randn(2, 4, 6, 8)
    key, value = torch.randn(2, groups, 6, 8), torch.randn(2, groups, 6, 8)
    mask = (torch.rand(2, 1, 6, 6) > 0.3) | torch.eye(6, dtype=torch.bool) if masked else None
    bias = torch.randn(1, 4, 6, 6)
    module = layer({1: Uniform(), 2: Zero()})
    module.num_key_value_groups = 4 // groups
    given = {"scaling": 0.4, "position_bias": bias}
    readout, weights = attend(module, query, key, value, mask, **given)
    expected, _ = sdpa_attention_forward(module, query, key, value, mask, **given)
    assert weights is None
    assert torch.equal(readout[:, :, [0, 3]], expected[:, :, [0, 3]])
    own = value.repeat_interleave(4 // groups, 1)[:, 1]
    assert torch.allclose(readout[:, :, 1], Uniform()(own, seen(6, mask=mask)), **CLOSE)
    assert not readout[:, :, 2].any()


def test_masks_of_each_head_are_its_own():
    mask = torch.rand(2, 3, 5, 5) > 0.4
    query, key, value = torch.randn(3, 2, 3, 5, 4)
    readout, _ = attend(layer({0: Uniform(), 2: Uniform()}), query, key, value, mask)
    for head in (0, 2):
        expected = Uniform()(value[:, head], seen(5, mask=mask[:, head : head + 1]))
        assert torch.allclose(readout[:, :, head], expected, **CLOSE)


def test_layers_may_lose_all_their_heads():
    query, key, value = torch.randn(3, 2, 3, 5, 4)
    readout, _ = attend(layer(dict.fromkeys(range(3), Zero())), query, key, value, None)
    assert not readout.any()


# Models.


@pytest.mark.parametrize("name", FAMILIES)
def test_a_model_without_replaced_heads_is_the_same_bit_for_bit(name):
    model, given = make(name, "sdpa"), batch(name)
    before = hidden(model, given)
    replace_heads(model, {})
    assert torch.equal(hidden(model, given), before)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_head_that_weighs_all_alike_is_replaced_by_uniform_exactly(name):
    """Of the first layer, so that what comes before needs no queries."""
    model, given = make(name, "sdpa"), batch(name)
    first, found = next(iter(attention_layers(model, given).items()))
    module = model.get_submodule(first)
    _silence(module, 1, found)
    if name == "t5":  # its position bias weighs too
        module.relative_attention_bias.weight.data[:, 1] = 0.0
    before = hidden(model, given)
    with replaced(model, {first: {1: Uniform()}}):
        assert torch.allclose(hidden(model, given), before, **CLOSE)
    with replaced(model, {first: {0: Uniform()}}):
        assert not torch.allclose(hidden(model, given), before, **CLOSE)
    assert torch.equal(hidden(model, given), before)


def _silence(module, head, found):
    """Set the queries of a head to 0, wherever the projection to queries is."""
    for name in ("query", "q_proj", "q_lin", "q", "c_attn", "Wqkv"):
        projection = getattr(module, name, None)
        if isinstance(projection, nn.Module):
            transposed = type(projection).__name__ == "Conv1D"
            weight = projection.weight.data.T if transposed else projection.weight.data
            fused = 3 if name in ("c_attn", "Wqkv") else 1
            width = len(weight) // fused // found.heads
            weight[head * width : (head + 1) * width] = 0.0
            if getattr(projection, "bias", None) is not None:
                projection.bias.data[head * width : (head + 1) * width] = 0.0
            return
    raise AssertionError(module)


PADDED = [
    ("bert", False),
    *((name, left) for name in ("llama", "mistral", "gpt2") for left in (0, 1)),
]


@pytest.mark.parametrize(("name", "left"), PADDED)
def test_padding_changes_nothing(name, left):
    model = make(name, "sdpa")
    alone = {"input_ids": torch.randint(3, 99, (1, 8))}
    for found in attention_layers(model, alone).values():
        by_head = {0: GaussianAttention(16), 1: Uniform(), 2: MeanOutput(torch.randn(found.width))}
        replace_heads(model, {found.name: by_head})
    pad = (4, 0) if left else (0, 4)
    padded = {
        "input_ids": nn.functional.pad(alone["input_ids"], pad, value=5),
        "attention_mask": nn.functional.pad(torch.ones(1, 8, dtype=torch.long), pad),
    }
    if name != "bert":
        padded["position_ids"] = (padded["attention_mask"].cumsum(-1) - 1).clamp(min=0)
    real = slice(4, None) if left else slice(8)
    expected, readout = hidden(model, alone), hidden(model, padded)
    assert torch.allclose(readout[:, real], expected, **CLOSE)


def test_a_text_is_read_with_a_cache_token_by_token():
    model = make("llama", "sdpa", kind=transformers.AutoModelForCausalLM)
    tokens = torch.randint(3, 99, (2, 9))
    for name in attention_layers(model, {"input_ids": tokens}):
        replace_heads(model, {name: {0: GaussianAttention(16), 3: Uniform()}})
    with torch.no_grad():
        whole = model(tokens).logits
        cache, steps = None, []
        for at in range(9):
            out = model(tokens[:, at : at + 1], past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            steps.append(out.logits)
    assert torch.allclose(torch.cat(steps, 1), whole, rtol=1e-4, atol=1e-4)


def test_a_cache_that_forgets_is_refused_by_gaussian_attention_alone():
    model = make("mistral", "sdpa")
    tokens = torch.randint(3, 99, (1, 9))
    name = next(iter(attention_layers(model, {"input_ids": tokens})))
    for replacement in (Uniform(), GaussianAttention(16)):
        replace_heads(model, {name: {0: replacement}})
        cache = model(tokens, use_cache=True).past_key_values
        if isinstance(replacement, Uniform):
            model(tokens[:, :1], past_key_values=cache)
            continue
        with pytest.raises(ArgumentError, match="a cache with a sliding window keeps no places"):
            model(tokens[:, :1], past_key_values=cache)


def test_replacements_are_parts_of_the_model_and_go_again():
    model, given = make("bert", "sdpa"), batch("bert")
    name = next(iter(attention_layers(model, given)))
    before, implementation = dict(model.state_dict()), model.config._attn_implementation
    head = GaussianAttention(16)
    with replaced(model, {name: {2: head}}):
        assert set(model.state_dict()) - set(before) == {
            f"{name}.{HELD}.by_head.2.mu",
            f"{name}.{HELD}.by_head.2.log_sigma",
        }
        assert replaced_heads(model) == {name: {2: head}}
        with replaced(model, {name: {0: Zero()}}):
            assert sorted(replaced_heads(model)[name]) == [0, 2]
        assert sorted(replaced_heads(model)[name]) == [2]
    assert dict(model.state_dict()).keys() == before.keys()
    assert model.config._attn_implementation == implementation


# What is refused.


def test_sequences_that_are_too_long():
    with pytest.raises(ArgumentError, match=r"has 6 tokens; .* made for 5 at most: truncate"):
        GaussianAttention(5)(torch.ones(1, 6, 2), seen(6))


@pytest.mark.parametrize("positions", [0, 2.5, True])
def test_positions_that_are_none(positions):
    with pytest.raises(ArgumentError, match="positions is"):
        GaussianAttention(positions)


def test_layers_and_heads_that_do_not_exist():
    model, given = make("bert", "sdpa"), batch("bert")
    with pytest.raises(ArgumentError, match=r"has no layer 'encoder\.layer\.7'"):
        replace_heads(model, {"encoder.layer.7": {0: Zero()}})
    name = next(iter(attention_layers(model, given)))
    with pytest.raises(ArgumentError, match="is -1; a number from 0 is expected"):
        replace_heads(model, {name: {-1: Zero()}})
    assert replaced_heads(model) == {}
    replace_heads(model, {name: {4: Zero()}})
    with pytest.raises(ArgumentError, match="head 4 is replaced, but its layer has heads 0 to 3"):
        hidden(model, given)


def test_a_model_that_associates_already():
    with pytest.raises(ArgumentError, match="attn_implementation is 'hopfield'"):
        replace_heads(make("bert"), {})


def test_a_model_that_never_calls_attention():
    with pytest.raises(ArgumentError, match="never calls attention through transformers"):
        attention_layers(nn.Linear(2, 2), {"input": torch.ones(1, 2)})


def test_arguments_that_would_change_the_weights():
    query, key, value = torch.randn(3, 2, 3, 5, 4)
    with pytest.raises(ArgumentError, match="softcap was passed to attention"):
        attend(layer({0: Zero()}), query, key, value, None, softcap=2.0)
    with pytest.raises(ArgumentError, match="s_aux was passed to attention"):
        attend(layer({0: Zero()}), query, key, value, None, s_aux=torch.ones(3))
