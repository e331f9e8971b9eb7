"""Motifs: residues at the best positions of kernels, each motif once."""

import numpy as np
import polars as pl
import pytest
import torch

from hopfield.repertoire.model import Architecture, RepertoireNetwork
from hopfield.repertoire.motifs import Motif, Windows, residue_counts
from hopfield.repertoire.repertoire import ALPHABET, Repertoire
from hopfield.repertoire.seeding import Seeds, seed_states
from hopfield.repertoire.simulation.motif import Motif as Planted

FLAT = np.full(20, 0.05)


def receptors(*junctions):
    rows = [(junction, "TRBV5-1", "TRBJ2-7", 1) for junction in junctions]
    names = ["junction_aa", "v_call", "j_call", "duplicate_count"]
    return Repertoire.from_frame("TRB", pl.DataFrame(rows, names, orient="row"))


@pytest.fixture
def network():
    """Kernels that look for SFEN, for FEN. beside it, and for QQ.WW."""
    torch.manual_seed(0)
    network = RepertoireNetwork(Architecture((), (), kernels=3, heads=2, queries=2))
    kmers = ("SFEN", "FEN.D", "QQ.WW")
    seed_states(network, Seeds(tuple((text, 1.0) for text in kmers), ()))
    with torch.no_grad():
        network.junctions.weight[:, 20:] = 0
    return network


def windows(network, repertoire, weights):
    parts = torch.zeros(len(repertoire), network.architecture.width)
    parts[:, : len(weights)] = torch.tensor(weights)
    return Windows.of(network, network.tables([repertoire]), repertoire, parts)


def test_windows_lie_where_a_kernel_fits_best(network):
    repertoire = receptors("CASSFENQYF", "CSFENLLLLF", "CWWWLLSFEN")
    (motif,) = windows(network, repertoire, [2.0]).motifs(FLAT, ["SFEN"])
    assert motif.consensus == "SFEN"
    assert (motif.share, motif.receptors, motif.seed) == (1, pytest.approx(3), "SFEN")
    np.testing.assert_allclose(motif.matrix.sum(1), 1)
    start = 2
    letters = [ALPHABET.index(letter) for letter in "SFEN"]
    expected = (3 + 0.05) / 4  # a receptor of background beside the three
    np.testing.assert_allclose(motif.matrix[range(start, start + 4), letters], expected)
    behind = motif.matrix[start + 4]  # Q, L, and the end of the third, which says nothing
    assert behind[ALPHABET.index("Q")] == pytest.approx((1 + 0.05 + 0.05) / 4)
    assert motif.information[start] > 2 > motif.information[start + 4] > 0


def test_what_receptors_add_is_their_weight(network):
    repertoire = receptors("CASSFENQYF", "CASSFENWYF")
    parts = torch.zeros(2, network.architecture.width)
    parts[:, 0] = torch.tensor([3.0, 1.0])
    parts[:, -1] = torch.tensor([4.0, -9.0])  # by the J gene; what is taken away has no weight
    found = Windows.of(network, network.tables([repertoire]), repertoire, parts)
    (motif,) = found.motifs(FLAT, [])
    assert motif.share == pytest.approx(4 / 8)
    assert motif.receptors == pytest.approx(4**2 / (3**2 + 1))
    column = motif.matrix[6] * (motif.receptors + 1) - FLAT
    assert column[ALPHABET.index("Q")] == pytest.approx(3 * column[ALPHABET.index("W")])
    assert motif.seed is None
    twice = (found + found).motifs(FLAT, [])[0]
    assert twice.receptors == pytest.approx(2 * motif.receptors)


def test_motifs_that_are_alike_are_one(network):
    repertoire = receptors("CASSFENADQQLWWYF", "CASSFENLDQQAWWYF", "CAPSFENGDQQKWWYF")
    first, second = windows(network, repertoire, [2.0, 1.0, 1.5]).motifs(
        FLAT, ["SFEN", "FEN.D", "QQ.WW"]
    )
    assert first.consensus == "ASSFEN.DQ"
    assert first.share == pytest.approx(3 / 4.5)
    assert second.share == pytest.approx(1.5 / 4.5)
    assert "QQ.WW" in second.consensus
    assert (first.seed, second.seed) == ("SFEN", "QQ.WW")


def test_nothing_has_no_motif(network):
    repertoire = receptors("CASSFENQYF")
    assert windows(network, repertoire, [0.0]).motifs(FLAT, []) == ()
    nobody = repertoire.take(torch.tensor([False]))
    found = Windows.of(network, network.tables([repertoire]), nobody, torch.zeros(0, 15))
    assert found.motifs(FLAT, []) == ()


def test_the_matrix_can_be_planted_again(tmp_path):
    matrix = np.random.default_rng(0).dirichlet(np.ones(20), 9)
    motif = Motif(matrix, FLAT, 10.0, 1.0)
    motif.frame().write_csv(tmp_path / "motif.tsv", separator="\t")
    np.testing.assert_allclose(Planted.read(tmp_path / "motif.tsv").weights, matrix)


def test_residues_are_counted():
    counts = residue_counts(receptors("CASSF", "CSF"))
    assert dict(zip(ALPHABET, counts, strict=True)) == dict.fromkeys(ALPHABET, 0) | {
        "A": 1,
        "C": 2,
        "F": 2,
        "S": 3,
    }
