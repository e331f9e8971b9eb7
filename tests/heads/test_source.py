"""Models from folders as users have them: of several families, whole, in part and damaged."""

import json
import logging

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from hopfield.errors import ArgumentError, DataWarning, FileError
from hopfield.heads import load, probe
from tiny_models import CONFIGS

WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", *"abcdefgh"]


@pytest.fixture(autouse=True, scope="module")
def quiet():
    """Transformers reports on weights at length, and shows its progress."""
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity(logging.CRITICAL)
    transformers.logging.disable_progress_bar()
    yield
    transformers.logging.set_verbosity(before)
    transformers.logging.enable_progress_bar()


def save_tokenizer(folder):
    whole = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, "[UNK]"))
    whole.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    ends = [("[CLS]", 1), ("[SEP]", 2)]
    whole.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, ends)
    names = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=whole, **names).save_pretrained(folder)


@pytest.fixture
def saved(tmp_path):
    """Save a model of a family; `named` is the class that its config names, None: none."""

    def make(name, kind, named=""):
        torch.manual_seed(0)
        model = getattr(transformers, kind)(CONFIGS[name]())
        model.save_pretrained(tmp_path)
        config = json.loads((tmp_path / "config.json").read_text())
        if named != "":
            config["architectures"] = None if named is None else [named]
            (tmp_path / "config.json").write_text(json.dumps(config))
        if name == "vit":
            size = {"height": 12, "width": 12}
            transformers.ViTImageProcessorPil(size=size).save_pretrained(tmp_path)
        elif name == "wav2vec2":
            transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
        else:
            save_tokenizer(tmp_path)
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("bert", "BertModel"),
        ("bert", "BertForMaskedLM"),
        ("gpt2", "GPT2LMHeadModel"),
        ("llama", "LlamaForCausalLM"),
        ("gemma2", "Gemma2ForCausalLM"),
        ("t5", "T5ForConditionalGeneration"),
        ("bart", "BartForConditionalGeneration"),
        ("vit", "ViTForImageClassification"),
        ("wav2vec2", "Wav2Vec2ForCTC"),
    ],
)
def test_a_model_comes_with_its_head_and_what_makes_its_inputs(saved, name, kind):
    folder = saved(name, kind)
    source = load(folder)
    assert type(source.model).__name__ == kind
    assert source.name == str(folder)
    assert not source.model.training
    expected = {"vit": "ViTImageProcessor", "wav2vec2": "Wav2Vec2FeatureExtractor"}
    assert type(source.processor).__name__.startswith(expected.get(name, "TokenizersBackend"))
    wanted = getattr(transformers, kind).from_pretrained(folder).state_dict()
    found = source.model.state_dict()
    assert all(torch.equal(found[key], value) for key, value in wanted.items())
    if name not in expected:
        found = probe(source.model, source.processor, ["a b c d " * 5])
        assert found.heads[0].states == 22


@pytest.mark.parametrize(
    ("name", "kind", "base"),
    [("gpt2", "GPT2LMHeadModel", "GPT2Model"), ("t5", "T5ForConditionalGeneration", "T5Model")],
)
@pytest.mark.parametrize("named", [None, "NoSuchModel", "PreTrainedModel", "GPT2Config"])
def test_without_a_class_that_is_known_there_is_no_head(saved, name, kind, base, named):
    assert type(load(saved(name, kind, named)).model).__name__ == base


@pytest.mark.parametrize(
    ("kind", "named", "message"),
    [
        ("BertForMaskedLM", None, r"lacks pooler\.dense\.bias, pooler\.dense\.weight, which are"),
        ("BertModel", "BertForMaskedLM", r"lacks cls\.predictions\.bias, .* …, which are random"),
    ],
)
def test_heads_and_poolers_that_are_missing_are_told_of(saved, kind, named, message):
    with pytest.warns(DataWarning, match=message):
        load(saved("bert", kind, named))


def test_layers_that_are_missing_are_an_error(saved):
    folder = saved("bert", "BertForMaskedLM")
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "layer.1.attention" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(FileError, match=r"lacks 10 weights of a BertForMaskedLM, such as bert\."):
        load(folder)


def test_weights_of_another_model(saved):
    with pytest.raises(FileError, match=r"lacks \d+ weights of a GPT2LMHeadModel"):
        load(saved("llama", "LlamaForCausalLM", "GPT2LMHeadModel"))


def test_safetensors_go_before_pickles(saved):
    folder = saved("bert", "BertModel")
    weights = load_file(folder / "model.safetensors")
    torch.save({name: value + 1 for name, value in weights.items()}, folder / "pytorch_model.bin")
    assert torch.equal(
        load(folder).model.embeddings.word_embeddings.weight,
        weights["embeddings.word_embeddings.weight"],
    )
    (folder / "model.safetensors").unlink()
    assert load(folder).model.embeddings.word_embeddings.weight[0, 0] == (
        weights["embeddings.word_embeddings.weight"][0, 0] + 1
    )


def test_dtypes(saved):
    folder = saved("bert", "BertModel")
    assert load(folder, dtype="bfloat16").model.dtype == torch.bfloat16
    assert load(folder).model.dtype == torch.float32
    for dtype in ("float99", "int32", "nn"):
        with pytest.raises(ArgumentError, match=f"dtype is '{dtype}'; 'auto'"):
            load(folder, dtype=dtype)


@pytest.mark.parametrize("device", ["nowhere", "cuda:999"])
def test_devices(saved, device):
    with pytest.raises(ArgumentError, match=f"device is '{device}': "):
        load(saved("bert", "BertModel"), device=device)


BROKEN = {
    "no weights": ("model.safetensors", None, "cannot be loaded as a model: .*no file named"),
    "cut weights": ("model.safetensors", b"\x00" * 9, "cannot be loaded as a model"),
    "no config": ("config.json", None, r"holds no config\.json; a folder of a saved model is exp"),
    "cut config": ("config.json", b"{", "cannot be loaded as a model: .*not a valid JSON"),
    "other config": ("config.json", b"{}", "cannot be loaded as a model: "),
    "no tokenizer": ("tokenizer.json", None, r"has no tokenizer \(.*\); save one beside"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_folders(saved, name):
    file, content, message = BROKEN[name]
    folder = saved("bert", "BertModel")
    (folder / file).unlink()
    if name == "no tokenizer":
        (folder / "tokenizer_config.json").unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(FileError, match=message) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "missing"),
    [("roberta", "tokenizer"), ("vit", "image processor"), ("wav2vec2", "feature extractor")],
)
def test_nothing_makes_inputs(tmp_path, name, missing):
    """Of some models transformers makes a tokenizer without any file: it knows no words."""
    transformers.AutoModel.from_config(CONFIGS[name]()).save_pretrained(tmp_path)
    with pytest.raises(FileError, match=rf"has no {missing} \(.*save one beside the model, or"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["/no/such", "./none", "~/none", "no such model", __file__])
def test_names_that_are_none(name, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(FileError, match=r"is no folder|cannot be loaded as a model.*on the hub"):
        load(name)


def test_a_name_of_the_hub_that_is_not_there(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(FileError, match=r"nobody/none cannot be loaded .* reachable or cached"):
        load("nobody/none")
