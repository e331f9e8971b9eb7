"""The network against its definition in plain float64, and what must make no difference."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from by_hand import drawn, repertoire
from convolution import embedded

from hopfield.errors import ArgumentError
from hopfield.repertoire import model
from hopfield.repertoire.model import Architecture, RepertoireNetwork

KNOWN = {"v_genes": ("TRBV1", "TRBV9"), "j_genes": ("TRBJ1-1",)}
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def made(**options):
    """A network whose every parameter matters."""
    settings = {"outputs": 2, "kernels": 6, "heads": 3, "queries": 2, "v_size": 3, "j_size": 2}
    network = RepertoireNetwork(Architecture(**KNOWN | settings | options))
    a = network.architecture
    with torch.no_grad():
        for parameter in (network.junctions.bias, network.v.weight, network.j.weight):
            torch.nn.init.normal_(parameter)
        network.set_states(torch.randn(a.states, a.width), torch.linspace(0.3, 2.0, a.heads))
        torch.nn.init.normal_(network.head.weight)
        torch.nn.init.normal_(network.head.bias)
        network.multiplicity.fill_(0.4)
        network.mean.normal_()
        network.scale.uniform_(0.5, 2)
    return network


@pytest.fixture
def network():
    return made()


@pytest.fixture(scope="module")
def cohort():
    return [repertoire(drawn(count, seed)) for seed, count in enumerate((1, 40, 300))]


def by_definition(network, one):
    """Stored patterns, association weights and outputs of one repertoire, in float64."""
    network = copy.deepcopy(network).double()
    a = network.architecture
    junctions = embedded(network.junctions, [group.residues for group in one.by_length()])
    genes = [
        torch.stack([weight[names.index(g) + 1 if g in names else 0] for g in one.frame()[column]])
        for weight, names, column in (
            (network.v.weight, a.v_genes, "v_call"),
            (network.j.weight, a.j_genes, "j_call"),
        )
    ]
    x = torch.cat([junctions, *genes], 1)
    more = network.multiplicity * one.counts.double().log()
    scores = network.states() @ x.T + more
    weights = scores.softmax(1)
    readout = (weights @ x).view(a.heads, a.queries, a.width).transpose(0, 1)
    answered = scores.logsumexp(1) - more.logsumexp(0)
    pooled = torch.cat([readout.flatten(), answered])
    outputs = network.head.weight @ ((pooled - network.mean) / network.scale) + network.head.bias
    return x, weights, outputs


def gradients(network, outputs):
    parameters = [p for p in network.parameters() if p.requires_grad]
    upstream = torch.linspace(-1, 1, outputs.numel()).view_as(outputs)
    return torch.autograd.grad(outputs, parameters, upstream)


def close(ours, theirs, **tolerance):
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, **(tolerance or CLOSE))


def test_outputs_and_gradients_are_the_definition(network, cohort):
    outputs = network(cohort)
    wanted = torch.stack([by_definition(network, one)[2] for one in cohort])
    torch.testing.assert_close(outputs.double(), wanted, **CLOSE)
    double = copy.deepcopy(network).double()
    close([g.double() for g in gradients(network, outputs)], gradients(double, double(cohort)))


def test_states_are_what_is_set_and_what_pools(network, cohort):
    a = network.architecture
    states, beta = torch.randn(a.states, a.width), torch.tensor([0.5, 1.0, 3.0])
    network.set_states(states, beta)
    torch.testing.assert_close(network.states(), states * beta.repeat_interleave(2)[:, None])
    network.set_states(states)
    torch.testing.assert_close(network.states(), states * beta.repeat_interleave(2)[:, None])
    for one in cohort:
        stored, weights, _ = by_definition(network, one)
        found = network.log_weights(one)
        torch.testing.assert_close(found.double().exp(), weights, **CLOSE)
        readout = (weights @ stored).view(a.heads, a.queries, a.width).transpose(0, 1).flatten()
        pooled = network.pool([one])[0, : a.states * a.width]
        torch.testing.assert_close(pooled.double(), readout, **CLOSE)


def test_each_state_learns_by_itself(network, cohort):
    weight = network.pooling.hopfield.space.maps["state"].weight
    assert weight.numel() == network.architecture.states * network.architecture.width
    assert not network.pooling.state.requires_grad
    outputs = network(cohort)
    assert all((slope != 0).any() for slope in gradients(network, outputs))


def test_batch_mates_make_no_difference(network, cohort):
    together = network(cohort)
    for i, one in enumerate(cohort):
        torch.testing.assert_close(network([one])[0], together[i], **CLOSE)
    torch.testing.assert_close(network(cohort[::-1]), together.flip(0), **CLOSE)
    longest = repertoire(["C" + "A" * 200 + "F"])
    torch.testing.assert_close(network([cohort[0], longest])[0], together[0], **CLOSE)


def test_order_of_rows_and_merged_duplicates_make_no_difference(network):
    rows = drawn(80, lengths=(5, 9))
    wanted = network([repertoire(rows)])
    rng = np.random.default_rng(0)
    mixed = [rows[i] for i in rng.permutation(len(rows))]
    torch.testing.assert_close(network([repertoire(mixed)]), wanted, **CLOSE)
    split = [(*row[:3], part) for row in mixed for part in (1, row[3] - 1) if part]
    torch.testing.assert_close(network([repertoire(split)]), wanted, **CLOSE)


def repeated(one):
    """Each receptor as often as it was counted, once each."""
    rows = torch.arange(len(one)).repeat_interleave(one.counts)
    groups = [*one.by_length()]
    residues = [g.residues.repeat_interleave(one.counts[g.rows], 0).flatten() for g in groups]
    columns = {name: getattr(one, name)[rows] for name in ("lengths", "v", "j")}
    ones = torch.ones(len(rows), dtype=torch.int64)
    return replace(one, residues=torch.cat(residues), counts=ones, **columns)


def test_a_count_with_gamma_one_is_that_many_receptors(network, cohort):
    one = cohort[1]
    torch.nn.init.ones_(network.multiplicity)
    found = network([repeated(one)])  # sums of float32 over more rows
    torch.testing.assert_close(network([one]), found, rtol=1e-4, atol=1e-4)


def test_with_gamma_zero_counts_do_not_matter(network, cohort):
    one = cohort[1]
    torch.nn.init.zeros_(network.multiplicity)
    alike = replace(one, counts=torch.ones_like(one.counts))
    torch.testing.assert_close(network([one]), network([alike]), rtol=0, atol=0)
    parts = gradients(network, network([one]))
    assert all(part.isfinite().all() for part in parts)


def test_what_pools_does_not_depend_on_the_depth(network):
    """Of receptors that are all alike, log-partitions tell the similarity and not the number."""
    few = repertoire([("CASSF", "TRBV9", "TRBJ1-1", 1)])
    torch.nn.init.ones_(network.multiplicity)
    many = replace(few, counts=torch.tensor([10_000]))
    torch.testing.assert_close(network([few]), network([many]), **CLOSE)


@pytest.mark.parametrize("size", [7, 64])
def test_blocks_are_the_whole(network, cohort, size, monkeypatch):
    whole, slopes = network.pool(cohort), gradients(network, network(cohort))
    weights = [network.log_weights(one) for one in cohort]
    monkeypatch.setattr(model, "BLOCK", size)
    torch.testing.assert_close(network.pool(cohort), whole, **CLOSE)
    close(gradients(network, network(cohort)), slopes, rtol=1e-4, atol=1e-4)
    close([network.log_weights(one) for one in cohort], weights)


def test_computing_blocks_again_gives_the_same_gradients(network, cohort, monkeypatch):
    monkeypatch.setattr(model, "BLOCK", 64)
    calls = []
    embed = network.stored
    monkeypatch.setattr(network, "stored", lambda *given: calls.append(1) or embed(*given))
    kept = gradients(network, network(cohort))
    once = len(calls)
    monkeypatch.setattr(model, "KEPT", 0)
    calls.clear()
    close(gradients(network, network(cohort)), kept, rtol=0, atol=0)
    assert len(calls) == 2 * once
    calls.clear()
    with torch.no_grad():
        network(cohort)
    assert len(calls) == once


def test_all_of_the_share_is_all(network, cohort):
    torch.testing.assert_close(network(cohort, 1.0), network(cohort), rtol=0, atol=0)


def test_a_share_takes_those_with_the_largest_association(network, cohort):
    one = cohort[2]
    tables = network.tables([one])
    kept = network.most_associated(one, 0.1, tables)
    assert len(kept) == round(0.1 * len(one))
    weights = by_definition(network, one)[1].amax(0)
    limit = weights.sort(descending=True).values[len(kept) - 1]
    chosen = {*kept.frame().rows()}
    assert chosen == {row for row, w in zip(one.frame().rows(), weights, strict=True) if w >= limit}
    assert len(network.most_associated(cohort[0], 0.01, tables)) == 1


def test_a_share_is_near_the_whole_where_few_hold_the_weight(network, cohort):
    """The others are left out of the read-out, not out of what it is measured against."""
    a = network.architecture
    network.set_states(torch.randn(a.states, a.width), torch.full((a.heads,), 30.0))
    one = [cohort[2]]
    torch.testing.assert_close(network.pool(one, 0.2), network.pool(one), rtol=1e-3, atol=1e-3)


def test_genes_that_are_not_known_are_one_gene(network):
    rows = drawn(30)
    strange = [repertoire([(r[0], v, j, r[3]) for r in rows]) for v, j in (("", ""), ("X", "Y"))]
    torch.testing.assert_close(network([strange[0]]), network([strange[1]]), rtol=0, atol=0)
    known = repertoire([(r[0], "TRBV9", "TRBJ1-1", r[3]) for r in rows])
    assert (network([known]) - network([strange[0]])).abs().max() > 1e-3


def test_without_genes(cohort):
    network = made(v_size=0, j_size=0)
    outputs = network(cohort)
    wanted = torch.stack([by_definition(network, one)[2] for one in cohort])
    torch.testing.assert_close(outputs.double(), wanted, **CLOSE)
    renamed = replace(cohort[1], v_genes=tuple(f"other {v}" for v in cohort[1].v_genes))
    torch.testing.assert_close(network([renamed])[0], outputs[1], **CLOSE)


def test_many_receptors_of_high_score_stay_finite():
    network = made()
    a = network.architecture
    network.set_states(100 * torch.randn(a.states, a.width), torch.full((a.heads,), 50.0))
    rows = [(*row[:3], 10**12) for row in drawn(50)]
    outputs = network([repertoire(rows)])
    assert outputs.isfinite().all()
    assert all(part.isfinite().all() for part in gradients(network, outputs))


def test_a_new_network_says_nothing():
    network = RepertoireNetwork(Architecture(**KNOWN))
    assert (network([repertoire(drawn(20))]) == 0).all()


SENSELESS = {"outputs": 0, "heads": 0, "queries": -1, "kernels": 0, "v_size": -1, "j_size": 1.5}


@pytest.mark.parametrize("name", SENSELESS)
def test_sizes_that_make_no_sense_are_errors(name):
    with pytest.raises(ArgumentError, match=name):
        RepertoireNetwork(Architecture(**KNOWN | {name: SENSELESS[name]}))


def test_width_and_states_are_those_of_the_parts():
    a = Architecture(**KNOWN, kernels=5, v_size=2, j_size=1, heads=3, queries=4)
    assert (a.width, a.states) == (8, 12)
    assert RepertoireNetwork(a).head.in_features == 12 * 9
