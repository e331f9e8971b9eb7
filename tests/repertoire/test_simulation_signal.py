"""Signals: they are where they were asked to be, and nothing else changes."""

import numpy as np
import pytest
from scipy.stats import entropy

from hopfield.errors import ArgumentError
from hopfield.repertoire import ALPHABET
from hopfield.repertoire.simulation import Background, Motif, Motifs, PublicClones

BACKGROUND = Background.default()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def receptors():
    return BACKGROUND.draw(np.random.default_rng(3), 3500).distinct()[:3000]


def implanted(signal, rng, receptors, witnesses=200):
    """Junctions with the signal, the same before, and what is said of them."""
    carriers = signal.implant(rng, receptors, witnesses)
    before = receptors[carriers.rows]
    assert len(carriers.receptors.distinct()) == witnesses == len(set(carriers.rows.tolist()))
    return list(carriers.receptors.junctions()), list(before.junctions()), carriers


@pytest.mark.parametrize(
    ("text", "words"), [("SFEN", ["SFEN"]), ("SF.EN", ["SF.EN"]), ("W,A..C", ["W", "A..C"])]
)
def test_words_replace_residues_between_the_anchors(text, words, rng, receptors):
    after, before, carriers = implanted(Motifs.parse(text), rng, receptors)
    assert set(carriers.motifs) == set(words)
    told = zip(after, before, carriers.motifs, carriers.positions.tolist(), strict=True)
    for new, old, word, position in told:
        start = position - 1
        assert 3 <= start <= len(old) - 3 - len(word)
        wanted = [o if w == "." else w for o, w in zip(old[start:], word, strict=False)]
        assert new == old[:start] + "".join(wanted) + old[start + len(word) :]


def test_every_place_that_keeps_the_anchors_is_used(rng, receptors):
    same_length = receptors[receptors.lengths == 14]
    _, _, carriers = implanted(Motifs.parse("SFEN"), rng, same_length, 150)
    assert set(carriers.positions.tolist()) == set(range(4, 9))


def test_motifs_of_a_gene_and_of_a_position(rng, receptors):
    signal = Motifs.parse("SFEN@TRBV5-1,W.W@TRBV20-1@7,ELR@2")
    after, before, carriers = implanted(signal, rng, receptors)
    for name, gene, position, word in (
        ("SFEN@TRBV5-1", "TRBV5-1", None, "SFEN"),
        ("W.W@TRBV20-1@7", "TRBV20-1", 7, "W.W"),
        ("ELR@2", None, 2, "ELR"),
    ):
        rows = [i for i, motif in enumerate(carriers.motifs) if motif == name]
        assert len(rows) > 30
        for row in rows:
            start = carriers.positions[row] - 1
            found = after[row][start : start + len(word)]
            assert all(w in (".", f) for w, f in zip(word, found, strict=True))
            assert position in (None, start + 1)
            assert len(after[row]) == len(before[row])
        v = {receptors.v_genes[i] for i in carriers.receptors.v[rows]}
        assert v == {gene} if gene else len(v) > 5


def test_a_matrix_is_drawn_from(rng, receptors):
    weights = np.zeros((3, 20))
    weights[0, [0, 1]] = 3, 1  # counts: A, C
    weights[2, 19] = 1  # Y, after a gap
    after, before, carriers = implanted(Motifs((Motif("m", weights),)), rng, receptors, 1000)
    starts = (carriers.positions - 1).tolist()
    words = [text[i : i + 3] for text, i in zip(after, starts, strict=True)]
    kept = [text[i + 1] for text, i in zip(before, starts, strict=True)]
    assert [word[1] for word in words] == kept
    assert {word[2] for word in words} == {"Y"}
    assert np.mean([word[0] == "A" for word in words]) == pytest.approx(0.75, abs=0.05)
    assert {word[0] for word in words} == {"A", "C"}


@pytest.mark.parametrize("bits", [0.5, 2.5, 4.3])
def test_a_matrix_round_a_consensus_has_its_information(bits):
    motif = Motif.around("SF.EN", bits, seed=3)
    letters = motif.weights[[0, 1, 3, 4]]
    assert "".join(ALPHABET[i] for i in letters.argmax(1)) == "SFEN"
    assert not motif.weights[2].any()
    np.testing.assert_allclose(np.log2(20) - entropy(letters, base=2, axis=1), bits, atol=1e-6)
    assert (Motif.around("SF.EN", bits, seed=4).weights != motif.weights).any()
    parsed = Motif.parse(f"SF.EN~{bits}@TRBV9@4")
    assert (parsed.gene, parsed.position, len(parsed)) == ("TRBV9", 4, 5)
    np.testing.assert_allclose(parsed.weights, Motif.around("SF.EN", bits).weights)


