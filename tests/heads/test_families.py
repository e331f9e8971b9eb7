"""The heads of all families: outputs that stay, statistics against weights by eager attention."""

import copy
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor

import hopfield
from hopfield.heads import Batch, Corpus, Watcher, probe
from hopfield.heads import rows as rows_module
from hopfield.heads import statistics as statistics_module
from hopfield.heads.observer import HeadsObserver
from hopfield.heads.statistics import HeadStatistics
from hopfield.heads.tally import MEANS, Tally
from hopfield.phases import HeadClass
from tiny_models import CONFIGS, inputs, make

probe_module = import_module("hopfield.heads.probe")  # its name is that of the function, too
FAMILIES = sorted(CONFIGS.keys() - {"clip"})  # its two towers take different sequences
STOCK = [(name, stock) for name in FAMILIES for stock in ("sdpa", "eager")]
STOCK.remove(("gemma2", "sdpa"))  # transformers refuses it, for the bound of the scores


def batch_for(name):
    """Two sequences, the second of them padded where the family takes padding."""
    torch.manual_seed(3)
    given = inputs(name)
    given = {"pixel_values": given} if isinstance(given, Tensor) else dict(given)
    given.pop("decoder_input_ids", None)
    special = None
    if "input_ids" in given:
        given["input_ids"] = given["input_ids"] % 7 + 3  # so that tokens come again
        special = torch.zeros_like(given["input_ids"], dtype=torch.bool)
        special[:, [0, 5]] = True
    return Batch(given, torch.arange(2), special)


def called_with(model, batch):
    """What the model receives: a decoder reads what its encoder reads, one place later."""
    given = dict(batch.inputs)
    if model.config.is_encoder_decoder:
        first = torch.full((2, 1), getattr(model.config, "decoder_start_token_id", 0) or 0)
        given["decoder_input_ids"] = torch.cat([first, given["input_ids"][:, :-1]], 1)
        given["decoder_attention_mask"] = given["attention_mask"]
    return given


def watched(model, batch, mode="exact", **more):
    watcher = Watcher(model, mode=mode, groups=2, **more)
    return watcher, watcher.run(batch)


@torch.no_grad()
def run(model, batch, **more):
    return model(**called_with(model, batch), **more)


@pytest.mark.parametrize(("name", "stock"), STOCK)
def test_the_output_stays(name, stock):
    model, batch = make(name, stock), batch_for(name)
    expected = run(model, batch).last_hidden_state
    for mode in ("side", "sample"):
        assert torch.equal(watched(model, batch, mode, sample=4)[1].last_hidden_state, expected)
    found = watched(model, batch, "exact")[1].last_hidden_state
    seen = slice(None)
    if name == "modernbert":  # padding far from all words sees nothing, and reads out anything
        seen = batch.inputs["attention_mask"].bool()
    assert (found - expected)[seen].abs().max() <= 1e-5
    assert torch.equal(run(model, batch).last_hidden_state, expected)
    assert model.config._attn_implementation == stock


# Statistics.


def weights_of(model, batch):
    """By eager attention in float64: of each call the module's kind and `(B, H, S, N)`."""
    model = copy.deepcopy(model).double()
    model.set_attn_implementation("eager")
    batch = replace(
        batch,
        inputs={
            name: t.double() if t.is_floating_point() else t for name, t in batch.inputs.items()
        },
    )
    out = run(model, batch, output_attentions=True)
    if not model.config.is_encoder_decoder:
        return [("encoder", weights) for weights in out.attentions]
    decoder = zip(out.decoder_attentions, out.cross_attentions, strict=True)
    found = [("encoder", weights) for weights in out.encoder_attentions]
    for own, cross in decoder:
        found += [("decoder", own), ("cross", cross)]
    return found


def fewest(p):
    falling = p.sort(-1, descending=True).values.cumsum(-1)
    return (falling < 0.9 * falling[..., -1:]).sum(-1) + 1.0


def following(tokens, seen):
    """`(B, H, S, N)`: the pattern before, elsewhere, carries the token of the state."""
    same = tokens[:, :, None] == tokens[:, None, :]
    same &= ~torch.eye(tokens.shape[1], dtype=torch.bool)
    return same.roll(1, -1).index_fill(-1, torch.tensor(0), False)[:, None] & seen


