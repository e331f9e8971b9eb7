"""Cohorts: what can be used is read, what cannot is told, and nothing is lost without a word."""

import gzip
import os
import shutil
import time
import warnings

import numpy as np
import pandas
import polars as pl
import pytest
from anndata import AnnData
from polars.testing import assert_frame_equal

import hopfield.repertoire.gather as gathering
from hopfield.errors import ArgumentError, DataWarning, FileError
from hopfield.repertoire import Repertoire
from hopfield.repertoire.dataset import RepertoireDataset
from hopfield.repertoire.reading import Reading, read

HEADER = "junction_aa\tv_call\tj_call\tduplicate_count\n"
BETA, ALPHA = "TRBV5-1\tTRBJ2-7", "TRAV1-2\tTRAJ33"


def receptors(*middles, genes=BETA, count=1):
    return "".join(f"CASS{middle}F\t{genes}\t{count}\n" for middle in middles)


FILES = {
    "a.tsv": HEADER + receptors("A", "C", "A", "X", "*"),
    "b.tsv": HEADER + receptors("D", "E", count=3),
    "c.tsv": HEADER + receptors("G"),
}
TABLE = "repertoire_id,filename,dx,age\nr3,c.tsv,MS,33\nr1,a.tsv,,\nr2,b.tsv,HC,41\n"


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "metadata.csv").write_text(TABLE)
    return tmp_path


def junctions(data):
    return [repertoire.junctions().to_list() for repertoire in data]


