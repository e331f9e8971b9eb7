"""What a probe refuses, and what it does where memory is not enough."""

import json
from importlib import import_module

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from hopfield.errors import ArgumentError, FileError
from hopfield.heads import Corpus, HeadStatistics, probe
from hopfield.heads import statistics as statistics_module
from hopfield.heads.fitting import places
from hopfield.heads.words import summary
from hopfield.huggingface import configure, options
from tiny_models import CONFIGS, SIZES, make

probe_module = import_module("hopfield.heads.probe")  # its name is that of the function, too


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """Intervals of heads take longer than tiny models."""
    monkeypatch.setattr(statistics_module, "DRAWS", 5)


def corpus(*lengths, highest=10):
    return Corpus([torch.randint(3, highest, (n,)).tolist() for n in lengths], range(len(lengths)))


# Models.


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("MPNetModel", lambda: transformers.MPNetConfig(**SIZES)),
        ("DebertaV2Model", lambda: transformers.DebertaV2Config(**SIZES)),
    ],
)
def test_models_that_go_round_the_interface(kind, config):
    model = getattr(transformers, kind)(config()).eval()
    with pytest.raises(
        ArgumentError, match=rf"^{kind} never called attention .*\(MPNet, DeBERTa-v2 …\)"
    ):
        probe(model, None, corpus(9))


def test_a_model_without_attention():
    model = nn.Sequential(nn.Linear(3, 3))
    with pytest.raises(ArgumentError, match=r"^Sequential never called attention"):
        probe(model, None, Corpus.of_tensors([torch.randn(4, 3)], "input"))


def test_a_model_that_takes_something_else():
    with pytest.raises(ArgumentError, match=r"^CLIPModel cannot be run on input_ids, "):
        probe(make("clip", "sdpa"), None, corpus(9))
    with pytest.raises(ArgumentError, match=r"^ViTModel cannot be run on input_ids"):
        probe(make("vit", "sdpa"), None, corpus(9))
    assert probe(make("clip", "sdpa").text_model, None, corpus(9)).heads


