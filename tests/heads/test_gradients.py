"""Gradients through heads, against autograd by hand and known answers."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers
from planted import Planted, corpus

from hopfield.errors import ArgumentError
from hopfield.heads import Corpus
from hopfield.heads.differentiator import MEASURES
from hopfield.heads.gradients import gradients
from hopfield.heads.tally import KINDS, kinds
from hopfield.phases import count_holding
from tiny_models import PIXELS, make

MASKS = SimpleNamespace(mask_token_id=98)
AXES = torch.eye(64)[None]


def tokens(*lengths):
    return Corpus([torch.randint(3, 98, (n,)).tolist() for n in lengths], range(len(lengths)))


def total(output, batch):
    return output.last_hidden_state.sum()


def test_a_uniform_head_spreads_the_gradient_evenly():
    value = torch.ones(1, 64, 1)
    value[0, 32:] = -1.0
    model = Planted(torch.zeros(1, 64, 64), AXES, value, 1.0)
    text = Corpus([[*range(16, 48)]], [0])
    found = gradients(model, None, text, loss=total)
    assert found.loss == "total"
    assert found.states[0, KINDS.index("I")] == found.states.sum() == 32
    assert found.of_heads("entropy")[0] == pytest.approx(1.0)
    assert found.of_heads("passed")[0] == pytest.approx(1 / 32)
    assert found.of_heads("readout")[0] == pytest.approx(1.0)
    assert found.of_heads("score")[0] == pytest.approx(1 / 32 * 32**0.5)


def test_near_a_stored_pattern_the_gradient_vanishes_and_between_two_it_is_largest():
    value = torch.randn(1, 64, 8)
    fixed = gradients(Planted(AXES, AXES, value, 20.0), None, corpus(), loss=total)
    assert fixed.states[0, KINDS.index("one")] == fixed.states.sum()
    pairs = torch.cat([AXES[:, :32], AXES[:, :32]], 1)  # tokens t and t + 32 are stored as one
    text = Corpus([[*range(8), *range(32, 40), *range(8, 24)]], [0])
    between = gradients(Planted(pairs, pairs, value, 20.0), None, text, loss=total)
    averaging = gradients(Planted(0 * AXES, AXES, value, 1.0), None, text, loss=total)
    state = between.mean("score")[0]
    for measure in ("score", "passed", "jacobian"):
        at_pattern, on_average = (it.of_heads(measure)[0] for it in (fixed, averaging))
        state = between.mean(measure)[0]  # 16 tokens are alone, 16 are one of two
        assert at_pattern < 1e-3 * np.nanmax(state)
        assert on_average < 0.5 * np.nanmax(state)
    assert between.mean("passed")[0, KINDS.index("III")] <= 0.5


def test_it_is_what_autograd_finds():
    query, key, value = (torch.randn(3, 64, 8) for _ in range(3))
    ids = [*range(40)]
    found = gradients(
        Planted(4 * query, key, value, 0.5),
        None,
        Corpus([ids], [0]),
        loss=lambda output, batch: output.last_hidden_state.square().sum(),
    )
    scores = (2.0 * query[:, ids] @ key[:, ids].mT).double().requires_grad_()
    p = scores.softmax(-1)
    readout = p @ value[:, ids].double()
    loss = readout.square().sum()
    of_scores, of_weights, of_readout = torch.autograd.grad(loss, [scores, p, readout])
    norm = of_scores.norm(dim=-1)
    spread = of_scores.abs() / of_scores.abs().sum(-1, keepdim=True)
    j = p.diag_embed() - p[..., None] * p[..., None, :]
    centred = of_weights - of_weights.mean(-1, keepdim=True)
    expected = {
        "score": norm,
        "readout": of_readout.norm(dim=-1),
        "passed": norm / centred.norm(dim=-1),
        "entropy": torch.special.entr(spread).sum(-1) / np.log(40),
        "jacobian": j.flatten(-2).norm(dim=-1),
        "jacobian_beta": 0.5 * j.flatten(-2).norm(dim=-1),
    }
    kind = kinds(count_holding(p.detach(), 0.9).numpy(), np.full(40, 40.0))
    assert found.value == pytest.approx(loss.item(), rel=1e-5)
    assert set(expected) == set(MEASURES)
    for measure, values in expected.items():
        values = values.detach().numpy()
        np.testing.assert_allclose(found.of_heads(measure), values.mean(-1), rtol=1e-4)
        for number in range(len(KINDS)):
            for head in range(3):
                there = values[head][kind[head] == number]
                mean = there.mean() if len(there) else np.nan
                np.testing.assert_allclose(found.mean(measure)[head, number], mean, rtol=1e-3)
    kind_mean, low, high = found.of_kinds("score")
    there = ~np.isnan(kind_mean)
    assert (low[there] == high[there]).all()  # one sequence
    np.testing.assert_allclose(
        kind_mean[kind.min()], norm.detach().numpy()[kind == kind.min()].mean(), rtol=1e-3
    )
    relative, _, _ = found.of_kinds("score", relative=True)
    weight = found.states.sum(0)
    assert np.nansum(relative * weight) / weight.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["masked", "causal"])
def test_the_loss_is_the_model_s_own(kind):
    if kind == "masked":
        model = make("bert", "sdpa", kind=transformers.AutoModelForMaskedLM)
    else:
        model = make("gpt2", "sdpa", kind=transformers.AutoModelForCausalLM)
    text = tokens(40, 40)
    found = gradients(model, MASKS, text)
    ids = torch.tensor(text.sequences)
    if kind == "causal":
        assert found.loss == "next token, cross-entropy"
        expected = model(input_ids=ids, labels=ids).loss.item()
        assert found.value == pytest.approx(expected, rel=1e-4)
    else:
        assert found.loss == "masked tokens, cross-entropy"
        assert found.value > 3
    assert (found.of_heads("score") > 0).all()


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama", "bart", "t5", "modernbert"])
def test_any_family_without_a_head_is_asked_for_the_whole(name):
    model = make(name, "sdpa")
    model.train()
    model.get_parameter(next(iter(dict(model.named_parameters())))).requires_grad_(False)
    asked = [parameter.requires_grad for parameter in model.parameters()]
    text = tokens(36, 33)
    found = gradients(model, MASKS, text)
    assert "squared difference" in found.loss
    assert found.of_heads("score").max() > 0
    assert model.training
    assert [parameter.requires_grad for parameter in model.parameters()] == asked
    assert all(parameter.grad is None for parameter in model.parameters())
    alone = gradients(model, MASKS, text, batch_size=1)
    for measure in MEASURES:
        one, other = found.of_heads(measure), alone.of_heads(measure)
        np.testing.assert_allclose(one, other, rtol=5e-3, atol=1e-7)


def test_patches_of_images_are_hidden():
    images = Corpus.of_tensors(torch.randn(3, 3, 12, 12), "pixel_values")
    found = gradients(make("vit", "sdpa"), None, images)
    assert found.value > 0
    assert found.states.sum() == 3 * (1 + (PIXELS["image_size"] // PIXELS["patch_size"]) ** 2) * 8
    kind = transformers.AutoModelForImageClassification
    assert gradients(make("vit", "sdpa", kind=kind), None, images).value > 0


def test_what_is_hidden_is_content(monkeypatch):
    seen = []
    model = make("bert", "sdpa")
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda **given: seen.append(given) or forward(**given))
    text = Corpus([[1, *range(3, 23), 2], [1, *range(3, 43), 2]], [0, 1], (1, 2))
    gradients(model, MASKS, text)
    whole, hidden = (given["input_ids"] for given in seen)
    assert (hidden == 98).sum(-1).tolist() == [6, 3]  # the longest comes first; 15 %
    assert (hidden[hidden != 98] == whole[hidden != 98]).all()
    assert (whole[hidden == 98] > 2).all()
    assert (hidden[1, 22:] == 0).all()


def test_bad_arguments_are_named():
    model = make("bert", "sdpa")
    with pytest.raises(ArgumentError, match="no token that masks"):
        gradients(model, None, tokens(33))
    with pytest.raises(ArgumentError, match="the loss is 3"):
        gradients(model, None, tokens(33), loss=lambda output, batch: 3)
    with pytest.raises(ArgumentError, match="neither last_hidden_state nor logits"):
        gradients(
            make("bert", "sdpa", kind=transformers.AutoModelForPreTraining), MASKS, tokens(33)
        )
    with pytest.raises(ArgumentError, match="measure is 'weight'"):
        gradients(model, MASKS, tokens(33)).of_heads("weight")
    encoder = torch.nn.TransformerEncoderLayer(8, 2, batch_first=True)
    vectors = Corpus.of_tensors([torch.randn(33, 8)], "src")
    with pytest.raises(ArgumentError, match="self_attn is a MultiheadAttention"):
        gradients(encoder, None, vectors, loss=lambda output, batch: output.sum())
    with pytest.raises(ArgumentError, match="what to hide of src is not known"):
        gradients(encoder, None, vectors)
    assert all(parameter.requires_grad for parameter in model.parameters())
