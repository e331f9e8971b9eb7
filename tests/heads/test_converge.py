"""Retrieval of each head to its end, against known answers and against `hopfield.retrieve`."""

import numpy as np
import pytest
import torch
from planted import Planted, corpus

import hopfield
from hopfield.errors import ArgumentError
from hopfield.head import from_head
from hopfield.heads import Corpus
from hopfield.heads.converge import NEAR, converge
from hopfield.heads.tally import KINDS
from tiny_models import make

AXES = torch.eye(64)[None]
ALL, ONE = KINDS.index("I"), KINDS.index("one")


def tokens(*lengths):
    return Corpus([torch.randint(3, 99, (n,)).tolist() for n in lengths], range(len(lengths)))


def test_a_stored_pattern_is_retrieved_in_one_step():
    found = converge(Planted(AXES + 0.1 * torch.randn(1, 64, 64), AXES, AXES, 40.0), None, corpus())
    assert found.table[0, ONE, ONE] == found.states[0] == 2 * 16
    assert found.near[0] == found.overall(found.near) == 1.0
    assert found.left[0, 2] < 1e-3
    assert found.overlap[0] > 0.99
    assert found.ends[0] == 1.0
    assert found.near_interval == (1.0, 1.0)


def test_an_averaging_head_is_at_the_mean_at_once():
    found = converge(Planted(AXES, 0.1 * AXES, AXES, 1.0), None, corpus())
    assert found.table[0, ALL, ALL] == found.states[0]
    assert found.near[0] == 1.0
    assert found.same[0] == 1.0


def test_one_step_is_not_the_retrieval_of_every_head():
    """Queries of next to nothing average; keys that are far apart then draw the state to one."""
    key = 6 * AXES.clone()
    key[0, 5] *= 3
    query = torch.zeros_like(AXES)
    found = converge(Planted(query, key, AXES, 1.0), None, Corpus([list(range(32))], [0]))
    assert found.table[0, ALL, ONE] == found.states[0] == found.table.sum()
    assert found.near[0] == found.same[0] == 0.0
    assert found.ends[0] == 1 / 16
    assert found.overlap[0] < 0.1


def test_states_that_do_not_stop_are_counted_and_left_out():
    found = converge(Planted(AXES, AXES, AXES, 3.5), None, corpus(), most=1)
    assert found.converged[0] == 0.0
    assert found.table.sum() == 0
    assert np.isnan(found.near[0])
    assert np.isnan(found.overall(found.near))


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama"])
def test_it_is_what_retrieve_finds(name):
    model, text = make(name, "sdpa"), tokens(33)
    found = converge(model, None, text, sample=64, most=400)
    for number, which in enumerate(found.heads):
        head = from_head(
            model, which.layer, which.head, {"input_ids": torch.tensor(text.sequences)}
        )
        first = hopfield.update(head.state, head.stored, **head.settings)
        tol = 1e-5 * head.stored.norm(dim=-1).max()
        end = hopfield.retrieve(head.state, head.stored, steps=400, tol=tol, **head.settings)
        whole = (head.state - end.state).norm(dim=-1)
        left = ((first - end.state).norm(dim=-1) / whole).nan_to_num(0.0)[end.converged]
        assert found.near[number] == pytest.approx((left <= NEAR).double().mean().item())
        steps = end.steps[end.converged].double().mean().item()
        assert found.updates[number] == pytest.approx(steps, rel=0.01)
        assert found.left[number, 1] == pytest.approx(left.double().quantile(0.5).item(), rel=1e-3)


@pytest.mark.parametrize("name", ["bert", "bart"])
def test_batches_and_padding_change_nothing(name):
    model, text = make(name, "sdpa"), tokens(36, 33)
    found = converge(model, None, text, sample=64, most=200)
    alone = converge(model, None, text, sample=64, most=200, batch_size=1)
    for field, within in (("left", 1e-3), ("overlap", 1e-3), ("table", 1), ("updates", 0.1)):
        one, other = getattr(found, field), getattr(alone, field)
        np.testing.assert_allclose(one, other, rtol=0, atol=within)
    assert found.table.sum() == alone.table.sum()


def test_bad_arguments_are_named():
    model = make("bert", "sdpa")
    with pytest.raises(ArgumentError, match="sample is 0"):
        converge(model, None, tokens(33), sample=0)
    with pytest.raises(ArgumentError, match="64 positions"):
        converge(model, None, tokens(70))
    with pytest.raises(ArgumentError, match=r"softcap = 2\.0"):
        converge(make("gemma2", "eager"), None, tokens(33))
