"""Attribution: complete, and what a plain computation along the path finds."""

import copy

import numpy as np
import polars as pl
import pytest
import torch

from hopfield.errors import ConvergenceWarning
from hopfield.repertoire import attribution
from hopfield.repertoire.attribution import attribute
from hopfield.repertoire.embedding import Tables
from hopfield.repertoire.repertoire import Repertoire

ONE = torch.ones(1)


@pytest.fixture
def network(fitted):
    """Trained, with sharper states and with multiplicity."""
    network = copy.deepcopy(fitted.network_)
    with torch.no_grad():
        network.pooling.hopfield.beta *= 2
        network.multiplicity.fill_(0.7)
    return network


@pytest.fixture
def repertoire(planted):
    return planted.repertoires[1]


def by_gradients(network, repertoire, nodes=96):
    """Integrated gradients as they are defined: all receptors, one node after the other."""
    network = network.double()
    with torch.no_grad():
        tables = Tables(*(table.double() for table in network.tables([repertoire])))
        (block,) = repertoire.blocks(len(repertoire))
        stored, bias = network.stored(repertoire, block, tables), network.bias(repertoire, block)
    mean = stored.mean(0)

    def output(patterns):
        merged = network.pooling.partial(patterns, bias=bias[None])
        return network.told(network.joined(merged, network.level(repertoire)))[0]

    added = torch.zeros_like(stored)
    for place, weight in zip(*np.polynomial.legendre.leggauss(nodes), strict=True):
        at = (mean + (place + 1) / 2 * (stored - mean)).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(output(at), at)
        added += weight / 2 * gradient * (stored - mean)
    return added, output(stored).item(), output(mean.expand_as(stored)).item()


def test_it_is_what_a_plain_computation_finds(network, repertoire):
    found = attribute(network, repertoire, ONE)
    parts = found.path.parts(repertoire)
    added, output, reference = by_gradients(network, repertoire)
    assert found.output == pytest.approx(output, abs=1e-4)
    assert found.reference == pytest.approx(reference, abs=1e-4)
    torch.testing.assert_close(parts.double(), added, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(found.scores.double(), added.sum(1), atol=1e-4, rtol=1e-3)


def test_it_is_complete(network, planted):
    for repertoire in planted.repertoires[:6]:
        found = attribute(network, repertoire, ONE)
        assert found.output == pytest.approx(network([repertoire]).item(), abs=1e-4)
        difference = found.output - found.reference
        assert abs(found.gap) <= max(0.01 * abs(difference), 1e-3)
        assert found.states.sum().item() == pytest.approx(difference, abs=1e-3)


def test_nodes_are_doubled_until_it_is(network, repertoire, monkeypatch):
    with torch.no_grad():
        network.pooling.hopfield.beta *= 10
    few = attribution.Path.of
    monkeypatch.setattr(attribution, "FEWEST", 2)
    tried = []

    def watched(*arguments):
        tried.append(arguments[-1])
        return few(*arguments)

    monkeypatch.setattr(attribution.Path, "of", watched)
    found = attribute(network, repertoire, ONE)
    assert tried == [2 * 2**i for i in range(len(tried))]
    assert len(tried) > 2
    assert abs(found.gap) <= 0.01 * abs(found.output - found.reference)
    monkeypatch.setattr(attribution, "MOST", 2)
    with pytest.warns(ConvergenceWarning, match="with 2 nodes"):
        attribute(network, repertoire, ONE)


def test_blocks_make_no_difference(network, repertoire, monkeypatch):
    whole = attribute(network, repertoire, ONE)
    monkeypatch.setattr(attribution, "BLOCK", 37)
    parts = attribute(network, repertoire, ONE)
    torch.testing.assert_close(parts.scores, whole.scores, atol=1e-5, rtol=1e-4)
    some = torch.arange(len(repertoire)) % 3 == 0
    torch.testing.assert_close(
        parts.path.parts(repertoire.take(some)).sum(1), whole.scores[some], atol=1e-5, rtol=1e-4
    )


def test_receptors_that_look_alike_add_alike(network):
    rows = [
        ("CASSFENQYF", "TRBV99-1", "TRBJ2-7", 3),
        ("CASSFENQYF", "TRBV99-2", "TRBJ2-7", 3),
        ("CASSFENQYF", "", "TRBJ2-7", 3),
        ("CASSLGGQYF", "TRBV5-1", "TRBJ2-7", 1),
    ]
    names = ["junction_aa", "v_call", "j_call", "duplicate_count"]
    repertoire = Repertoire.from_frame("TRB", pl.DataFrame(rows, names, orient="row"))
    scores = attribute(network, repertoire, ONE).scores.tolist()
    assert scores[0] == pytest.approx(scores[1], rel=1e-6)
    assert scores[0] == pytest.approx(scores[2], rel=1e-6)
    assert scores[0] != pytest.approx(scores[3], rel=1e-2)


def test_where_nothing_differs_nothing_is_added(network, repertoire):
    alone = torch.zeros(len(repertoire), dtype=torch.bool)
    alone[0] = True
    found = attribute(network, repertoire.take(alone), ONE)
    assert found.scores.tolist() == pytest.approx([0], abs=1e-5)
    assert found.output == pytest.approx(found.reference, abs=1e-5)
    torch.nn.init.zeros_(network.head.weight)
    assert not attribute(network, repertoire, ONE).scores.any()