def test_a_matrix_is_read_from_a_file(tmp_path):
    rows = ["\t".join(["position", *reversed(ALPHABET)]), "\t".join(["1", *map(str, range(20))])]
    (tmp_path / "tetramer.tsv").write_text("\n".join(rows) + "\n")
    motif = Motif.read(tmp_path / "tetramer.tsv")
    assert motif.name == "tetramer"
    np.testing.assert_allclose(motif.weights, np.arange(20)[None, ::-1] / 190)
    (tmp_path / "wrong.tsv").write_text("A\tC\n1\t2\n")
    with pytest.raises(ArgumentError, match="has no column D, E, F"):
        Motif.read(tmp_path / "wrong.tsv")
    header = "\t".join(ALPHABET) + "\n"
    for junk in (b"", b"\0\xff\n" * 9, (header + "x\t" * 19 + "1\n").encode(), header.encode()):
        (tmp_path / "wrong.tsv").write_bytes(junk)
        with pytest.raises(ArgumentError, match="wrong") as caught:
            Motif.read(tmp_path / "wrong.tsv")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mismatches", [0, 1, 3])
def test_clones_are_public_and_differ_in_a_few_residues(mismatches, receptors):
    source = np.random.default_rng(5)
    signal = PublicClones(30, mismatches).prepared(source, BACKGROUND)
    clones = set(signal.clones.junctions())
    assert len(signal.clones.distinct()) == 30
    differences, held = [], []
    for seed in range(10):
        after, _, carriers = implanted(signal, np.random.default_rng(seed), receptors, 20)
        assert set(carriers.motifs) <= clones
        assert set(carriers.positions.tolist()) == {0}
        held.append(frozenset(carriers.motifs))
        for copy, clone in zip(after, carriers.motifs, strict=True):
            assert len(copy) == len(clone)
            assert (copy[:3], copy[-3:]) == (clone[:3], clone[-3:])
            differences.append(sum(a != b for a, b in zip(copy, clone, strict=True)))
    assert set(differences) == set(range(mismatches + 1))
    assert len(set(held)) > 5
    with pytest.raises(ArgumentError, match="cannot hold 31 of 30 clones"):
        signal.implant(np.random.default_rng(0), receptors, 31)


def test_witnesses_that_would_become_equal_are_others(rng, receptors):
    """Words that leave little of a junction make many receptors alike."""
    short = receptors[receptors.lengths == 10]
    carriers = Motifs.parse("SSSS,SSS.").implant(rng, short, len(short) // 2)
    assert len(carriers.receptors.distinct()) == len(short) // 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it has no residue"),
        ("SFXN", "'X' is no residue"),
        ("sfen", "'s' is no residue"),
        ("....", "it has no residue"),
        ("SFEN,", "it has no residue"),
        ("SFEN@4@5", "one V gene and one position"),
        ("SFEN@TRBV9@TRBV2", "one V gene and one position"),
        ("SFEN@0", "position is 0"),
        ("SFEN@99999999999999999999", "position is 99999999999999999999; at most 255"),
        ("SFEN~1e-17", "bits is 1e-17"),
        ("SFEN~5", "bits is 5.0; above 1e-06 and below 4.32"),
        ("SFEN~", "'' is no number of bits"),
        ("SF\udcffN", r"'\\udcff' is no residue"),
    ],
)
def test_texts_that_are_no_motif(text, message):
    with pytest.raises(ArgumentError, match=message):
        Motifs.parse(text)


def test_bad_signals(rng, receptors):
    for weights, message in (
        (np.ones(20), r"shape \(20,\)"),
        (np.ones((2, 21)), r"shape \(2, 21\)"),
        (np.zeros((2, 20)), "not all 0"),
        (np.full((2, 20), np.nan), "numbers from 0 to"),
        (np.full((2, 20), 1e308), "numbers from 0 to"),
    ):
        with pytest.raises(ArgumentError, match=message):
            Motif("m", weights)
    with pytest.raises(ArgumentError, match="motifs is empty"):
        Motifs(())
    with pytest.raises(ArgumentError, match="number is 0"):
        PublicClones(0)
    with pytest.raises(ArgumentError, match="number is 1000000000; more than 10,000,000 would not"):
        PublicClones(10**9)
    with pytest.raises(ArgumentError, match="mismatches is -1"):
        PublicClones(mismatches=-1)
    with pytest.raises(ArgumentError, match="clones are drawn first"):
        PublicClones().implant(rng, receptors, 3)
    with pytest.raises(ArgumentError, match="'TRBV99', which the background does not have"):
        Motifs.parse("SFEN@TRBV99").implant(rng, receptors, 3)
    with pytest.raises(ArgumentError, match=r"is for 500 of 3000 receptors, but only \d+ can"):
        Motifs.parse("SFEN@TRBV9").implant(rng, receptors, 500)
    with pytest.raises(ArgumentError, match="only 0 can carry it"):
        Motifs.parse("S" * 40).implant(rng, receptors, 1)
