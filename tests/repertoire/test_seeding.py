"""States begin on the k-mers of the screen, and on public clones."""

import numpy as np
import pytest
import torch
from by_hand import drawn, repertoire

from hopfield.repertoire import kmers
from hopfield.repertoire.model import Architecture, RepertoireNetwork
from hopfield.repertoire.screen import Screen
from hopfield.repertoire.seeding import own_features, seed_states, seeds


def network(**options):
    settings = {"kernels": 8, "heads": 3, "queries": 2}
    return RepertoireNetwork(Architecture(("TRBV9",), ("TRBJ1-1",), **settings | options))


def screen(*names, rate=10.0):
    features = np.array([kmers.feature(name) for name in names], np.int64)
    size = len(names)
    return Screen(features, np.full(size, 50.0), np.full(size, rate), 100)


def start(made, screens, clones=()):
    """Seed a network; how many of its states are."""
    found = seeds(made.architecture, screens, [(junction, "", "") for junction in clones])
    seed_states(made, found)
    return found.states


def holders(one, name):
    return torch.tensor([name in junction for junction in one.frame()["junction_aa"]])


def weight_on(made, state, one, kept):
    return float(made.log_weights(one)[state].exp()[kept].sum())


@pytest.mark.parametrize("size", [9, 15])
def test_a_state_looks_for_its_kmer(size):
    made = network(kernel_size=size)
    assert start(made, [screen("SFEN", "QYWK", rate=100.0)]) == 2
    rows = [row for row in drawn(990, lengths=(4, 20)) if "SFEN" not in row[0]]
    having = ["SFEN", "CASSFENF", "SFENCCCCCCCC", "CCCCCCCCCSFEN", "CASFENQYF"]
    one = repertoire(rows + having)
    kept = holders(one, "SFEN")
    assert int(kept.sum()) == 5
    share = weight_on(made, 0, one, kept)
    assert 0.15 < share < 0.7  # half of it where 1 in 100 has it; here 1 in 200
    each = made.log_weights(one)[0][kept].exp()
    torch.testing.assert_close(each, each.mean().expand(5))  # wherever in the junction it is
    assert weight_on(made, 1, one, kept) < 0.02


@pytest.mark.parametrize("rate", [1.0, 10.0, 100.0])
def test_half_of_the_association_where_the_share_is_the_rate(rate):
    made = network()
    start(made, [screen("SFEN", "QYWK", rate=rate)])
    count = int(20_000 / rate)
    rows = [("CAAAAGGGGF"[: 5 + i % 5], f"V{i}") for i in range(count)]
    one = repertoire([*rows, "CASFENF", "GGSFENGG"])
    assert abs(weight_on(made, 0, one, holders(one, "SFEN")) - 0.5) < 0.02


def test_a_gap_may_be_any_residue():
    made = network()
    start(made, [screen("SF.EN", "QYWK", rate=100.0)])
    having = [f"CSF{x}ENF" for x in "ACDW"]
    one = repertoire([*having, *drawn(400, lengths=(6, 15))])
    each = made.log_weights(one)[0].exp()
    kept = torch.tensor([j in having for j in one.frame()["junction_aa"]])
    torch.testing.assert_close(each[kept], each[kept].mean().expand(4))
    assert each[kept].min() > 20 * each[~kept].median()


def test_screens_of_several_tasks_take_turns():
    made = network(kernels=3)
    one, two = screen("AAAA", "CCCC"), screen("DDDD", "AAAA", "EEEE")
    found = seeds(made.architecture, [one, two])
    assert found.texts == ("AAAA", "DDDD", "CCCC")
    seed_states(made, found)
    best = made.junctions.weight[:, :20].amax(2).argmax(1).tolist()
    assert ["ACDEFGHIKLMNPQRSTVWY"[i] for i in best] == ["A", "D", "C"]


def test_no_more_states_than_there_are():
    made = network(kernels=8, heads=1, queries=2)
    assert start(made, [screen("AAAA", "CCCC", "DDDD")]) == 2


@pytest.mark.parametrize(("t", "seeded"), [((60.0, 2.0, 1.0), 1), ((3.0, 2.0, 1.0), 2)])
def test_what_chance_explains_is_left_out_unless_it_explains_all(t, seeded):
    found = screen("AAAA", "CCCC", "DDDD")
    assert start(network(), [Screen(found.features, np.array(t), found.rates, 100)]) == seeded


@pytest.mark.parametrize("screens", [[], [screen()], [screen(), screen()]])
def test_nothing_found_leaves_kernels_and_random_states(screens):
    made = network()
    kernels = made.junctions.weight.clone()
    assert start(made, screens) == 0
    assert torch.equal(made.junctions.weight, kernels)
    assert made.states().std() > 0.1


def test_soft_counts_lie_behind_the_read_outs():
    made = network()
    seeded = start(made, [screen("SFEN", "QYWK", rate=100.0)])
    rows = drawn(300, lengths=(5, 15))
    without, having = repertoire(rows), repertoire([*rows, *(f"CSFEN{x}F" for x in "ACDEFGH")])
    places = own_features(made, seeded)
    told = (made.pool([having]) - made.pool([without]))[0][places]
    assert told[0] > 0.3
    assert abs(told[1]) < 0.1


def test_beta_is_positive_for_every_head():
    made = network(heads=4)
    start(made, [screen("SFEN", "QYWK")])
    beta = made.pooling.hopfield.beta
    assert beta.shape == (4,)
    assert (beta > 0).all()
    assert made.states()[2:].std() > 0


def test_a_short_kernel_looks_for_the_middle_of_a_kmer():
    made = network(kernel_size=3)
    start(made, [screen("SFEN", "QYW.K", rate=100.0)])
    one = repertoire([*drawn(400, lengths=(6, 15)), "CASFECF", "CCYW.KCC".replace(".", "L")])
    assert made.log_weights(one)[0].argmax() == holders(one, "SFE").nonzero()[0]
    assert made.junctions([group.residues for group in one.by_length()])[:, 1].max() > 1.5


@pytest.mark.parametrize("other", [0, 1])
def test_a_state_looks_for_clones_with_one_other_residue(other):
    made = network()
    clones = ["CASSLGQGYEQYF", "CASRDWNTEAFF"]
    assert start(made, [screen("WWWW", "MMMM")], clones) == 3
    near = [clone[:6] + "W" + clone[7:] if other else clone for clone in clones]
    one = repertoire([*drawn(2000, lengths=(10, 16)), *near])
    kept = torch.tensor([j in near for j in one.frame()["junction_aa"]])
    assert weight_on(made, 2, one, kept) > 0.4


def test_clones_alone_are_a_start():
    made = network()
    assert start(made, [], ["CASSLGQGYEQYF"] * 20) == 1
    assert start(network(kernels=1), [], ["CASSLGQGYEQYF"]) == 1
    assert start(network(heads=1, queries=1), [screen("AAAA")], ["CASSLGQGYEQYF"]) == 1
