"""The parts of a report that go beyond statistics: what they say, show and write down."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from planted import Planted, corpus

from hopfield.heads import Corpus
from hopfield.heads.converge import converge
from hopfield.heads.few import HeadName, by_layer
from hopfield.heads.flow import Flow, flow
from hopfield.heads.gradients import Gradients, gradients
from hopfield.heads.report import convergence, space
from hopfield.heads.report import flow as flows
from hopfield.heads.report import gradients as grads
from hopfield.heads.space import space as survey
from hopfield.report import Report
from tiny_models import make

AXES = torch.eye(64)[None]
HEADS = [HeadName(0, "attention", 0), HeadName(0, "attention", 1)]


def tokens(*lengths):
    return Corpus([torch.randint(3, 98, (n,)).tolist() for n in lengths], range(len(lengths)))


def test_one_step_is_said_to_be_the_retrieval_where_it_is():
    fixed = converge(Planted(AXES, AXES, AXES, 40.0), None, corpus())
    said = " ".join(convergence.analysis(fixed).found)
    assert "One step is the retrieval here: after it 100.0% of the states" in said
    assert "One step is the retrieval for most states of 0.0." in said
    assert "In 0 of 1 heads" in said
    key = 6 * AXES.clone()
    key[0, 5] *= 3
    one = Corpus([[*range(32)], [*range(32)]], [0, 1])
    moves = converge(Planted(0 * AXES, key, AXES, 1.0), None, one)
    said = " ".join(convergence.analysis(moves).found)
    assert "One step is not the retrieval here: after it 0.0% of the states" in said
    assert "Of those that change, 100% go to fewer patterns." in said
    assert "In 1 of 1 heads (almost) all states of a sequence end in one" in said
    never = converge(Planted(AXES, AXES, AXES, 3.5), None, one, most=1)
    assert convergence.analysis(never).found == [
        "Of 32 states of 1 heads over 2 sequences none stopped within 1 updates."
    ]


def made(score, entropy):
    """Gradients of which a score and an entropy of each kind are as given, one state each."""
    totals = np.zeros((3, 2, 5, 6))
    counts = np.zeros_like(totals)
    for number, values in ((0, score), (2, score), (3, entropy), (4, score), (5, score)):
        totals[..., number] = np.nan_to_num(values)
        counts[..., number] = ~np.isnan(values)
    return Gradients(HEADS, "some loss", 1.0, totals, counts)


def test_where_the_gradient_is_largest_and_spread_most_evenly():
    said = " ".join(grads.analysis(made([1, 2, 4, 2, 0], [0.9, 0.7, 0.5, 0.3, 0.2])).found)
    assert "is largest in metastable states" in said
    assert "is 0% of the largest, and softmax lets 0% of the most through: it vanishes." in said
    assert "spread most evenly where states average" in said
    other = made([4, 2, 1, 1, 1], [0.2, 0.9, 0.3, 0.3, 0.3])
    said = " ".join(grads.analysis(other).found)
    assert "is largest in averaging states" in said
    assert "most evenly in kind II, not where states average" in said
    assert "is 25% of the largest" in said
    assert "it falls, but does not vanish" in said
    missing = made([np.nan, 1, 2, 1, np.nan], [np.nan, 0.5, 0.5, 0.5, np.nan])
    said = " ".join(grads.analysis(missing).found)
    assert "(I)" not in said
    assert "Near a single pattern" not in said
    nothing = made([np.nan] * 5, [np.nan] * 5)
    assert grads.analysis(nothing).found == ["No gradient of the loss reaches the heads."]


def test_what_the_last_layer_collects():
    values = np.zeros((2, 3, 1, 8, 3))  # embedding, three layers, biases
    values[:, 0, :, 0] = 1.0
    values[:, 1, :, [0, 2]] = 0.5
    values[:, 2, :, [0, 1, 4]] = np.array([0.5, 0.25, 0.25])[:, None, None, None]
    names = ("embedding", *(f"{n} {part}" for n in range(3) for part in ("attention", "MLP")))
    found = Flow(("a", "b", "c"), (*names, "biases"), values)
    said = " ".join(flows.analysis(found).found)
    assert "the layer below wrote 25%, the layers below that 25%, and the embedding 50%" in said
    assert "the layer below wrote 50% on average" in said
    assert "collects more of what was made far below it" in said
    two = Flow(("a", "b"), (*names[:5], "biases"), values[:, :2, :, [0, 1, 2, 3, 4, 7]])
    assert "too few layers" in flows.analysis(two).found[0]


def test_what_is_said_of_the_space():
    model = make("bert", "sdpa")
    said = " ".join(space.analysis(survey(model, None, tokens(33, 33))).found)
    assert "of 8 heads. Of the patterns" in said
    assert "in layer 0" in said
    single = survey(Planted(AXES, 0.1 * AXES, AXES, 1.0), None, corpus())
    said = space.analysis(single).found
    assert "In 1 of 1 heads β m_max² is below 1" in said[-1]
    assert not any("projected from" in sentence for sentence in said)


def test_layers_with_different_numbers_of_heads():
    heads = [*HEADS, HeadName(1, "other", 0)]
    np.testing.assert_array_equal(by_layer(heads, np.arange(3.0)), [[0, 1], [2, np.nan]])


@pytest.fixture(scope="module")
def analyses():
    torch.manual_seed(0)
    model, text = make("bert", "sdpa", num_hidden_layers=3), tokens(40, 33)
    return [
        convergence.analysis(converge(model, None, text, sample=4, most=50)),
        grads.analysis(gradients(model, SimpleNamespace(mask_token_id=98), text)),
        space.analysis(survey(model, None, text)),
        flows.analysis(flow(model, None, text)),
    ]


def test_each_has_a_row_for_each_head_of_plain_values(analyses):
    for one in analyses:
        assert [row["head"] for row in one.rows] == [f"{n}.{m}" for n in range(3) for m in range(4)]
        assert len({tuple(row) for row in one.rows}) == 1
        json.dumps(one.rows)


def test_each_has_pictures_of_its_own(analyses):
    pictures = [(name, it) for one in analyses for name, it in one.pictures.items()]
    assert len({name for name, _ in pictures}) == len(pictures) == 9
    for name, picture in pictures:
        drawn = picture.draw()
        assert drawn.axes, name
        assert any(place.has_data() for place in drawn.axes)
    by_name = dict(pictures)
    assert len(by_name["space_planes"].draw().axes) == 6  # two heads of each layer
    cells = by_name["flow_share"].draw().axes[0].texts
    assert len(cells) == 2 + 4 + 6  # what is below each layer, and biases


def test_a_page_shows_it(tmp_path):
    found = flow(make("bert", "sdpa", num_hidden_layers=3), None, tokens(33))
    page = Report("Heads", "All of it.", [flows.analysis(found).section])
    html = re.sub(r"data:image[^\"]*", "", page.save(tmp_path / "report.html").read_text())
    assert html.count("<img") >= 2
    for sentence in flows.analysis(found).found:
        assert sentence in html
    assert re.search(r"\bnan\b", html, re.IGNORECASE) is None
