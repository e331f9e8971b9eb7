"""Where heads look, by distances that double."""

import numpy as np
import torch
from planted import Planted

from hopfield.heads import Corpus, probe
from hopfield.heads.distance import by_distance
from tiny_models import make

AXES = torch.eye(64)


def test_a_uniform_head_and_one_that_looks_at_the_token_before():
    query = torch.stack([0 * AXES, AXES])
    key = torch.stack([AXES, AXES.roll(1, -1)])  # of token t: what token t + 1 asks for
    model = Planted(query, key, AXES.expand(2, -1, -1), 60.0)
    statistics = probe(model, None, Corpus([list(range(1, 22)), list(range(30, 40))], [0, 1]))
    uniform, before = (by_distance(statistics, head) for head in statistics.heads)
    names = ["1", "2…3", "4…7", "8…15", "16…20"]
    mirrored = ["−20…−16", "−15…−8", "−7…−4", "−3…−2", "−1"]
    assert uniform[0] == before[0] == [*mirrored, "0", *names]
    np.testing.assert_allclose(uniform[1], 1.0, atol=1e-5)
    assert before[0][before[1].argmax()] == "−1"
    assert before[1][4] > 12
    assert np.delete(before[1], 4).max() < 1.2  # that of the first token, which has none before


def test_all_heads_have_the_same_distances():
    tokens = [torch.randint(3, 99, (n,)).tolist() for n in (20, 3)]
    statistics = probe(make("bart", "sdpa"), None, Corpus(tokens, [0, 1]))
    found = [by_distance(statistics, head) for head in statistics.heads]
    assert len({tuple(names) for names, _ in found}) == 1
    for head, (names, values) in zip(statistics.heads, found, strict=True):
        assert np.isnan(values).all() == head.cross
        assert len(values) == len(names) == 11
        if ".decoder." in f".{head.module}" and not head.cross:
            assert np.isnan(values[6:]).all()  # nothing behind is visible


def test_a_sequence_of_one_token():
    statistics = probe(make("bert", "sdpa"), None, Corpus([[5]], [0]))
    names, values = by_distance(statistics, statistics.heads[0])
    assert names == ["0"]
    np.testing.assert_allclose(values, [1.0])


def test_uniform_weights_are_1_everywhere_though_states_see_few_others():
    model = make("gpt2", "sdpa")
    for block in model.h:
        torch.nn.init.zeros_(block.attn.c_attn.weight)
        torch.nn.init.zeros_(block.attn.c_attn.bias)
    given = Corpus([torch.randint(5, 60, (n,)).tolist() for n in (12, 7)], range(2))
    found = probe(model, None, given)
    for head in found.heads:
        _, values = by_distance(found, head)
        assert np.allclose(values[~np.isnan(values)], 1.0, atol=1e-5)