def expected_means(kind, p, valid, special, tokens):
    """What the tally should hold, for each of `MEANS` that weights tell: `(H,)`."""
    seen = p > 0
    visible = seen.sum(-1).double()
    entropy = torch.special.entr(p).sum(-1)
    outer = p.diag_embed() - p[..., None] * p[..., None, :]
    k = fewest(p)
    of = {
        "visible": visible,
        "k": k,
        "entropy": entropy,
        "entropy_share": entropy / visible.log().where(visible > 1, 1.0),
        "kl": visible.log() - entropy,
        "jacobian": outer.square().sum((-1, -2)).sqrt(),
        "heaviest": p.amax(-1),
        "one": (k == 1).double(),
        "special": torch.zeros_like(k) if special is None else (p * special[:, None, None]).sum(-1),
        "first": p[..., 0],
    }
    if kind != "cross":
        of["own"] = p.diagonal(0, -2, -1)
        of["previous"] = torch.nn.functional.pad(p.diagonal(-1, -2, -1), (1, 0))
        if tokens is not None:
            after = following(tokens, seen)
            of["matches"] = after.sum(-1) / visible
            of["matched"] = (p * after).sum(-1)
    return {name: value.transpose(1, 2)[valid].mean(0).numpy() for name, value in of.items()}


def states_of(kind, name, batch, p):
    """Which states are no padding, what is special among the patterns, and the tokens."""
    mask = batch.inputs.get("attention_mask")
    valid = torch.ones(p.shape[0], p.shape[2], dtype=torch.bool) if mask is None else mask.bool()
    if name == "wav2vec2":  # it makes a frame of several samples
        valid = (p > 0).any(1).any(1)
    special, tokens = batch.special, batch.inputs.get("input_ids")
    if kind == "decoder":
        special = torch.cat([torch.ones(2, 1, dtype=torch.bool), special[:, :-1]], 1)
    return valid, special, tokens