def test_errors_within_attention_are_not_hidden(monkeypatch):
    monkeypatch.setattr(probe_module.Watcher, "see", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        probe(make("bert", "sdpa"), None, corpus(9))


@pytest.mark.parametrize("name", ["s_aux", "head_mask"])
def test_arguments_that_change_the_weights_are_named(name):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.config = make("bert", "sdpa").config
            self.map = nn.Linear(2, 2)

        def forward(self, input_ids, attention_mask, use_cache):
            attend = transformers.modeling_utils.ALL_ATTENTION_FUNCTIONS
            x = torch.zeros(len(input_ids), 1, input_ids.shape[1], 2)
            own = attend[self.config._attn_implementation]
            return own(self, x, x, x, None, **{name: torch.ones(1)})

    with pytest.raises(ArgumentError, match=rf"^{name} was passed .* cannot be looked at"):
        probe(Model(), None, corpus(9))


def test_separations_other_than_softmax_are_refused():
    model = make("bert", "hopfield")
    message = r"layer\.0\.attention\.self associates by Sparsemax.*where it is softmax"
    with options(separation="sparsemax"), pytest.raises(ArgumentError, match=message):
        probe(model, None, corpus(9))


def test_of_several_steps_the_last_is_looked_at():
    model, given = make("bert", "hopfield"), corpus(9)
    configure(model, steps=3)
    tokens = torch.tensor(given.sequences)
    with torch.no_grad():
        weights = model(tokens, output_attentions=True).attentions
    for mode in ("exact", "side"):
        found = probe(model, None, given, mode=mode)
        for layer, p in zip(found.layers, weights, strict=True):
            entropy = torch.special.entr(p).sum(-1).mean((0, -1)).tolist()
            assert [head.entropy for head in layer] == pytest.approx(entropy, rel=1e-4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("own", ["query", "key"])
def test_weights_that_are_no_numbers(own, value):
    model = make("bert", "sdpa")
    with torch.no_grad():
        linear = model.encoder.layer[1].attention.self.get_submodule(own)
        linear.weight[0, 0] = value
    what = "states" if own == "query" else "patterns"
    with pytest.raises(
        ArgumentError, match=rf"encoder\.layer\.1\.attention\.self has NaN or infinite {what}: "
    ):
        probe(model, None, corpus(9))


def test_a_bias_that_is_no_number():
    model = make("t5", "sdpa")
    with torch.no_grad():
        own = model.encoder.block[0].layer[0].SelfAttention
        own.relative_attention_bias.weight[:] = float("nan")
    with pytest.raises(ArgumentError, match=r"encoder\.block\.0\.\S+ adds NaN to its scores"):
        probe(model, None, corpus(9))


# What does not fit the model.


def test_sequences_longer_than_a_model_has_places():
    with pytest.raises(ArgumentError, match=r"up to 65 tokens, but .* 64 positions; max_length=64"):
        probe(make("bert", "sdpa"), None, corpus(65))
    assert probe(make("bert", "sdpa"), None, corpus(64)).heads[0].states == 64
    assert probe(make("t5", "sdpa"), None, corpus(65)).heads[0].states == 65  # it has no limit


@pytest.mark.parametrize(
    ("name", "expected"),
    [("bert", 64), ("roberta", 63), ("opt", 64), ("bart", 64), ("gpt2", 64), ("llama", 64)],
)
def test_places(name, expected):
    """RoBERTa counts from its padding token on."""
    config = CONFIGS[name]()
    config.max_position_embeddings = 64
    model = transformers.AutoModel.from_config(config).eval()
    assert places(model) == expected
    model(torch.full((1, expected), 5))
    assert probe(model, None, corpus(expected)).heads


def test_texts_are_cut_to_the_places_of_the_model():
    found = probe(make("roberta", "sdpa"), transformers.ByT5Tokenizer(), ["!" * 100])
    assert found.heads[0].states == 63 + 39  # the end of a text each
    with pytest.raises(ArgumentError, match="up to 70 tokens, but the model has 63 positions"):
        probe(make("roberta", "sdpa"), transformers.ByT5Tokenizer(), ["!" * 100], max_length=70)


def test_tokens_that_the_model_does_not_know():
    with pytest.raises(ArgumentError, match="token 99, but the model knows the tokens 0 to 98"):
        probe(make("bert", "sdpa"), None, Corpus([[5, 99]], [0]))
    with pytest.raises(ArgumentError, match="knows the tokens 0 to 98; the tokenizer of this mod"):
        probe(make("bert", "sdpa"), transformers.ByT5Tokenizer(), ["z"])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"mode": "fast"}, "mode is 'fast'; choose one of 'side', 'exact', 'sample'"),
        ({"sample": 0}, "sample is 0"),
        ({"batch_size": 2.5}, r"batch_size is 2\.5"),
    ],
)
def test_arguments(bad, message):
    with pytest.raises(ArgumentError, match=message):
        probe(make("bert", "sdpa"), None, corpus(9), **bad)


@pytest.mark.parametrize(("length", "noted"), [(31, True), (32, False)])
def test_sequences_too_short_for_class_iv(length, noted):
    """One of 32 is 1/32 of them, one of 31 is more."""
    model = make("bert", "sdpa")
    with torch.no_grad():
        for layer in model.encoder.layer:
            layer.attention.self.query.weight.mul_(1e3)
    found = probe(model, None, corpus(length, length, length))
    assert any(line.startswith("Too short for class IV") for line in summary(found)) == noted
    assert (found.counts()[:, 3].sum() == 0) == noted


# Memory.


def few_at_once(model, most, error):
    """Let the model fail on larger batches."""

    def check(module, given, named):
        if len(named["input_ids"]) > most:
            raise error

    model.register_forward_pre_hook(check, with_kwargs=True)


def out_of_memory():
    """The error of PyTorch's allocator."""
    try:
        torch.empty(2**60)
    except RuntimeError as error:
        return error


ERRORS = {
    "cpu": out_of_memory,
    "gpu": lambda: torch.OutOfMemoryError("CUDA out of memory."),
    "python": MemoryError,
}


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("mode", ["exact", "sample"])
def test_batches_are_halved(kind, mode):
    model, given = make("bert", "sdpa"), corpus(*range(5, 16))
    expected = probe(model, None, given, mode=mode, sample=4)
    few_at_once(model, 2, ERRORS[kind]())
    found = probe(model, None, given, mode=mode, sample=4)
    for a, b in zip(found.tallies, expected.tallies, strict=True):
        assert a.states.tolist() == b.states.tolist()
        assert a.shares.tolist() == b.shares.tolist()
        assert np.allclose(a.sums, b.sums, rtol=1e-5, atol=1e-5)


