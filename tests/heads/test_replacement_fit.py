"""Gaussian attention fitted to heads, and what is summed up for it."""

from dataclasses import replace

import pytest
import torch
from planted import Planted

from hopfield.errors import ArgumentError
from hopfield.heads.replacement import (
    GaussianAttention,
    fit_gaussian,
    gather,
    replaced,
)
from hopfield.heads.replacement.fit import FINER, NARROWEST, _errors, _Windows
from hopfield.heads.replacement.layers import Layer
from hopfield.heads.replacement.statistics import LayerStatistics
from hopfield.heads.replacement.visible import visible_keys
from tiny_models import inputs, make

P = 12


def seen(kind, n=P):
    rows, places = torch.arange(n)[:, None], torch.arange(n)
    ahead = places - rows
    return {
        "all": ahead == ahead,
        "causal": ahead <= 0,
        "sliding": (ahead <= 0) & (ahead > -4),
        "local": ahead.abs() <= 3,
        "chunks": (ahead <= 0) & (rows // 5 == places // 5),
    }[kind]


def of_place(mean, deviation, values=None):
    """A model whose one head looks at places by a Gaussian: its tokens are their places."""
    places = torch.arange(P, dtype=torch.float)
    query = torch.stack([mean / deviation**2, -0.5 / deviation**2], -1)
    key = torch.stack([places, places**2], -1)
    values = torch.randn(P, 16) if values is None else values
    return Planted(query[None], key[None], values[None], 1.0)


def texts(lengths=(P,)):
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    tokens = torch.arange(max(lengths)).expand(len(lengths), -1) * mask
    return [{"input_ids": tokens, "attention_mask": mask.long()}]


def weights(head, n=P):
    whole = visible_keys(None, n, n, causal=False, sliding_window=None, device=torch.device("cpu"))
    return head.weights(whole)[0].detach()


def often(found, times=1000):
    """The same text so many times, so that each place speaks for itself."""
    sums = {name: getattr(found, name) * times for name in ("count", "ends", "between", "read")}
    return replace(found, **sums)


# A head whose weights are a Gaussian of places.


@pytest.mark.parametrize("sigma", [0, 3, 6])
def test_a_planted_gaussian_is_recovered(sigma):
    """Centres and widths of the grid, another centre for each place."""
    deviation = torch.full((P,), NARROWEST * FINER**sigma)
    mean = torch.randint(0, P, (P,)).float()
    head = fit_gaussian(often(gather(of_place(mean, deviation), texts())[""]), 0)
    expected = GaussianAttention.of(mean, deviation)
    assert torch.allclose(weights(head), weights(expected), atol=1e-4)


def test_a_planted_gaussian_off_the_grid_is_recovered_nearly():
    mean, deviation = torch.rand(P) * (P - 1), torch.rand(P) + 1.0
    head = fit_gaussian(often(gather(of_place(mean, deviation), texts())[""]), 0)
    off = weights(head) - weights(GaussianAttention.of(mean, deviation))
    assert off.abs().max() < 0.2
    assert off.abs().mean() < 0.02


def test_the_model_reads_out_the_same_with_what_was_recovered():
    deviation = torch.full((P,), NARROWEST * FINER**3)
    mean = (torch.arange(P) - 1.0).clamp(min=0)
    model, batches = of_place(mean, deviation), texts((P, 7))
    head = fit_gaussian(often(gather(model, batches)[""]), 0)
    before = model(**batches[0]).last_hidden_state
    with replaced(model, {"": {0: head}}):
        after = model(**batches[0]).last_hidden_state
    real = batches[0]["attention_mask"].bool()
    assert torch.allclose(after[real], before[real], atol=0.05)


def test_a_head_with_most_of_its_weight_on_the_token_before_is_no_broad_gaussian():
    """Moments would make it broad: the rest of the weight lies everywhere."""
    share = torch.full((P, P), 0.2 / P) + 0.8 * torch.eye(P).roll(-1, -1)
    statistics = empty()
    for _ in range(40):
        values = torch.randn(1, P, 16)
        statistics.add_places(share @ values, values, seen("all"))
    head = fit_gaussian(statistics, 0)
    assert (weights(head).diagonal(-1) > 0.8).all()
    places = torch.arange(P)
    moments = (share * (places - places[:, None]) ** 2).sum(-1).sqrt()
    assert (GaussianAttention.of(places - 1.0, moments).log_sigma > head.log_sigma).all()


def test_places_that_few_sequences_have_lean_on_others():
    """One long sequence of noise among many short ones that look at the token before."""
    statistics = empty()
    before = torch.eye(P).roll(-1, -1)
    for n in [6] * 50 + [P]:
        values = torch.randn(1, n, 16)
        shares = before[:n, :n] if n < P else torch.softmax(torch.randn(P, P), -1)
        statistics.add_places(shares @ values, values, seen("all", n))
    head = fit_gaussian(statistics, 0)
    assert (weights(head).diagonal(-1)[5:] > 0.5).all()
    longer = fit_gaussian(statistics, 0, positions=20)
    assert longer.positions == 20
    assert (weights(longer, 20).diagonal(-1)[12:] > 0.5).all()
    assert torch.allclose(weights(longer)[1:], weights(head)[1:], atol=1e-4)


def empty(heads=1, group=1, width=16):
    return LayerStatistics.empty(Layer("layer", heads, group, width, False)).longer(P)


@pytest.mark.parametrize("kind", ["all", "causal", "sliding", "local", "chunks"])
def test_errors_are_those_of_the_readout(kind):
    """Against the definition, for each place and centre."""
    statistics = empty(2)
    values, readout, mask = torch.randn(2, P, 3), torch.randn(2, P, 3), seen(kind)
    statistics.add_places(readout, values, mask)
    places = torch.arange(P)
    for sigma in (0.5, 2.0, 30.0):
        found = _errors(statistics, 1, _Windows.of(statistics), sigma)
        bell = torch.exp(-0.5 * ((places - places[:, None]) / sigma) ** 2)
        weights = bell * mask[:, None]
        weights = weights / weights.sum(-1, keepdim=True).clamp(min=1e-9)
        apart = (readout[1][:, None] - weights @ values[1]).square().sum(-1)
        expected = apart - readout[1].square().sum(-1)[:, None]
        assert torch.allclose(found[mask], expected[mask], rtol=1e-3, atol=1e-3)
        assert (found[~mask] == torch.inf).all()


# What is summed up.


@pytest.mark.parametrize("name", ["bert", "llama", "mistral", "t5"])
def test_statistics_do_not_depend_on_padding(name):
    model = make(name, "sdpa")
    given = inputs(name)
    together = gather(model, [given])
    apart = []
    for row, length in enumerate((12, 8)):
        one = {key: value[row : row + 1] for key, value in given.items()}
        one = {k: v[:, :length] if "decoder" not in k else v for k, v in one.items()}
        apart.append(one)
    alone = gather(model, apart)
    for layer, found in together.items():
        for field in ("count", "start", "ends", "between", "read", "readout"):
            pair = getattr(found, field), getattr(alone[layer], field)
            assert torch.allclose(*pair, rtol=1e-4, atol=1e-4), (layer, field)
        assert found.queries == alone[layer].queries
        assert (found.median_k90() - alone[layer].median_k90()).abs().max() < 0.02


def test_k_is_that_of_the_weights():
    """Uniform: 0.9 of the keys; one key: 1 of them."""
    flat, sharp = torch.zeros(P, 2), torch.eye(P) * 100
    model = Planted(
        torch.stack([torch.zeros(P, P), sharp]),
        sharp[None].expand(2, -1, -1),
        flat[None].expand(2, -1, -1),
        1.0,
    )
    found = gather(model, texts())[""].median_k90()
    assert found.tolist() == pytest.approx([0.917, 0.084], abs=2e-3)  # 11 and 1 of 12


def test_groups_share_projections():
    found = gather(make("llama", "sdpa"), [inputs("llama")])
    one = next(iter(found.values()))
    assert one.between.shape == (2, 12, 12)
    assert one.read.shape == (4, 12, 12)
    assert one.layer == Layer("layers.0.self_attn", 4, 2, 8, False)


# What is refused.


def test_heads_that_attend_to_another_sequence():
    found = gather(make("t5", "sdpa"), [inputs("t5")])
    cross = [one for one in found.values() if one.layer.cross]
    assert len(cross) == 2
    with pytest.raises(ArgumentError, match="attends to another sequence"):
        fit_gaussian(cross[0], 0)


def test_positions_that_are_too_few():
    with pytest.raises(ArgumentError, match="positions is 11, but sequences of 12 tokens"):
        fit_gaussian(empty(), 0, positions=11)


def test_no_text():
    with pytest.raises(ArgumentError, match="there are no batches"):
        gather(make("bert", "sdpa"), [])


def test_keys_that_are_not_side_by_side():
    mask = torch.ones(1, 1, 12, 12, dtype=torch.bool)
    mask[..., 0, 5] = False
    given = {"input_ids": torch.randint(3, 99, (1, 12)), "attention_mask": mask}
    with pytest.raises(ArgumentError, match="not side by side"):
        gather(make("bert", "sdpa"), [given])