@pytest.mark.parametrize("name", FAMILIES)
def test_statistics_are_those_of_the_weights(name):
    stock = "eager" if name == "gemma2" else "sdpa"
    model, batch = make(name, stock), batch_for(name)
    tallies = watched(model, batch)[0].tallies
    expected = weights_of(model, batch)
    assert len(tallies) == len(expected)
    found = HeadStatistics.of(tallies)
    some_kinds = set()
    for layer, (tally, (kind, p)) in enumerate(zip(tallies, expected, strict=True)):
        valid, special, tokens = states_of(kind, name, batch, p)
        if kind == "decoder":
            tokens = called_with(model, batch)["decoder_input_ids"]
        assert tally.cross == (kind == "cross")
        assert tally.states.tolist() == valid.sum(-1).tolist()
        means = dict(zip(MEANS, tally.sums.sum(0).T / tally.states.sum(), strict=True))
        for field, value in expected_means(kind, p, valid, special, tokens).items():
            assert np.allclose(means[field], value, rtol=1e-4, atol=2e-5), (layer, kind, field)
        share = (fewest(p) / (p > 0).sum(-1)).transpose(1, 2)[valid]
        median = share.sort(0).values[(len(share) - 1) // 2]
        for head, one in zip(found.layers[layer], median.tolist(), strict=True):
            assert one <= head.share + 1e-9 <= one + 1 / 1024 + 1e-8
            some_kinds.add(round(one, 3))
    assert len(some_kinds) > 2


@pytest.mark.parametrize("name", ["bert", "vit"])
def test_energies_are_those_of_the_network(name):
    model, batch = make(name, "sdpa"), batch_for(name)
    found = HeadStatistics.of(watched(model, batch)[0].tallies)
    for head in found.heads[::3]:
        network = hopfield.from_head(model, head.layer, head.head, batch.inputs)
        energy = hopfield.energy(network.state, network.stored, **network.settings)
        scores = network.beta * network.state @ network.stored.mT
        seen = torch.ones_like(energy, dtype=torch.bool)
        if network.mask is not None:
            scores = scores.masked_fill(~network.mask, -torch.inf)
            seen = batch.inputs["attention_mask"].bool()
        assert head.beta == network.beta
        assert head.energy == pytest.approx(energy[seen].mean().item(), rel=1e-4)
        log_partition = scores.logsumexp(-1)[seen].mean().item()
        assert head.log_partition == pytest.approx(log_partition, rel=1e-4, abs=1e-5)


@pytest.fixture
def few_draws(monkeypatch):
    """Intervals of heads take longer than tiny models."""
    monkeypatch.setattr(statistics_module, "DRAWS", 5)


# What does not matter.


def lengths(*sizes):
    """Sequences of these lengths."""
    return Corpus([torch.randint(3, 10, (n,)).tolist() for n in sizes], range(len(sizes)), (3, 4))


def totals(statistics):
    """What was summed up over all groups of each call."""
    names = ("states", "sums", "shares", "contents", "matching")
    of_groups = [getattr(t, name).sum(0) for t in statistics.tallies for name in names]
    others = [getattr(t, n) for t in statistics.tallies for n in ("kinds", "profile", "reachable")]
    return of_groups + others


def same(one, other, rtol=1e-4, atol=1e-4):
    return all(
        np.allclose(a, b, rtol=rtol, atol=atol)
        for a, b in zip(totals(one), totals(other), strict=True)
    )


@pytest.mark.usefixtures("few_draws")
@pytest.mark.parametrize("mode", ["exact", "sample"])
@pytest.mark.parametrize("name", ["bert", "mistral", "t5"])
def test_batches_and_chunks_do_not_matter(name, mode, monkeypatch):
    model, corpus = make(name, "sdpa"), lengths(14, 3, 9, 20, 9)
    given = {"mode": mode, "sample": 5}
    expected = probe(model, None, corpus, batch_size=1, **given)
    assert expected.heads[0].states == (5 * 4 + 3 if mode == "sample" else 55)
    for size in (2, 8):
        assert same(probe(model, None, corpus, batch_size=size, **given), expected)
    monkeypatch.setattr(rows_module, "AT_ONCE", 1)
    assert same(probe(model, None, corpus, **given), expected)


@pytest.mark.usefixtures("few_draws")
def test_neither_does_the_order():
    model, corpus = make("bert", "sdpa"), lengths(14, 3, 9, 20)
    turned = replace(corpus, sequences=corpus.sequences[::-1])
    expected = probe(model, None, corpus)
    assert same(probe(model, None, turned), expected)
    other = probe(model, None, replace(corpus, sequences=[corpus.sequences[0]] * 4))
    assert not same(other, expected)


@pytest.mark.usefixtures("few_draws")
@pytest.mark.parametrize("mode", ["exact", "sample"])
@pytest.mark.parametrize("name", ["llama", "mistral"])
def test_neither_does_the_side_of_padding(name, mode):
    """Where places are relative."""
    tokens = torch.randint(3, 10, (3, 9))
    found = []
    for before, after in ((0, 0), (0, 6), (6, 0), (2, 3)):
        pad = torch.nn.functional.pad
        mask = pad(torch.ones_like(tokens), (before, after))
        given = {"input_ids": pad(tokens, (before, after)), "attention_mask": mask}
        special = given["input_ids"] == 3
        watcher = Watcher(make(name, "sdpa"), mode=mode, sample=4)
        watcher.run(Batch(given, torch.arange(3), special & mask.bool()))
        found.append(HeadStatistics.of(watcher.tallies))
    assert found[0].heads[0].states == (12 if mode == "sample" else 27)
    for other in found[1:]:
        for a, b in zip(found[0].tallies, other.tallies, strict=True):
            assert a.states.tolist() == b.states.tolist()
            sums = [np.delete(t.sums, MEANS.index("first"), -1) for t in (a, b)]
            assert np.allclose(*sums, rtol=1e-3, atol=1e-3)  # places turn states by other angles
            reach = a.profile.shape[-1] // 2, b.profile.shape[-1] // 2
            near = slice(reach[1] - reach[0], reach[1] + reach[0] + 1)
            assert np.allclose(a.profile, b.profile[:, near], rtol=1e-3, atol=1e-3)
            assert b.profile.sum() == pytest.approx(a.profile.sum())


class Choosing(HeadsObserver):
    """Keeps which states are looked at, of each call."""

    def __init__(self, model, **given):
        super().__init__(model, **given)
        self.chosen = []

    def see(self, call):
        self.chosen.append(call.around.chosen)


def test_states_are_chosen_anew_for_each_sequence():
    model, corpus = make("mistral", "sdpa"), lengths(*[12] * 300)
    found = []
    for seed in (0, 1):
        (batch,) = corpus.batches(300)
        observer = Choosing(model, sample=3, seed=seed)
        observer.run(batch)
        first, second = observer.chosen
        assert torch.equal(first, second)  # in all layers the same
        assert (first.diff(dim=-1) > 0).all()
        found.append(first)
        often = torch.bincount(first.flatten(), minlength=12)
        assert ((often - 75).abs() < 4 * 75**0.5).all()
    assert not torch.equal(*found)


# Known answers.


def planted():
    """A model of one layer: heads on all, a half, a sixteenth and one of 64 places."""
    config = transformers.BertConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=16,
        vocab_size=10,
        max_position_embeddings=64,
        type_vocab_size=1,
    )
    model = transformers.BertModel(config).eval()
    place = torch.arange(64)
    signs = torch.stack([place < 32, place % 16 == 7, place == 20], -1) * 2.0 - 1.0
    with torch.no_grad():
        for table in ("word", "token_type", "position"):
            model.get_submodule(f"embeddings.{table}_embeddings").weight.zero_()
        features = torch.stack([signs, -signs], -1).flatten(1)  # as long everywhere, of mean 0
        model.embeddings.position_embeddings.weight[:, :6] = features
        own = model.encoder.layer[0].attention.self
        for linear in (own.query, own.key):
            linear.weight.zero_()
            linear.bias.zero_()
        own.query.bias[:] = 40.0
        for head in (1, 2, 3):
            own.key.weight[4 * head, 2 * head - 2] = 1.0
    return model


