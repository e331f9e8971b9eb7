"""Some sequences of a corpus, and intervals of means over them."""

import numpy as np
import pytest
import torch

from hopfield.errors import ArgumentError
from hopfield.heads import Corpus
from hopfield.heads.few import few, interval
from tiny_models import make


def test_sequences_are_spread_over_the_texts():
    corpus = Corpus([[n] * 3 for n in range(10)], range(10))
    some = few(make("bert"), None, corpus, 3, None)
    assert some.document == [0, 3, 6]
    assert some.sequences == [[0] * 3, [3] * 3, [6] * 3]
    assert few(make("bert"), None, corpus, 20, None).sequences == corpus.sequences


def test_what_does_not_fit_is_refused():
    corpus = Corpus([[3] * 65], [0])
    with pytest.raises(ArgumentError, match="64 positions"):
        few(make("bert"), None, corpus, 3, None)
    with pytest.raises(ArgumentError, match="sequences is 0"):
        few(make("bert"), None, corpus, 0, None)


def test_an_interval_holds_the_mean_as_often_as_it_says():
    values = torch.randn(40, 500, generator=torch.Generator().manual_seed(0)).numpy()
    low, high = interval(values, np.ones_like(values))
    holds = ((low < 0) & (high > 0)).mean()
    assert 0.9 < holds < 0.97


def test_sequences_that_hold_more_weigh_more():
    low, high = interval(np.array([[10.0, 0.0]] * 9 + [[9.0, 0.0]]), np.array([[10.0, 0]] * 10))
    assert 0.96 < low[0] < high[0] == 1.0
    assert np.isnan([low[1], high[1]]).all()
    low, high = interval(np.full((4, 2, 2), 7.0), np.ones((4, 2, 2)))
    assert (low == 7.0).all()
    assert high.shape == (2, 2)