def quiet(call, *arguments, **options):
    """What a call gives, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        given = call(*arguments, **options)
    assert all(warning.category is DataWarning for warning in caught)
    assert all(warning.filename == __file__ for warning in caught)
    return given, [str(warning.message) for warning in caught]


def test_a_cohort_is_in_the_order_of_its_metadata(folder):
    data = RepertoireDataset.from_metadata(folder / "metadata.csv")
    assert len(data) == 3
    assert data.locus == "TRB"
    assert data.ids == ("r3", "r1", "r2")
    assert junctions(data) == [["CASSGF"], ["CASSAF", "CASSCF"], ["CASSDF", "CASSEF"]]
    assert isinstance(data[1], Repertoire)
    assert [reading.path.name for reading in data.readings] == ["c.tsv", "a.tsv", "b.tsv"]
    assert data.metadata.columns == ["repertoire_id", "filename", "dx", "age"]
    assert data.problems == ()
    np.testing.assert_array_equal(data.target("dx").values, [1, np.nan, 0])
    np.testing.assert_array_equal(data.target("age", "regression").values, [33, np.nan, 41])
    assert data.target("dx", positive="HC").classes == ("MS", "HC")
    with pytest.raises(ArgumentError, match="no column 'diagnosis', but 'repertoire_id', 'filen"):
        data.target("diagnosis")


def test_a_folder_is_read_with_its_metadata_or_without(folder):
    assert RepertoireDataset.from_folder(folder).ids == ("r3", "r1", "r2")
    (folder / "metadata.csv").unlink()
    data = RepertoireDataset.from_folder(folder)
    assert data.ids == ("a", "b", "c")
    assert data.metadata.columns == ["repertoire_id", "filename"]
    with pytest.raises(ArgumentError, match=r"a\.tsv is no folder"):
        RepertoireDataset.from_folder(folder / "a.tsv")


def test_every_row_is_in_the_summary(folder):
    expected = {
        "repertoire_id": ["r3", "r1", "r2"],
        "filename": ["c.tsv", "a.tsv", "b.tsv"],
        "format": ["airr"] * 3,
        "rows": [1, 5, 2],
        "receptors": [1, 2, 2],
        "count": [1, 3, 6],
        "dropped: stop codon (*)": [0, 1, 0],
        "dropped: unknown residue (X)": [0, 1, 0],
        "changed: merged": [0, 1, 0],
    }
    summary = RepertoireDataset.from_metadata(folder / "metadata.csv").summary()
    assert summary.to_dict(as_series=False) == expected


@pytest.mark.parametrize("rows", [[2, 0], np.array([2, 0]), [-1, -3]])
def test_a_part_keeps_everything_together(folder, rows):
    whole = RepertoireDataset.from_metadata(folder / "metadata.csv")
    part = whole.subset(rows)
    assert part.ids == ("r2", "r3")
    assert junctions(part) == [["CASSDF", "CASSEF"], ["CASSGF"]]
    assert [reading.path.name for reading in part.readings] == ["b.tsv", "c.tsv"]
    assert part.metadata["age"].to_list() == [41, 33]
    assert whole.subset([True, False, True]).ids == ("r3", "r2")
    assert len(whole.subset([])) == 0
    assert whole[1:].ids == whole.subset([1, 2]).ids


BAD = {
    "empty.tsv": (b"", "it is empty; a header and a row for each receptor are expected: export"),
    "header.tsv": (
        HEADER.encode(),
        "no rows below it; a row for each receptor is expected: export",
    ),
    "stops.tsv": (
        (HEADER + receptors("*", "*", "X")).encode(),
        r"all of its rows are dropped: stop codon \(\*\) 2, unknown residue \(X\) 1",
    ),
    "broken.tsv.gz": (gzip.compress(FILES["a.tsv"].encode())[:-9], "its gzip stream is broken"),
    "notes.txt": (b"hello\nworld\n", "its header is of no known format"),
    "image.csv": (b"\0\1\2\3\n", "it is binary"),
}


@pytest.mark.parametrize("name", BAD)
def test_one_bad_file_is_left_out_and_told(folder, name):
    content, message = BAD[name]
    (folder / name).write_bytes(content)
    path = folder / "metadata.csv"
    path.write_text(TABLE + f"bad,{name},MS,20\n")
    data, warned = quiet(RepertoireDataset.from_metadata, path)
    assert data.ids == ("r3", "r1", "r2")
    assert len(data.metadata) == len(data.readings) == 3
    (problem,) = data.problems
    assert (problem.id, problem.path) == ("bad", folder / name)
    assert warned == [f"1 of 4 repertoires are left out: {problem}"]
    with pytest.raises(FileError, match=message) as caught:
        RepertoireDataset.from_metadata(path, strict=True)
    assert str(caught.value) == warned[0]


def test_files_that_are_not_there(folder):
    (folder / "d.tsv").mkdir()
    (folder / "loop.tsv").symlink_to("loop.tsv")
    (folder / "e.tsv.gz").write_bytes(gzip.compress(FILES["b.tsv"].encode()))
    path = folder / "metadata.csv"
    os.mkfifo(folder / "pipe.tsv")
    rows = "4,none.tsv,,\n5,d.tsv,,\n6,,,\n7,E.tsv,,\n8,loop.tsv,,\n9,pipe.tsv,,\n"
    path.write_text(TABLE + rows + f"10,{'x' * 3000}.tsv,,\n")
    data, warned = quiet(RepertoireDataset.from_metadata, path)
    assert len(data) == 3
    assert {problem.id: problem.message for problem in data.problems} == {
        "4": "there is no such file",
        "5": "it is no file",
        "6": "no file is named for it, or called like it",
        "7": "there is no such file, but 'e.tsv.gz'",
        "8": "there is no such file",
        "9": "it is no file",
        "10": "File name too long",
    }
    assert warned[0].startswith("7 of 10 repertoires are left out: '4' (")
    assert warned[0].endswith("; and 4 more")


def test_a_cohort_of_which_nothing_is_left_is_an_error(folder):
    path = folder / "metadata.csv"
    path.write_text("id,file\n1,x.tsv\n2,y.tsv\n")
    with pytest.raises(FileError, match=r"2 of 2 repertoires are left out: '1' .* no such file"):
        RepertoireDataset.from_metadata(path)
    with pytest.raises(FileError, match=r"3 of 3 .* it has no receptor of IGH, but TRB 1"):
        RepertoireDataset.from_folder(_without_metadata(folder), locus="IGH")


def _without_metadata(folder):
    (folder / "metadata.csv").unlink()
    return folder


def test_loci_are_never_pooled(folder):
    (folder / "both.tsv").write_text(
        HEADER + receptors("A", "A", "D", genes=ALPHA) + receptors("A", "Y")
    )
    (folder / "other.tsv").write_text(HEADER + receptors("A", genes=ALPHA))
    _without_metadata(folder)
    message = "receptors of 2 loci, TRA 3, TRB 7; choose one with locus"
    with pytest.raises(ArgumentError, match=message):
        RepertoireDataset.from_folder(folder)
    data, warned = quiet(RepertoireDataset.from_folder, folder, locus="TRB")
    assert data.ids == ("a", "b", "both", "c")
    assert junctions(data)[2] == ["CASSAF", "CASSYF"]
    assert all(set(reading.repertoires) == {"TRB"} for reading in data.readings)
    both = data.summary().row(2, named=True)
    assert both["dropped: of TRA, another locus"] == 2
    assert both["rows"] == 5 == both["receptors"] + both["changed: merged"] + 2
    assert data.problems[0].message == "it has no receptor of TRB, but TRA 1"
    assert len(warned) == 1
    with pytest.raises(FileError, match="1 of 5 repertoires are left out: 'other'"):
        RepertoireDataset.from_folder(folder, locus="TRB", strict=True)
    with pytest.raises(ArgumentError, match="locus is 'TCRB'; choose one of 'TRA', 'TRB'"):
        RepertoireDataset.from_folder(folder, locus="TCRB")


def test_copies_are_told(folder):
    shutil.copy(folder / "a.tsv", folder / "d.tsv")
    data, warned = quiet(RepertoireDataset.from_folder, _without_metadata(folder))
    assert len(data) == 4
    assert len(warned) == 1
    assert warned[0].startswith("'a', 'd' have the same content; ")


def test_the_digest_is_that_of_ids_and_receptors(folder, tmp_path_factory):
    data = RepertoireDataset.from_metadata(folder / "metadata.csv")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name, text in FILES.items():
        lines = text.splitlines()
        shuffled = "\r\n".join([lines[0], *reversed(lines[1:])])
        (elsewhere / f"x{name}.gz").write_bytes(gzip.compress(shuffled.encode()))
    table = TABLE.replace("r3,", "r3,x").replace("r1,", "r1,x").replace("r2,", "r2,x")
    (elsewhere / "metadata.csv").write_text(table.replace(".tsv", ".tsv.gz").replace("41", "42"))
    again = RepertoireDataset.from_metadata(elsewhere / "metadata.csv")
    assert again.digest == data.digest
    assert data.subset([0, 1]).digest != data.digest
    assert data.subset([1, 0, 2]).digest != data.digest
    (folder / "metadata.csv").write_text(TABLE.replace("r1", "r4"))
    assert RepertoireDataset.from_metadata(folder / "metadata.csv").digest != data.digest
    (folder / "metadata.csv").write_text(TABLE)
    (folder / "c.tsv").write_text(FILES["c.tsv"].replace("\t1\n", "\t2\n"))
    assert RepertoireDataset.from_metadata(folder / "metadata.csv").digest != data.digest


def test_what_is_kept_in_the_cache_is_the_same(folder, monkeypatch):
    path, cache = folder / "metadata.csv", folder / "cache"
    fresh = RepertoireDataset.from_metadata(path)
    first = RepertoireDataset.from_metadata(path, cache=cache)
    monkeypatch.setattr(Reading, "of_lines", None)  # no file is read again
    again = RepertoireDataset.from_metadata(path, cache=cache)
    assert fresh.digest == first.digest == again.digest
    assert_frame_equal(fresh.summary(), again.summary())


def test_a_cache_that_cannot_be_is_no_fault_of_the_files(folder):
    with pytest.raises(ArgumentError, match=r"metadata\.csv is a file; a folder"):
        RepertoireDataset.from_metadata(folder / "metadata.csv", cache=folder / "metadata.csv")


def test_a_file_that_may_not_be_opened_is_left_out(folder, monkeypatch):
    def refused(path, **how):
        if path.name == "a.tsv":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path, **how)

    monkeypatch.setattr(gathering, "read", refused)
    data, _ = quiet(RepertoireDataset.from_metadata, folder / "metadata.csv")
    assert [str(problem) for problem in data.problems] == [
        f"'r1' ({str(folder / 'a.tsv')!r}): Permission denied"
    ]


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_nothing(folder, workers, capsys):
    data = RepertoireDataset.from_metadata(folder / "metadata.csv", workers=workers, progress=True)
    assert data.ids == ("r3", "r1", "r2")
    assert junctions(data)[0] == ["CASSGF"]
    assert "files: 100%" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"), [("workers", 0), ("format", "arr"), ("longest", 0), ("longest", 300)]
)
def test_bad_options_are_errors_of_the_call(folder, option, value):
    with pytest.raises(ArgumentError, match=f"{option} is {value!r}"):
        RepertoireDataset.from_metadata(folder / "metadata.csv", **{option: value})


def test_an_interrupt_stops_the_files_that_wait(folder, monkeypatch):
    for i in range(50):
        shutil.copy(folder / "a.tsv", folder / f"z{i:02}.tsv")
    begun = []

    def slow(path, **how):
        begun.append(path)
        time.sleep(0.01)
        return read(path, **how)

    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(gathering, "read", slow)
    monkeypatch.setattr(gathering, "tqdm", interrupted)
    with pytest.raises(KeyboardInterrupt):
        RepertoireDataset.from_folder(_without_metadata(folder), workers=1)
    assert len(begun) < 50


def test_repertoires_that_are_there_already(folder):
    read = RepertoireDataset.from_metadata(folder / "metadata.csv")
    data = RepertoireDataset.from_repertoires(read)
    assert data.ids == ("0", "1", "2")
    assert data.readings == (None, None, None)
    assert data.summary()["receptors"].to_list() == [1, 2, 2]
    assert data.summary()["rows"].to_list() == [None] * 3
    metadata = pl.DataFrame(
        {"dx": [True, None, False], "repertoire_id": [7, 8, 9], "age": [1.5, None, 2.0]},
        schema_overrides={"dx": pl.Boolean},
    )
    data = RepertoireDataset.from_repertoires(iter(read), metadata)
    assert data.ids == ("7", "8", "9")
    assert data.metadata.schema == {
        "repertoire_id": pl.String,
        "dx": pl.String,
        "age": pl.Float64,
    }
    np.testing.assert_array_equal(data.target("dx").values, [1, np.nan, 0])
    assert RepertoireDataset.from_repertoires(read, read.metadata).digest == read.digest


def test_repertoires_that_do_not_belong_together(folder):
    read = list(RepertoireDataset.from_metadata(folder / "metadata.csv"))
    columns = {"junction_aa": ["CAF"], "v_call": [""], "j_call": [""], "duplicate_count": [1]}
    other = Repertoire.from_frame("TRA", pl.DataFrame(columns))
    empty = Repertoire.from_frame("TRB", pl.DataFrame(columns).clear())
    wrong = {
        r"2 loci \(TRA, TRB\)": ([*read, other], None),
        "0 loci": ([], None),
        "1 repertoires hold no receptor, the first is number 3": ([*read, empty], None),
        "metadata has 2 rows for 3 repertoires": (read, pl.DataFrame({"a": [1, 2]})),
        "ids that are missing or not unique": (read, pl.DataFrame({"repertoire_id": ["x"] * 3})),
    }
    wrong["ids that are missing"] = (read, pl.DataFrame({"repertoire_id": ["x", None, "y"]}))
    for message, (repertoires, metadata) in wrong.items():
        with pytest.raises(ArgumentError, match=message):
            RepertoireDataset.from_repertoires(repertoires, metadata)


def cells(**samples):
    """Cells with a receptor of TRB and one of TRA, or none (-), as scirpy 0.12 writes them."""
    chains = {
        "IR_VDJ_1_": {"v_call": "TRBV5-1", "j_call": "TRBJ2-7", "duplicate_count": 2.0},
        "IR_VJ_1_": {"v_call": "TRAV1-2", "j_call": "TRAJ33", "junction_aa": "CAVF"},
    }
    obs = []
    for name, middles in samples.items():
        for i, middle in enumerate(middles):
            known = {"sample": name, "dx": {"s1": "MS"}.get(name, "HC"), "age": len(middles)}
            own = {slot + field: text for slot in chains for field, text in chains[slot].items()}
            own["IR_VDJ_1_junction_aa"] = f"CASS{middle}F"
            obs.append(known | {"cluster": str(i)} | ({} if middle == "-" else own))
    return AnnData(obs=pandas.DataFrame(obs, index=[f"cell{i}" for i in range(len(obs))]))


def test_single_cells_become_repertoires_of_samples():
    data, warned = quiet(
        RepertoireDataset.from_anndata, cells(s2="ACA", s1="DE-", s3="-"), "sample", locus="TRB"
    )
    assert data.ids == ("s2", "s1")
    assert junctions(data) == [["CASSAF", "CASSCF"], ["CASSDF", "CASSEF"]]
    assert data[0].counts.tolist() == [4, 2]
    assert data.metadata.rows() == [("s2", "HC", 3), ("s1", "MS", 3)]
    assert data.metadata.columns == ["repertoire_id", "dx", "age"]
    assert warned[0].startswith("1 of 3 repertoires are left out: 's3' ")
    with pytest.raises(ArgumentError, match="locus is 'both'"):
        RepertoireDataset.from_anndata(cells(s1="A"), "sample", locus="both")
