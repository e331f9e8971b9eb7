"""How harm is measured, which heads do little of it, and how many of them can go."""

import json

import numpy as np
import pytest
import torch
import transformers

from hopfield.errors import ArgumentError, FileError
from hopfield.files.ledger import Ledger
from hopfield.heads.replacement import (
    GaussianAttention,
    MeanOutput,
    Uniform,
    Zero,
    attention_layers,
    choose,
    distil,
    measure_of,
    replace_heads,
    replaced,
    score_heads,
)
from hopfield.heads.replacement.damage import Damage
from hopfield.heads.replacement.measure import CausalLoss, Embedding, MaskedLoss
from hopfield.heads.replacement.reuse import Blocks
from hopfield.heads.replacement.scores import Estimate, HeadScore, estimate
from tiny_models import inputs, make

FAMILIES = (
    *("bert", "roberta", "distilbert", "modernbert", "gpt2", "llama", "mistral", "opt"),
    *("albert", "t5", "bart", "vit"),
)


def batch(name):
    given = inputs(name)
    return {"pixel_values": given} if isinstance(given, torch.Tensor) else given


def candidates(model, given):
    """Zero and uniform for each head."""
    layers = attention_layers(model, given).values()
    return {
        one.name: {head: {"zero": Zero(), "uniform": Uniform()} for head in range(one.heads)}
        for one in layers
    }


class Tokens:
    mask_token_id = 4
    all_special_ids = (0, 1, 2, 4)


# Measures.


def test_the_loss_of_the_next_token_is_that_of_transformers():
    model = make("llama", "sdpa", kind=transformers.AutoModelForCausalLM)
    given = batch("llama")
    found = CausalLoss().answers(model, given)
    for row, length in enumerate((12, 8)):
        tokens = given["input_ids"][row : row + 1, :length]
        assert found[row].item() == pytest.approx(model(tokens, labels=tokens).loss.item(), 1e-4)


def test_the_loss_of_masked_tokens_is_that_of_transformers():
    model = make("bert", "sdpa", kind=transformers.AutoModelForMaskedLM)
    given, measure = batch("bert"), MaskedLoss(4, (0, 1, 2, 4))
    found = measure.answers(model, given)
    for row, length in enumerate((12, 8)):
        tokens = given["input_ids"][row : row + 1, :length]
        alone = measure.answers(model, {"input_ids": tokens})
        assert alone.item() == pytest.approx(found[row].item(), 1e-4)  # the same are masked
        hidden = measure._hidden(tokens[0], tokens[0] > 0)
        assert 0 < hidden.sum() < length
        labels = tokens.masked_fill(~hidden, -100)
        loss = model(tokens.masked_fill(hidden, 4), labels=labels).loss.item()
        assert found[row].item() == pytest.approx(loss, 1e-4)


def test_15_percent_of_the_tokens_are_masked_and_no_special_ones():
    tokens = torch.randint(0, 99, (20_000,))
    hidden = MaskedLoss(4, (0, 1, 2, 4))._hidden(tokens, tokens >= 0)
    assert hidden.float().mean() == pytest.approx(0.15 * 95 / 99, abs=0.01)
    assert not torch.isin(tokens[hidden], torch.tensor([0, 1, 2, 4])).any()


def test_embeddings_leave_padding_out():
    model, given = make("bert", "sdpa"), batch("bert")
    measure = Embedding()
    found = measure.answers(model, given)
    alone = measure.answers(model, {"input_ids": given["input_ids"][1:, :8]})
    assert torch.allclose(found[1:], alone, atol=1e-5)
    assert measure.damage(found, found).abs().max() < 1e-12
    assert torch.allclose(measure.damage(-found, found), torch.tensor(2.0).double())


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("bert", transformers.AutoModel, Embedding),
        ("bert", transformers.AutoModelForMaskedLM, MaskedLoss),
        ("gpt2", transformers.AutoModelForCausalLM, CausalLoss),
        ("t5", transformers.AutoModelForSeq2SeqLM, Embedding),
        ("vit", transformers.AutoModel, Embedding),
    ],
)
def test_models_are_measured_by_what_they_were_trained_for(name, kind, expected):
    assert type(measure_of(make(name, "sdpa", kind=kind), Tokens)) is expected


def test_measures_that_do_not_fit():
    model = make("bert", "sdpa")
    with pytest.raises(ArgumentError, match="BertModel predicts no tokens"):
        measure_of(model, Tokens, "causal")
    with pytest.raises(ArgumentError, match="choose one of 'auto', 'causal'"):
        measure_of(model, Tokens, "perplexity")
    masked = make("bert", "sdpa", kind=transformers.AutoModelForMaskedLM)
    with pytest.raises(ArgumentError, match="has no mask token"):
        measure_of(masked, None)
    with pytest.raises(ArgumentError, match="has no last hidden state"):
        Embedding().answers(make("clip", "sdpa"), inputs("clip"))


