"""What tells models and corpora apart."""

from dataclasses import replace

import torch
from torch import nn
from transformers import BertConfig, BertModel

from hopfield.heads.corpus import Corpus
from hopfield.heads.identity import identity

CORPUS = Corpus([[1, 2, 3], [4, 5]], range(2))


def test_it_is_the_same_whatever_the_threads(two_threads):
    model = nn.Linear(700, 900)
    before = identity(model, CORPUS)
    torch.set_num_threads(1)
    assert identity(model, CORPUS) == before


def test_what_differs():
    model = nn.Linear(30, 20)
    first = identity(model, CORPUS)
    assert first["model"].startswith("Linear ")
    assert first["sequences"].startswith("2 ")
    with torch.no_grad():
        model.bias[3] += 1e-6
    assert identity(model, CORPUS)["model"] != first["model"]


def test_a_config_tells_models_apart():
    sizes = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 9}
    model = BertModel(BertConfig(num_hidden_layers=1, **sizes))
    before = identity(model, CORPUS)["model"]
    model.config._name_or_path = "elsewhere"
    assert identity(model, CORPUS)["model"] == before
    model.config.num_attention_heads = 4
    assert identity(model, CORPUS)["model"] != before


def test_all_of_a_corpus_counts():
    corpora = [
        CORPUS,
        Corpus([[1, 2, 3], [4, 6]], range(2)),
        Corpus([[1, 2, 3, 4], [5]], range(2)),
        replace(CORPUS, special=(1,)),
        replace(CORPUS, padding=1),
        replace(CORPUS, document=[0, 0]),
        Corpus.of_tensors([torch.ones(6, dtype=torch.bfloat16)] * 2, "x"),
        Corpus.of_tensors([torch.ones(2, 3)] * 2, "x"),
        Corpus.of_tensors([torch.ones(3, 2)] * 2, "x"),
        Corpus.of_tensors([torch.ones(3, 2)] * 2, "y"),
    ]
    assert len({identity(nn.Identity(), one)["sequences"] for one in corpora}) == len(corpora)
