"""What tells models and corpora apart."""

import torch
from torch import nn

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
    other = [Corpus([[1, 2, 3], [4, 6]], range(2)), Corpus([[1, 2, 3, 4], [5]], range(2))]
    waves = [Corpus.of_tensors([torch.ones(9, dtype=dtype)], "x") for dtype in (torch.bfloat16,)]
    assert len({identity(model, one)["sequences"] for one in (CORPUS, *other, *waves)}) == 4