# What lies below a change is computed once.


@pytest.mark.parametrize("name", FAMILIES)
def test_blocks_below_a_change_need_not_run(name):
    model, given = make(name, "sdpa"), batch(name)
    layers = attention_layers(model, given)
    blocks, measure = Blocks(model, layers), Embedding()
    with torch.no_grad(), replaced(model, {}):
        with blocks.noted():
            before = measure.answers(model, given)
        ran = []
        for layer in layers:
            model.get_submodule(layer).register_forward_hook(lambda *_, at=layer: ran.append(at))
        with blocks.below(None):
            assert torch.equal(measure.answers(model, given), before)
        assert bool(ran) == (name == "albert")  # its one block runs twice
        last = list(layers)[-1]
        with replaced(model, {last: {0: Zero()}}):
            whole = measure.answers(model, given)
            ran.clear()
            with blocks.below(last):
                assert torch.equal(measure.answers(model, given), whole)
        assert len(ran) < len(layers) or name == "albert"
        assert not torch.equal(whole, before)
    assert not any("forward" in module.__dict__ for module in model.modules())


# Scores.


def test_a_score_is_the_damage_of_one_head_alone():
    model, given = make("bert", "sdpa"), batch("bert")
    tried, measure = candidates(model, given), Embedding()
    scores = score_heads(model, tried, [given, given], measure)
    assert [(one.layer, one.head, one.kind) for one in scores] == [
        (layer, head, kind) for layer in tried for head in range(4) for kind in ("zero", "uniform")
    ]
    for score in scores[1::5]:
        plan = {score.layer: {score.head: tried[score.layer][score.head][score.kind]}}
        alone = Damage(model, [given], measure)(plan)
        assert score.damage.mean == pytest.approx(np.mean(alone), abs=1e-6)
        assert score.damage.low <= score.damage.mean <= score.damage.high


def test_a_head_that_weighs_all_alike_does_no_damage_as_uniform():
    model, given = make("bert", "sdpa"), batch("bert")
    attention = model.encoder.layer[1].attention.self
    attention.query.weight.data[8:16] = 0.0
    attention.query.bias.data[8:16] = 0.0
    scores = score_heads(model, candidates(model, given), [given], Embedding())
    best = min(scores, key=lambda one: one.damage.mean)
    assert (best.layer, best.head, best.kind) == ("encoder.layer.1.attention.self", 1, "uniform")
    assert best.damage.mean < 1e-9


def test_intervals_hold_the_mean_of_other_texts():
    """Of 400 samples of 60 texts, nearly 95 %."""
    generator = np.random.default_rng(0)
    found = estimate(generator.exponential(size=(400, 60)))
    held = np.mean([one.low <= 1.0 <= one.high for one in found])
    assert 0.9 < held < 0.97


# The choice.


def made_up(damages):
    return [
        HeadScore("layer", head, kind, Estimate(mean, mean, mean))
        for head, kinds in damages.items()
        for kind, mean in kinds.items()
    ]


class Sum:
    """Damages that add up, and how often they were asked for."""

    def __init__(self, damages):
        self.damages, self.asked = damages, []

    def __call__(self, plan):
        own = {head: one.kind for head, one in plan.get("layer", {}).items()}
        self.asked.append(own)
        return [sum(self.damages[head][kind] for head, kind in own.items())] * 5


def chosen(damages, budget, monkeypatch, ledger=None):
    summed = Sum(damages)
    monkeypatch.setattr("hopfield.heads.replacement.choice.Damage", lambda *_: summed)
    kinds = {"zero": Zero(), "uniform": Uniform()}
    tried = {"layer": dict.fromkeys(damages, kinds)}
    found = choose(None, tried, made_up(damages), [], None, budget, ledger=ledger)
    return found, summed


def test_heads_go_while_the_budget_lasts(monkeypatch):
    """The best kind of each; 1 + 2 + 3 + 4 + 5 + 6 is within 22, and 7 more is not."""
    damages = {head: {"zero": head + 1.0, "uniform": head + 1.5} for head in range(12)}
    damages[2]["uniform"] = 2.5  # better than zero, which is 3
    found, summed = chosen(damages, 22.0, monkeypatch)
    plan = {head: one.kind for head, one in found.plan["layer"].items()}
    assert plan == {0: "zero", 1: "zero", 2: "uniform", 3: "zero", 4: "zero", 5: "zero"}
    assert found.damage.mean == 20.5
    assert found.heads == 6
    assert [step.heads for step in found.steps[:3]] == [1, 3, 7]
    assert [step.kept for step in found.steps[:3]] == [True, True, False]
    assert len(summed.asked) < len(found.steps)  # what was asked before is known


