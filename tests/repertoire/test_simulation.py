"""Simulated cohorts: in memory, on disk, from the shell."""

import argparse
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

from hopfield.cli.repertoire import simulate as command
from hopfield.errors import ArgumentError, FileError, MissingExtraError
from hopfield.repertoire.dataset import RepertoireDataset
from hopfield.repertoire.simulation import (
    Background,
    Motif,
    Motifs,
    Olga,
    PublicClones,
    simulate,
    simulated,
)
from hopfield.repertoire.simulation.folder import Folder

RECEPTOR = ["junction_aa", "v_call", "j_call"]
AIRR = {  # columns that the AIRR schema demands, and those that simulations fill
    "sequence_id", "sequence", "rev_comp", "productive", "v_call", "d_call", "j_call",
    "sequence_alignment", "germline_alignment", "junction", "junction_aa", "v_cigar", "d_cigar",
    "j_cigar", "duplicate_count", "locus",
}  # fmt: skip


def small(**settings):
    return {"repertoires": 6, "sequences": 500, "witness": 0.02, **settings}


def same(one, other):
    assert (one.locus, one.v_genes, one.j_genes) == (other.locus, other.v_genes, other.j_genes)
    for name, array in one.arrays().items():
        assert torch.equal(array, other.arrays()[name])


def contents(folder):
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_truth_is_in_the_positive_repertoires_and_nowhere_else():
    found = simulated(**small(signal="WWWW"))
    diagnosis = found.metadata["diagnosis"].to_list()
    assert diagnosis.count("positive") == diagnosis.count("healthy") == 3
    ids = found.metadata["repertoire_id"]
    for name, label, repertoire in zip(ids, diagnosis, found.repertoires, strict=True):
        frame, truth = repertoire.frame(), found.truth.filter(repertoire_id=name)
        assert frame.height == 500
        assert truth.height == (10 if label == "positive" else 0)
        assert frame.join(truth, on=RECEPTOR).height == truth.height
        assert frame["junction_aa"].str.contains("WWWW").sum() == truth.height
    starts = found.truth["position"] - 1
    assert (found.truth["junction_aa"].str.slice(starts, 4) == "WWWW").all()


@pytest.mark.parametrize(
    ("signal", "witness"), [("ELR@4,CCC", 0.2), (PublicClones(40, 1), 30), ("SFEN~2@TRBV20-1", 8)]
)
def test_all_repertoires_have_the_same_size_whatever_is_implanted(signal, witness):
    found = simulated(**small(signal=signal, witness=witness))
    assert {len(repertoire) for repertoire in found.repertoires} == {500}
    each = found.truth.group_by("repertoire_id").agg(pl.struct(RECEPTOR).n_unique())
    wanted = witness if witness >= 1 else round(witness * 500)
    assert each["junction_aa"].to_list() == 3 * [wanted]


def test_a_repertoire_depends_on_the_seed_and_its_number_alone():
    few, many, other = (
        simulated(**small(repertoires=number, seed=seed, subjects=4, batches=2))
        for number, seed in ((3, 1), (6, 1), (3, 2))
    )
    for one, another in zip(few.repertoires, many.repertoires[:3], strict=True):
        same(one, another)
    assert_frame_equal(few.metadata, many.metadata[:3])
    assert_frame_equal(few.truth, many.truth[: few.truth.height])
    assert not torch.equal(few.repertoires[0].residues, other.repertoires[0].residues)


@pytest.mark.parametrize(
    ("positive", "wanted"), [(0.0, 0), (0.1, 4), (0.5, 20), (2 / 3, 26), (1, 40)]
)
def test_the_share_of_positives(positive, wanted):
    found = simulated(repertoires=40, sequences=20, witness=1, positive=positive)
    assert (found.metadata["diagnosis"] == "positive").sum() == wanted
    assert found.truth.height == wanted


