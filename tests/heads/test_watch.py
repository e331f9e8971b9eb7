"""The heads of a model over its checkpoints."""

import json
import shutil
from importlib import import_module

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from hopfield.cli import main
from hopfield.errors import ArgumentError, FileError
from hopfield.heads.corpus import tokenized
from hopfield.heads.history import History
from hopfield.heads.probe import probe
from hopfield.heads.source import load
from hopfield.heads.watch import watch
from hopfield.heads.watcher import Watcher
from hopfield.heads.weight_change import WeightChanges

module = import_module("hopfield.heads.watch")  # its name is that of the function, too
WORDS = [f"word{n}" for n in range(40)]
TEXTS = [" ".join(WORDS[n % 40] for n in range(start, start * 7 + 40)) for start in range(1, 5)]
STEPS = [0, 500, 1000]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    whole = Tokenizer(
        models.WordLevel({w: n for n, w in enumerate(["[UNK]", "[PAD]", *WORDS])}, "[UNK]")
    )
    whole.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=whole, unk_token="[UNK]", pad_token="[PAD]", model_max_length=64
    )
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 42}
    for step in STEPS:
        torch.manual_seed(step)
        config = BertConfig(
            num_hidden_layers=2, initializer_range=0.1 + step / 2000, pad_token_id=1, **sizes
        )
        BertForMaskedLM(config).save_pretrained(folder / f"checkpoint-{step}")
        tokenizer.save_pretrained(folder / f"checkpoint-{step}")
    return folder


REVISIONS = [f"checkpoint-{step}" for step in STEPS]


def test_each_checkpoint_is_probed(folder, tmp_path):
    found = watch(folder, [REVISIONS[2], REVISIONS[0], REVISIONS[1]], TEXTS, tmp_path / "out")
    assert found.step.tolist() == STEPS
    assert np.isnan(found.loss).all()
    source = load(folder / "checkpoint-500")
    heads = probe(source.model, None, tokenized(TEXTS, source.processor)).heads
    np.testing.assert_allclose(
        found.mean["entropy"][1], [head.entropy for head in heads], rtol=1e-5
    )
    changes = WeightChanges.read(tmp_path / "out" / "weights.csv")
    assert changes.step.tolist() == STEPS[1:]
    new, old = (
        load(folder / f"checkpoint-{step}")
        .model.bert.encoder.layer[1]
        .attention.self.key.weight.detach()
        for step in (1000, 500)
    )
    key = [*zip(changes.layer, changes.weight, strict=True)].index((1, "self.key"))
    assert changes.change[1, key] == pytest.approx(float((new - old).norm() / old.norm()), rel=1e-5)


def test_more_revisions_later(folder, tmp_path, monkeypatch):
    whole = watch(folder, REVISIONS, TEXTS, tmp_path / "whole")
    watch(folder, REVISIONS[::2], TEXTS, tmp_path / "parts")
    run = []

    def counted(watcher, *given):
        run.append(watcher)
        return real(watcher, *given)

    real = Watcher.run
    monkeypatch.setattr(Watcher, "run", counted)
    found = watch(folder, REVISIONS, TEXTS, tmp_path / "parts")
    assert len(run) == 1  # the others were kept
    assert (found.share == whole.share).all()
    for name in ("heads.csv", "weights.csv"):
        one, other = ((tmp_path / part / name).read_text() for part in ("whole", "parts"))
        assert one == other


def test_names_without_numbers_are_in_the_order_given(folder, tmp_path):
    (tmp_path / "early").symlink_to(folder / REVISIONS[2])
    (tmp_path / "late").symlink_to(folder / REVISIONS[0])
    found = watch(tmp_path, ["late", "early"], TEXTS, tmp_path / "out")
    assert found.step.tolist() == [0, 1]
    far = watch(folder, REVISIONS, TEXTS, tmp_path / "numbered")
    assert (found.share == far.share[[0, 2]]).all()