def test_memory_for_not_one_sequence(tmp_path):
    model = make("bert", "sdpa")
    few_at_once(model, 0, MemoryError())
    with pytest.raises(ArgumentError, match=r"not enough for one sequence, of shape \(1, 9\); "):
        probe(model, None, corpus(9, 9, 9), out=tmp_path)


def test_other_errors_go_on():
    model = make("bert", "sdpa")
    few_at_once(model, 2, RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        probe(model, None, corpus(9, 9, 9))


# Folders.


@pytest.fixture
def done(tmp_path):
    """A probe that is done: its model, corpus and folder."""
    model, given = make("bert", "sdpa"), corpus(9, 8)
    probe(model, None, given, out=tmp_path / "out")
    return model, given, tmp_path / "out"


def test_folders_that_hold_something_else(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ArgumentError, match="is not empty and holds no probe; choose a new folder"):
        probe(make("bert", "sdpa"), None, corpus(9), out=tmp_path)
    with pytest.raises(ArgumentError, match=r"notes\.txt is a file; a folder"):
        probe(make("bert", "sdpa"), None, corpus(9), out=tmp_path / "notes.txt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "side"}, 'mode: "exact", now "side"'),
        ({"seed": 1}, "seed: 0, now 1"),
        ({"texts": corpus(9, 8)}, "sequences: "),
        ({"model": make("electra", "sdpa")}, "model: "),
    ],
)
def test_folders_of_another_probe(done, change, message):
    model, given, folder = done
    call = {"model": model, "processor": None, "texts": given, "out": folder} | change
    with pytest.raises(ArgumentError, match=f"holds a probe with other settings .*{message}"):
        probe(**call)


@pytest.mark.parametrize("damage", ["cut", "empty", "other", "text"])
def test_damaged_folders(done, damage):
    model, given, folder = done
    state = folder / "probe.npz"
    content = state.read_bytes()
    if damage == "other":
        np.savez(state, something=np.zeros(3))
    else:
        state.write_bytes({"cut": content[:-50], "empty": b"", "text": b"text"}[damage])
    with pytest.raises(FileError, match=r"probe\.npz is damaged, .*; remove it to begin anew"):
        probe(model, None, given, out=folder)
    state.unlink()
    assert probe(model, None, given, out=folder).heads


def test_damaged_settings(done):
    model, given, folder = done
    (folder / "probe.json").write_text("{")
    with pytest.raises(FileError, match=r"probe\.json is damaged"):
        probe(model, None, given, out=folder)
    (folder / "probe.json").write_text(json.dumps({"seed": 3}))
    with pytest.raises(ArgumentError, match="other settings"):
        probe(model, None, given, out=folder)


def test_a_probe_that_came_to_nothing_claims_no_folder(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "probe.json").write_text(json.dumps({"seed": 3}))
    assert probe(make("bert", "sdpa"), None, corpus(9, 8), out=tmp_path / "out").heads


def test_autocast_changes_nothing():
    model, given = make("bert", "sdpa"), corpus(9, 8)
    wanted = probe(model, None, given).heads
    with torch.autocast("cpu", torch.bfloat16):
        assert probe(model, None, given).heads == wanted


def test_special_patterns_that_hold_everything_leave_no_class_without_them():
    (tally, *_) = probe(make("bert", "sdpa"), None, corpus(9, 8)).tallies
    tally.contents[:] = 0
    tally.contents[..., 0] = tally.states[:, None]
    for head in HeadStatistics.of([tally]).heads:
        assert np.isnan(head.share_content)
        assert head.class_content == head.head_class


def test_attention_that_goes_round_the_interface_is_refused():
    model = make("gpt2", "eager")
    for block in model.h:
        block.attn.reorder_and_upcast_attn = True
    with pytest.raises(ArgumentError, match="reorder_and_upcast_attn and attn_implementation"):
        probe(model, None, corpus(9))
    assert model.config._attn_implementation == "eager"