def test_a_head_that_alone_is_too_much_is_not_tried(monkeypatch):
    damages = {0: {"zero": 0.5}, 1: {"zero": 3.0}}
    found, summed = chosen(damages, 1.0, monkeypatch)
    assert found.heads == 1
    assert summed.asked == [{0: "zero"}]


def test_five_failures_end_it(monkeypatch):
    damages = {head: {"zero": 0.9 + head / 1000} for head in range(20)}
    found, _ = chosen(damages, 1.0, monkeypatch)
    assert found.heads == 1
    assert sum(not step.kept and len(step.added) == 1 for step in found.steps) == 5


def test_nothing_fits(monkeypatch):
    found, summed = chosen({0: {"zero": 3.0}}, 1.0, monkeypatch)
    assert found.plan == {}
    assert summed.asked == []


def test_budgets_that_are_none():
    with pytest.raises(ArgumentError, match="budget is 0"):
        choose(None, {}, [], [], None, 0)


# What was measured is kept.


class StoppedError(Exception):
    pass


class Stopping(Embedding):
    """Stops after some answers."""

    def __init__(self, after):
        self.left = after

    def answers(self, model, inputs):
        if self.left == 0:
            raise StoppedError
        self.left -= 1
        return super().answers(model, inputs)


def test_scores_go_on_where_they_were_stopped(tmp_path):
    model, given = make("bert", "sdpa"), batch("bert")
    tried, batches = candidates(model, given), [given, batch("bert"), batch("bert")]
    expected = score_heads(model, tried, batches, Embedding())
    path = tmp_path / "measured.jsonl"
    with pytest.raises(StoppedError):
        score_heads(model, tried, batches, Stopping(25), ledger=Ledger(path))
    assert len(path.read_text().splitlines()) == 1
    again = Stopping(36)  # two batches of 2 + 16
    assert score_heads(model, tried, batches, again, ledger=Ledger(path)) == expected
    assert again.left == 0
    nothing = Stopping(0)
    assert score_heads(model, tried, batches, nothing, ledger=Ledger(path)) == expected


def test_a_choice_asks_for_nothing_twice(monkeypatch, tmp_path):
    damages = {head: {"zero": head + 1.0} for head in range(12)}
    path = tmp_path / "measured.jsonl"
    first, _ = chosen(damages, 22.0, monkeypatch, Ledger(path))
    second, summed = chosen(damages, 22.0, monkeypatch, Ledger(path))
    assert summed.asked == []
    assert second.steps == first.steps


def test_a_line_that_was_cut_off_is_measured_again(tmp_path):
    path = tmp_path / "measured.jsonl"
    ledger = Ledger(path)
    ledger["one"], ledger["two"] = [1.0], [2.0]
    path.write_text(path.read_text()[:-4])
    ledger = Ledger(path)
    assert ledger["one"] == [1.0]
    assert "two" not in ledger
    ledger["two"] = [3.0]
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        ["one", [1.0]],
        ["two", [3.0]],
    ]


def test_files_that_hold_something_else(tmp_path):
    path = tmp_path / "measured.jsonl"
    path.write_text("layer,head\n0,1\n")
    with pytest.raises(FileError, match="is damaged"):
        Ledger(path)


# Fine-tuning.


def test_replacements_learn_and_nothing_else_does():
    model, given = make("bert", "sdpa"), batch("bert")
    name = next(iter(attention_layers(model, given)))
    head = GaussianAttention(16)
    with torch.no_grad():
        before = {key: one.clone() for key, one in model.state_dict().items()}
    replace_heads(model, {name: {0: head, 1: MeanOutput(torch.zeros(8)), 2: Uniform()}})
    start = head.mu.detach().clone()
    losses = distil(model, [given], epochs=30, rate=0.05)
    assert losses[-1] < 0.8 * losses[0]
    assert not torch.equal(head.mu, start)
    after = model.state_dict()
    assert all(torch.equal(after[key], one) for key, one in before.items())
    assert all(one.requires_grad for one in model.parameters())
    assert not model.training


def test_nothing_to_learn():
    model, given = make("bert", "sdpa"), batch("bert")
    replace_heads(model, {next(iter(attention_layers(model, given))): {0: Uniform()}})
    with pytest.raises(ArgumentError, match="no replaced head of the model has parameters"):
        distil(model, [given])
    with pytest.raises(ArgumentError, match="epochs is 0"):
        distil(model, [given], epochs=0)