def test_numbers_of_witnesses_from_a_poisson_distribution():
    found = simulated(repertoires=60, sequences=100, witness=4, positive=1, poisson=True)
    numbers = found.metadata.join(
        found.truth.group_by("repertoire_id").len(), on="repertoire_id", how="left"
    )["len"].fill_null(0)
    assert 3 < numbers.mean() < 5
    assert 2 < numbers.var() < 7
    clones = PublicClones(5)
    capped = simulated(**small(signal=clones, witness=5, positive=1, poisson=True)).truth
    assert capped.group_by("repertoire_id").len()["len"].max() == 5


def test_repertoires_of_a_subject():
    found = simulated(**small(subjects=3))
    people = found.metadata.group_by("subject_id", maintain_order=True)
    known = people.agg(pl.col("diagnosis", "sex", "age").n_unique(), pl.len())
    assert known.rows() == [(f"subject-0000{i}", 1, 1, 1, 2) for i in (1, 2, 3)]
    frames = [repertoire.frame().select(RECEPTOR) for repertoire in found.repertoires]
    common = [frames[0].join(frame, on=RECEPTOR).height for frame in frames[1:]]
    assert common[2] >= 95  # a fifth of 500, less what implants replaced
    assert max(common[:2] + common[3:]) < 20


def test_confounders():
    found = simulated(
        repertoires=40,
        sequences=400,
        witness=1,
        depth_effect=0.5,
        batches=3,
        batch_bias=0.9,
        seed=1,
    )
    table = found.metadata.with_columns(size=pl.Series([len(one) for one in found.repertoires]))
    sizes = dict(table.select("diagnosis", "size").unique().iter_rows())
    assert sizes == {"healthy": 400, "positive": 600}
    first = pl.col("batch") == "batch-1"
    shares = dict(table.group_by("diagnosis").agg(first.mean()).iter_rows())
    assert shares["positive"] > 0.75
    assert shares["healthy"] < 0.6
    assert set(table["batch"]) == {"batch-1", "batch-2", "batch-3"}


def test_batches_differ_in_their_v_genes():
    found = simulated(repertoires=12, sequences=2000, witness=1, batches=2)
    names = Background.default().v_genes
    usage = np.array(
        [
            np.bincount(np.searchsorted(names, one.v_genes)[one.v], minlength=len(names)) / 2000
            for one in found.repertoires
        ]
    )
    batch = np.array(found.metadata["batch"])
    within = np.abs(usage[:, None] - usage[None]).sum(2) / 2
    alike = batch[:, None] == batch[None]
    assert within[~alike].min() > 1.5 * within[alike].max()
    assert set(batch) == {"batch-1", "batch-2"}


@pytest.mark.parametrize("gz", [False, True])
def test_files_hold_what_is_made_in_memory(gz, tmp_path):
    settings = small(signal="SF.EN,WW", subjects=4)
    path = simulate(tmp_path / "out", gz=gz, **settings)
    made = simulated(**settings)
    data = RepertoireDataset.from_metadata(path)
    assert data.problems == ()
    for one, other in zip(data, made.repertoires, strict=True):
        same(one, other)
    assert_frame_equal(data.metadata.select(made.metadata.columns), made.metadata)
    assert_frame_equal(pl.read_csv(path.with_name("truth.tsv"), separator="\t"), made.truth)
    file = tmp_path / "out" / pl.read_csv(path, separator="\t")["filename"][0]
    assert file.name == "repertoire-00001.tsv" + ".gz" * gz
    assert set(pl.read_csv(file, separator="\t").columns) == AIRR
    assert not any(reading.dropped or reading.changed for reading in data.readings)


