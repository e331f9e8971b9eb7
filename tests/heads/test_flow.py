"""What each part of a model wrote into what its heads read."""

import numpy as np
import pytest
import torch
import transformers

from hopfield.errors import ArgumentError
from hopfield.heads import Corpus
from hopfield.heads.flow import MEASURES, flow
from tiny_models import make

IMAGES = Corpus.of_tensors(torch.randn(2, 3, 12, 12), "pixel_values")
FAMILIES = [
    *("bert", "roberta", "electra", "distilbert", "gpt2", "llama", "mistral"),
    *("vit", "clip_vision"),
]


def tokens(*lengths):
    return Corpus([torch.randint(3, 98, (n,)).tolist() for n in lengths], range(len(lengths)))


def given(name):
    return IMAGES if name in ("vit", "clip_vision") else tokens(34, 33)


@pytest.mark.parametrize("name", FAMILIES)
def test_shares_sum_to_one(name):
    """That the parts sum up to what heads read, each run checks itself."""
    found = flow(make(name, "sdpa"), None, given(name))
    assert found.writers == (
        *("embedding", "0 attention", "0 MLP", "1 attention", "1 MLP"),
        "biases",
    )
    assert found.values.shape == (2, 2, 4, 6, 3)
    for measure in MEASURES:
        mean = found.mean(measure)
        np.testing.assert_allclose(mean.sum(-1), 1.0, atol=1e-5)
        assert (mean[0, :, 1:-1] == 0).all()  # nothing comes from the layers above
        assert (mean[1, :, 3:-1] == 0).all()
        assert (np.abs(mean[1, :, :3]) > 1e-4).all()
        np.testing.assert_allclose(found.from_layers(measure).sum(-1), 1.0, atol=1e-5)
    mean, low, high = found.of_layers("share")
    assert ((low <= mean + 1e-9) & (mean <= high + 1e-9)).all()


@pytest.mark.parametrize(
    ("name", "path", "writer"),
    [
        ("bert", "encoder.layer.0.attention.output.dense", "0 attention"),
        ("bert", "encoder.layer.0.output.dense", "0 MLP"),
        ("gpt2", "h.0.mlp.c_proj", "0 MLP"),
        ("vit", "layers.0.attention.o_proj", "0 attention"),
    ],
)
def test_what_writes_nothing_has_no_share(name, path, writer):
    model = make(name, "sdpa")
    for parameter in model.get_submodule(path).parameters():
        parameter.data.zero_()
    found = flow(model, None, given(name))
    place = found.writers.index(writer)
    for measure in MEASURES:
        assert (found.mean(measure)[..., place] == 0).all()
    assert (found.mean("norm")[1, :, [1, 2]].sum(0) > 0).all()  # the other one


def test_heads_read_what_lies_in_their_dimensions():
    """The embedding writes into half of the dimensions, an MLP into the other half."""
    model = make("llama", "sdpa", num_key_value_heads=4)
    first, second = model.layers
    with torch.no_grad():
        model.embed_tokens.weight[:, 16:] = 0.0
        first.self_attn.o_proj.weight.zero_()
        first.mlp.down_proj.weight[:16] = 0.0
        value = torch.zeros(32, 32)
        value[:8, :8] = torch.eye(8)  # head 0
        value[8:16, 16:24] = torch.eye(8)  # head 1
        value[16:24, 8:24:2] = torch.eye(8)  # head 2: half and half
        second.self_attn.v_proj.weight.copy_(value)
    found = flow(model, None, tokens(40))
    embedding, mlp = found.writers.index("embedding"), found.writers.index("0 MLP")
    for measure in MEASURES:
        share = found.mean(measure)[1]
        assert share[0, embedding] == pytest.approx(1.0)
        assert share[1, mlp] == pytest.approx(1.0)
        assert share[2, embedding] + share[2, mlp] == pytest.approx(1.0)
        assert 0.01 < share[2, embedding] < 0.99
        assert (share[3] == 0).all()  # it reads nothing


def test_what_tokens_have_in_common_does_not_vary():
    model = make("bert", "sdpa")
    with torch.no_grad():
        model.encoder.layer[0].output.dense.weight.zero_()
        model.encoder.layer[0].output.dense.bias.normal_(0.0, 3.0)
    found = flow(model, None, tokens(40))
    place = found.writers.index("0 MLP")
    assert (found.mean("share")[1, :, place] > 0.2).all()
    assert (np.abs(found.mean("varying")[1, :, place]) < found.mean("share")[1, :, place]).all()
    assert np.abs(found.mean("varying")[0, :, -1]).max() < 1e-6  # biases


def test_a_model_with_a_head_is_taken_too():
    model = make("gpt2", "sdpa", kind=transformers.AutoModelForCausalLM)
    assert flow(model, None, tokens(33)).modules == ("transformer.h.0.attn", "transformer.h.1.attn")


def test_other_layouts_are_refused():
    with pytest.raises(ArgumentError, match="ModernBertModel are laid out is not known; that is"):
        flow(make("modernbert", "sdpa"), None, tokens(33))
    with pytest.raises(
        ArgumentError, match=r"has layers in text_model\S+, vision_model\S+; a part"
    ):
        flow(make("clip", "sdpa"), None, tokens(33))
    with pytest.raises(ArgumentError, match=r"sums up to values that are \d.*% off"):
        flow(make("gemma2", "eager"), None, tokens(33))