@pytest.mark.parametrize("mode", ["exact", "side", "sample"])
def test_planted_heads_come_out_in_their_classes(mode):
    model = planted()
    before = copy.deepcopy(model.state_dict())
    found = probe(model, None, Corpus([[5] * 64] * 6, range(6)), mode=mode, sample=16)
    heads = found.heads
    assert [head.head_class for head in heads] == [
        HeadClass.I,
        HeadClass.II,  # 29 of 64 hold 90 % of what lies on 32: not more than a half
        HeadClass.III,
        HeadClass.IV,
    ]
    assert [head.k for head in heads] == [58, 29, 4, 1]
    assert [head.kind for head in heads] == [
        *("near-uniform", "metastable", "metastable", "fixed points")
    ]
    assert not any(head.borderline or head.sink for head in heads)
    assert [head.entropy for head in heads] == pytest.approx(
        [np.log(64), np.log(32), np.log(4), 0.0], abs=1e-5
    )
    assert [head.visible for head in heads] == [64] * 4
    assert found.counts().tolist() == [[1, 1, 1, 1]]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


# A run that is stopped.


class Stop(BaseException):
    """As an interrupt from the keyboard."""


def stopping_at(number, monkeypatch, owner, name):
    """Raise at the nth call of a method."""
    calls, method = [0], getattr(owner, name)

    def counted(self, *given, **named):
        calls[0] += 1
        if calls[0] == number:
            raise Stop
        return method(self, *given, **named)

    monkeypatch.setattr(owner, name, counted)


@pytest.mark.usefixtures("few_draws")
@pytest.mark.parametrize(
    ("where", "mode"),
    [("model", "exact"), ("model", "sample"), ("sums", "exact"), ("save", "exact")],
)
def test_a_stopped_run_goes_on(tmp_path, monkeypatch, where, mode):
    model, corpus = make("bert", "sdpa"), lengths(*range(5, 15))
    given = {"mode": mode, "sample": 4, "out": tmp_path / "out"}
    expected = probe(model, None, corpus, batch_size=3, mode=mode, sample=4)
    owner, name, number = {
        "model": (type(model), "forward", 3),
        "sums": (Tally, "add", 6),  # of a batch, one layer is in and the other is not
        "save": (probe_module, "_save", 2),
    }[where]
    monkeypatch.setattr(probe_module, "SAVED_EVERY", 0.0)
    with monkeypatch.context() as patched:
        stopping_at(number, patched, owner, name)
        with pytest.raises(Stop):
            probe(model, None, corpus, batch_size=3, **given)
    seen = []
    handle = model.register_forward_pre_hook(lambda *_, **__: seen.append(1))
    found = probe(model, None, corpus, batch_size=3, **given)
    handle.remove()
    assert 0 < len(seen) < 4
    for a, b in zip(found.tallies, expected.tallies, strict=True):
        for field in ("states", "sums", "shares", "contents", "kinds", "profile", "reachable"):
            assert np.allclose(getattr(a, field), getattr(b, field), rtol=1e-12)
    assert found.heads == expected.heads
    again = probe(model, None, corpus, batch_size=5, **given)  # nothing is left to do
    assert again.heads == expected.heads
