"""How far apart patterns are, against the definitions and what models show."""

import numpy as np
import pytest
import torch
from planted import Planted, corpus

from hopfield.head import from_head
from hopfield.heads import Corpus
from hopfield.heads.space import MEASURES, space
from hopfield.theory import delta, max_norm, spread
from tiny_models import make


def tokens(*lengths):
    return Corpus([torch.randint(3, 98, (n,)).tolist() for n in lengths], range(len(lengths)))


def expected(patterns, beta):
    """The measures of one set of patterns, in their order."""
    patterns = patterns.detach().double()
    gaps = delta(patterns)
    middle, reach = float(np.median(gaps)), spread(patterns).item()
    relative = middle / max_norm(patterns).item() ** 2
    positive = (gaps > 0).double().mean().item()
    return [middle, positive, relative, beta * middle, reach, beta * reach**2]


def test_orthogonal_patterns():
    axes = 3 * torch.eye(64)[None]
    found = space(Planted(axes, axes, axes, 0.5), None, corpus(length=32))
    after = {measure: found.mean(measure)[0, 1] for measure in MEASURES}
    assert after["delta"] == pytest.approx(9.0)
    assert after["positive"] == 1.0
    assert after["relative"] == pytest.approx(1.0)
    assert after["beta_delta"] == pytest.approx(4.5)
    assert after["spread"] == pytest.approx(3 * (31 / 32) ** 0.5)
    assert after["beta_spread"] == pytest.approx(4.5 * 31 / 32)
    assert np.isnan(found.mean("delta")[0, 0])  # this model shows nothing before the projection
    assert found.beta[0, 1] == 0.5
    low, high = found.interval("delta")
    assert (low[0, 1], high[0, 1]) == pytest.approx((9.0, 9.0))


def test_duplicates_are_not_apart():
    twice = torch.eye(32)[None].repeat(1, 2, 1)
    found = space(Planted(twice, twice, twice, 1.0), None, Corpus([[*range(64)]], [0]))
    assert found.mean("delta")[0, 1] == found.mean("positive")[0, 1] == 0.0


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama"])
def test_before_and_after_the_projection(name):
    model, text = make(name, "sdpa"), tokens(40, 33)
    found = space(model, None, text)
    values = np.zeros_like(found.values)
    for n, sequence in enumerate(text.sequences):
        given = {"input_ids": torch.tensor([sequence])}
        states = model(**given, output_hidden_states=True).hidden_states
        for number, which in enumerate(found.heads):
            head = from_head(model, which.layer, which.head, given)
            before = states[which.layer][0]
            if name != "bert":  # heads of these read through a norm
                layer = (model.h if name == "gpt2" else model.layers)[which.layer]
                before = (layer.ln_1 if name == "gpt2" else layer.input_layernorm)(before)
            values[n, number, 0] = expected(before, 32**-0.5)
            values[n, number, 1] = expected(head.stored[0], head.beta)
    np.testing.assert_allclose(found.values, values, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.mean("spread"), values[..., 4].mean(0), rtol=1e-3)


def test_the_patterns_of_cross_attention_are_of_the_other_sequence():
    found = space(make("bart", "sdpa"), None, tokens(33))
    assert np.isfinite(found.values).all()
    cross = [number for number, which in enumerate(found.heads) if "encoder_attn" in which.module]
    assert len(cross) == 4


def test_a_module_shows_its_keys_alone():
    encoder = torch.nn.TransformerEncoderLayer(8, 2, batch_first=True)
    found = space(encoder, None, Corpus.of_tensors(torch.randn(3, 33, 8), "src"))
    assert np.isnan(found.values[:, :, 0]).all()
    assert np.isfinite(found.values[:, :, 1]).all()


def test_two_dimensions_are_drawn_as_they_are():
    query, key = torch.randn(1, 64, 2), torch.randn(1, 64, 2)
    text = Corpus([[*range(40)], [*range(33)]], [0, 1], (0, 39))
    plane = space(Planted(query, key, key, 1.0), None, text).planes[0]
    assert plane.state.shape == plane.stored.shape == (40, 2)
    assert plane.special.nonzero()[0].tolist() == [0, 39]
    assert sum(plane.share) == pytest.approx(1.0)
    assert plane.share[0] >= plane.share[1]
    drawn = np.concatenate([plane.state, plane.stored])
    given = torch.cat([query[0, :40], key[0, :40]])
    apart, expected = (torch.pdist(torch.as_tensor(it)) for it in (drawn, given.double()))
    torch.testing.assert_close(apart, expected, rtol=1e-5, atol=1e-5)


def test_one_dimension_and_one_pattern():
    line = torch.randn(1, 64, 1)
    found = space(Planted(line, line, line, 1.0), None, Corpus([[3]], [0]))
    assert np.isnan(found.mean("delta")).all()
    assert found.planes[0].state.shape == (1, 2)
