"""Models with replaced heads lose the rows that nothing reads, and are saved and loaded."""

import json

import pytest
import torch
import transformers
from torch import nn

from hopfield.errors import ArgumentError, FileError
from hopfield.heads.replacement import (
    GaussianAttention,
    MeanOutput,
    Uniform,
    Zero,
    attention_layers,
    load_replaced,
    prune,
    replace_heads,
    save_replaced,
)
from hopfield.heads.replacement.prune import SomeRows
from tiny_models import inputs, make

FAMILIES = (
    *("bert", "roberta", "distilbert", "modernbert", "gpt2", "llama", "mistral", "opt"),
    *("albert", "t5", "bart", "vit"),
)
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def batch(name):
    given = inputs(name)
    return {"pixel_values": given} if isinstance(given, torch.Tensor) else given


def answer(model, given):
    with torch.no_grad():
        return model(**given)[0]


def smaller(name, **how):
    """A model with heads of all kinds replaced, what goes in, its layers."""
    model, given = make(name, "sdpa", **how), batch(name)
    layers = attention_layers(model, given)
    plan = {}
    for layer in layers.values():
        plan[layer.name] = {
            0: Uniform() if layer.cross else GaussianAttention(64),
            1: Uniform(),
            2: MeanOutput(torch.randn(layer.width)),
            3: Zero(),
        }
    last = next(reversed(plan))
    del plan[last][1]  # one head stays
    replace_heads(model, plan)
    return model, given, layers


def count(model):
    return sum(one.numel() for one in model.parameters())


@pytest.mark.parametrize("name", FAMILIES)
def test_a_smaller_model_comes_back_from_its_folder(name, tmp_path):
    model, given, layers = smaller(name)
    before, parameters = answer(model, given), count(model)
    assert prune(model, layers, given) == {}
    assert torch.allclose(answer(model, given), before, **CLOSE)
    assert count(model) < parameters
    save_replaced(model, tmp_path)
    loaded = load_replaced(tmp_path)
    assert count(loaded) == count(model)
    assert torch.equal(answer(loaded, given), answer(model, given))


def test_what_is_dropped():
    """Of heads of width 8: one is kept in the last layer, and values that are read stay."""
    model, given, layers = smaller("bert")
    prune(model, layers, given)
    rows = {name: len(one.kept) for name, one in model.named_modules() if type(one) is SomeRows}
    whole, last = "encoder.layer.0.attention.self", "encoder.layer.1.attention.self"
    assert rows == {
        f"{whole}.query": 0,
        f"{whole}.key": 0,
        f"{whole}.value": 16,
        f"{last}.query": 8,
        f"{last}.key": 8,
        f"{last}.value": 16,
    }


def test_keys_go_where_their_whole_group_is_replaced():
    model, given = make("llama", "sdpa"), batch("llama")
    layers = attention_layers(model, given)
    name = next(iter(layers))
    replace_heads(model, {name: {0: Uniform(), 2: Zero(), 3: Zero()}})
    prune(model, layers, given)
    attention = model.get_submodule(name)
    kept = [getattr(attention, f"{one}_proj").weight.shape[0] for one in "qkv"]
    assert kept == [8, 8, 8]  # queries of head 1; keys and values of the group of heads 0 and 1


def test_layers_whose_projections_are_not_known_keep_them():
    model, given = make("bert", "sdpa"), batch("bert")
    layers = attention_layers(model, given)
    name = next(iter(layers))
    attention = model.get_submodule(name)
    attention.query = nn.Sequential(attention.query)
    attention.key = nn.Sequential(attention.key)
    attention.value = nn.Sequential(attention.value)
    replace_heads(model, {name: {0: Zero()}})
    parameters = count(model)
    assert prune(model, layers, given) == {name: "its projections have no known names"}
    assert count(model) == parameters


def test_rows_that_something_else_reads_stay():
    """A norm over the queries of all heads, as some models have it."""
    model, given = make("bert", "sdpa"), batch("bert")
    layers = attention_layers(model, given)
    name = next(iter(layers))
    attention = model.get_submodule(name)

    norm = nn.LayerNorm(32)
    attention.query.register_forward_hook(lambda _, __, found: norm(found))
    before = attention.query
    replace_heads(model, {name: {0: Zero()}})
    wanted = answer(model, given)
    left = prune(model, layers, given)
    assert torch.allclose(answer(model, given), wanted, **CLOSE)
    assert left == {name: "without these rows the model gives something else"}
    assert attention.query is before


def test_the_folder_is_a_usual_one(tmp_path):
    model, given, layers = smaller("gpt2", kind=transformers.AutoModelForCausalLM)
    prune(model, layers, given)
    save_replaced(model, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["architectures"] == ["GPT2LMHeadModel"]
    kinds = {"0": "gaussian", "1": "uniform", "2": "mean", "3": "zero"}
    assert config["hopfield_replaced"]["heads"]["transformer.h.0.attn"] == kinds
    assert config["hopfield_replaced"]["some_rows"] == [
        "transformer.h.0.attn.c_attn",
        "transformer.h.1.attn.c_attn",
    ]
    loaded = load_replaced(tmp_path)
    assert loaded.lm_head.weight is loaded.transformer.wte.weight  # as it was
    tokens = given["input_ids"][:1, :4]
    told = {"max_new_tokens": 3, "do_sample": False, "pad_token_id": 0}
    assert torch.equal(loaded.generate(tokens, **told), model.generate(tokens, **told))


def test_weights_of_less_precision_stay_so(tmp_path):
    model, given, _ = smaller("bert")
    model.bfloat16()
    replace_heads(model, {"encoder.layer.0.attention.self": {0: GaussianAttention(64)}})
    save_replaced(model, tmp_path)
    loaded = load_replaced(tmp_path)
    assert loaded.embeddings.word_embeddings.weight.dtype == torch.bfloat16
    mu = "encoder.layer.0.attention.self.replaced_heads.by_head.0.mu"
    assert loaded.get_parameter(mu).dtype == torch.float32
    assert torch.equal(answer(loaded, given), answer(model, given))


def test_transformers_does_not_load_it_as_if_it_were_whole(tmp_path):
    model, given, layers = smaller("bert")
    prune(model, layers, given)
    save_replaced(model, tmp_path)
    with pytest.raises(RuntimeError):
        transformers.AutoModel.from_pretrained(tmp_path)


# What is refused.


def test_nothing_to_save(tmp_path):
    with pytest.raises(ArgumentError, match="no head of the model is replaced"):
        save_replaced(make("bert", "sdpa"), tmp_path)


def test_folders_that_hold_no_such_model(tmp_path):
    with pytest.raises(FileError, match="holds no config"):
        load_replaced(tmp_path)
    make("bert", "sdpa").save_pretrained(tmp_path)
    with pytest.raises(FileError, match="holds a model without replaced heads"):
        load_replaced(tmp_path)


def test_folders_that_are_damaged(tmp_path):
    save_replaced(smaller("bert")[0], tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(FileError, match="cannot be loaded as a model with replaced heads"):
        load_replaced(tmp_path)
    weights.unlink()
    with pytest.raises(FileError, match="cannot be loaded as a model with replaced heads"):
        load_replaced(tmp_path)