def test_folders_elsewhere(folder, tmp_path):
    (tmp_path / "model").mkdir()
    found = watch(tmp_path / "model", [str(folder / REVISIONS[1])], TEXTS, tmp_path / "out")
    assert found.step.tolist() == [500]


def test_revisions_of_the_hub(folder, tmp_path, monkeypatch):
    asked = []

    def hub(name, *, revision, **given):
        asked.append((name, revision))
        return load(folder / REVISIONS[1], **given)

    monkeypatch.setattr(module, "load", hub)
    found = watch("some/model", ["step4", "step16"], TEXTS, tmp_path / "out")
    assert asked == [("some/model", "step4"), ("some/model", "step16")]
    assert isinstance(found, History)
    assert found.step.tolist() == [4, 16]


@pytest.mark.parametrize(
    ("revisions", "says"),
    [
        ([], "revisions are none"),
        (["a", "b", "a"], "revisions are 'a', 'b', 'a'; one or more names, each once"),
        (["a", ""], "revisions are 'a', ''; one or more names"),
    ],
)
def test_bad_revisions(folder, tmp_path, revisions, says):
    with pytest.raises(ArgumentError, match=says):
        watch(folder, revisions, TEXTS, tmp_path / "out")


def test_a_checkpoint_that_is_missing(folder, tmp_path):
    with pytest.raises(FileError, match="no folder checkpoint-7; checkpoint-0, checkpoint-1000"):
        watch(folder, ["checkpoint-7"], TEXTS, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_another_model(folder, tmp_path):
    watch(folder, REVISIONS[:1], TEXTS, tmp_path / "out")
    (tmp_path / "other").symlink_to(folder)
    with pytest.raises(ArgumentError, match="holds a watch with other settings"):
        watch(tmp_path / "other", REVISIONS[:1], TEXTS, tmp_path / "out")


def test_from_the_shell(folder, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    text = tmp_path / "corpus.txt"
    text.write_text(" ".join(TEXTS))
    command = ["heads", "watch", str(folder), "--text", str(text), "--out", str(tmp_path / "out")]
    assert main([*command, "--revisions", ",".join(REVISIONS), "--max-length", "40"]) == 0
    said = capsys.readouterr().out
    assert "4 heads, 3 looks from step 0 to 1000" in said
    assert said.endswith(f"\nreport: {tmp_path / 'out' / 'report.html'}\n")
    for name in ("k", "classes", "jacobian", "weights"):
        assert (tmp_path / "out" / "figures" / f"{name}.png").exists()
    assert main([*command, "--revisions", "checkpoint-7"]) == 1
    assert "has no folder checkpoint-7" in capsys.readouterr().err


def test_a_watch_that_is_refused_loses_nothing(folder, tmp_path):
    watch(folder, REVISIONS, TEXTS, tmp_path / "out", max_length=40)
    tables = {name: (tmp_path / "out" / name).read_text() for name in ("heads.csv", "weights.csv")}
    with pytest.raises(ArgumentError, match="holds a probe with other settings"):
        watch(folder, REVISIONS, TEXTS[:2], tmp_path / "out", max_length=40)
    for name, text in tables.items():
        assert (tmp_path / "out" / name).read_text() == text


def test_checkpoints_of_different_models(folder, tmp_path):
    both = tmp_path / "both"
    shutil.copytree(folder / REVISIONS[0], both / "step-1")
    shutil.copytree(folder / REVISIONS[0], both / "step-2")
    config = json.loads((both / "step-2" / "config.json").read_text())
    other = BertForMaskedLM(BertConfig(**{**config, "num_hidden_layers": 1}))
    other.save_pretrained(both / "step-2")
    with pytest.raises(ArgumentError, match="step 1 and step 2 have other matrices"):
        watch(both, ["step-1", "step-2"], TEXTS, tmp_path / "out", max_length=40)