def test_a_simulation_that_was_stopped_goes_on(tmp_path, monkeypatch):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    simulate(whole, **small())
    keep = Folder.keep

    def stop_at_3(folder, i, made):
        if i == 3:
            raise KeyboardInterrupt
        keep(folder, i, made)

    monkeypatch.setattr(Folder, "keep", stop_at_3)
    with pytest.raises(KeyboardInterrupt):
        simulate(broken, **small())
    assert not (broken / "metadata.tsv").exists()
    monkeypatch.setattr(Folder, "keep", keep)
    times = {path: path.stat().st_mtime_ns for path in (broken / "repertoires").iterdir()}
    assert len(times) == 3
    simulate(broken, **small())
    assert contents(broken) == contents(whole)
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())


def test_a_cohort_grows(tmp_path):
    simulate(tmp_path / "out", **small(repertoires=2))
    simulate(tmp_path / "out", **small(repertoires=4))
    simulate(tmp_path / "whole", **small(repertoires=4))
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    pwm = Motifs((Motif.around("SFEN", 2.0),))
    simulate(tmp_path / "out", **small(signal=pwm))
    before = contents(tmp_path)
    changes = {"seed": 1, "sequences": 400, "signal": Motifs((Motif.around("SFEN", 2.0, seed=1),))}
    for name, value in changes.items():
        with pytest.raises(ArgumentError, match=f"a simulation with other settings .*{name}"):
            simulate(tmp_path / "out", **{**small(signal=pwm), name: value})
    with pytest.raises(ArgumentError, match="gz: false, now true"):
        simulate(tmp_path / "out", gz=True, **small(signal=pwm))
    with pytest.raises(ArgumentError, match="is not empty and holds no simulation"):
        simulate(tmp_path, **small())
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"repertoires": 0}, "repertoires is 0"),
        ({"sequences": 0}, "sequences is 0"),
        ({"witness": 0}, "witness is 0"),
        ({"witness": 0.0001}, "0.05 of 500 receptors; at least one"),
        ({"witness": 501}, "at most all"),
        ({"positive": 1.5}, "positive is 1.5"),
        ({"batches": 0}, "batches is 0"),
        ({"batches": 2, "batch_bias": -1}, "batch_bias is -1"),
        ({"depth_effect": -1}, "depth_effect is -1"),
        ({"depth_effect": math.nan}, "depth_effect is nan"),
        ({"depth_effect": math.inf}, "depth_effect is inf"),
        ({"depth_effect": 1e6}, "would not fit into memory"),
        ({"sequences": 10**9}, "sequences is 1000000000; more than 10,000,000 would not fit"),
        ({"repertoires": 10**30}, "would not fit"),
        ({"batches": 10**30}, "would not fit"),
        ({"subjects": 10**30}, "would not fit"),
        ({"subjects": 0}, "subjects is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"batch_bias": 0.5}, "it needs several batches"),
        ({"signal": "SF*N"}, "is no residue"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ArgumentError, match=message):
        simulated(**small(**settings))


def test_a_signal_that_is_none_leaves_no_folder(tmp_path):
    with pytest.raises(ArgumentError, match="is no residue"):
        simulate(tmp_path / "out", **small(signal="SF*N"))
    assert not (tmp_path / "out").exists()


def test_a_truth_that_is_damaged_is_named_and_can_be_made_again(tmp_path):
    out = tmp_path / "out[1]*\x1b"  # no pattern of names
    before = contents(simulate(out, **small()).parent)
    part = out / "truth" / "repertoire-00002.tsv"
    part.write_bytes(b"\xff\0junk\tx")
    with pytest.raises(FileError, match=r"00002\.tsv is damaged; remove it and .*00002\.tsv, and"):
        simulate(out, **small())
    part.unlink()
    (out / "repertoires" / part.name).unlink()
    simulate(out, **small())
    assert contents(out) == before


def test_a_background_of_few_receptors_says_so():
    few = Background.fit(simulated(repertoires=1, sequences=1, witness=1).repertoires)
    few.lengths[..., 5:] = 0
    few.lengths[0, 0, 1] = 1
    with pytest.raises(ArgumentError, match=r"only about \d+ distinct receptors"):
        simulated(repertoires=1, sequences=500, witness=1, background=few)


OLGA = """#!{python}
import sys
arguments = sys.argv[1:]
assert arguments[0] == "--humanTRA", "no such model"
number, seed, path = (arguments[arguments.index(name) + 1] for name in ("-n", "--seed", "-o"))
residues = "ACDEFGHIKLMNPQRSTVWY"
with open(path, "w") as file:
    for i in range(int(number)):
        place, letters = i + int(seed), []
        for _ in range(6):
            place, letter = divmod(place, 20)
            letters.append(residues[letter])
        junction = "CA" + "".join(letters) + "GG"[: i % 3] + "NAGF"
        print("TGT", junction, f"TRAV{{i % 7 + 1}}*01", "TRAJ9", sep="\\t", file=file)
"""


@pytest.fixture
def olga(tmp_path, monkeypatch):
    """A program of OLGA's name that writes what OLGA writes."""
    import sys

    program = tmp_path / "bin" / "olga-generate_sequences"
    program.parent.mkdir()
    program.write_text(OLGA.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")


@pytest.mark.usefixtures("olga")
def test_receptors_of_olga():
    found = simulated(
        repertoires=2, sequences=300, signal="WWWW@TRAV3", witness=5, background=Olga("humanTRA")
    )
    again = simulated(
        repertoires=2, sequences=300, signal="WWWW@TRAV3", witness=5, background=Olga("humanTRA")
    )
    for one, other in zip(found.repertoires, again.repertoires, strict=True):
        same(one, other)
        assert (one.locus, len(one)) == ("TRA", 300)
        assert one.v_genes == tuple(f"TRAV{i}" for i in range(1, 8))
        assert one.frame()["junction_aa"].str.contains("^CA.*NAGF$").all()
    assert set(found.truth["v_call"]) == {"TRAV3"}
    with pytest.raises(ArgumentError, match=r"(?s)--mouseTRB -n \d+ .*no such model"):
        simulated(repertoires=1, sequences=10, witness=1, background=Olga("mouseTRB"))


def test_olga_is_not_installed(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtraError, match="olga-generate_sequences is not installed"):
        Olga("humanTRB")
    with pytest.raises(ArgumentError, match="a species and a locus are expected"):
        Olga("human")


def shell(*arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args([str(argument) for argument in arguments]))


def test_from_the_shell(tmp_path, capsys):
    size = ("--repertoires", 3, "--sequences", 200, "--witness", 3)
    shell(tmp_path / "motif", *size, "--motif", "SF.EN,ELR@4", "--gz", "--seed", 5)
    metadata = tmp_path / "motif" / "metadata.tsv"
    assert f"3 repertoires: {metadata}" in capsys.readouterr().out
    expected = simulated(repertoires=3, sequences=200, witness=3, signal="SF.EN,ELR@4", seed=5)
    for one, other in zip(
        RepertoireDataset.from_metadata(metadata), expected.repertoires, strict=True
    ):
        same(one, other)
    letters = "ACDEFGHIKLMNPQRSTVWY"
    (tmp_path / "w.tsv").write_text(
        "\t".join(letters) + "\n" + "\t".join(["0"] * 19 + ["1"]) + "\n"
    )
    shell(tmp_path / "pwm", *size, "--pwm", tmp_path / "w.tsv", "--background", metadata)
    shell(tmp_path / "clones", *size, "--clones", 9, "--mismatches", 1)
    assert set(pl.read_csv(tmp_path / "pwm" / "truth.tsv", separator="\t")["motif"]) == {"w"}
    assert pl.read_csv(tmp_path / "clones" / "truth.tsv", separator="\t")["position"].to_list() == [
        0,
        0,
        0,
    ]
    for wrong in (("--mismatches", 1), ("--locus", "TRB")):
        with pytest.raises(ArgumentError, match=f"{wrong[0]} was given but there"):
            shell(tmp_path / "wrong", *size, *wrong)
    assert not (tmp_path / "wrong").exists()
