"""What `check` says of cohorts: every file, every reason, every label, every problem."""

import gzip
import shutil

import pytest

from hopfield.errors import ArgumentError
from hopfield.repertoire.checking import check
from hopfield.repertoire.simulation import simulate

HEADER = "junction_aa\tv_call\tj_call\tduplicate_count\n"
EMPTY = (
    "it is empty; a header and a row for each receptor are expected: export or transfer it again"
)
BETA, ALPHA = "TRBV5-1\tTRBJ2-7", "TRAV1-2\tTRAJ33"


def receptors(*middles, genes=BETA, count=1):
    return HEADER + "".join(f"CASS{middle}F\t{genes}\t{count}\n" for middle in middles)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.tsv").write_text(receptors("A", "C", "A", "*"))
    (tmp_path / "b.tsv").write_text(receptors("D", "E", count=1000))
    (tmp_path / "c.tsv").write_text(receptors("G", "*", "X"))
    return tmp_path


def section(found, title):
    """The lines of a section of the report; none if it is not there."""
    sections = dict(part.split("\n", 1) for part in str(found).split("\n\n")[1:])
    return [line.strip() for line in sections.get(title, "").splitlines()]


def test_every_file_and_every_reason_is_there(folder):
    found = check(folder)
    assert str(found).startswith(f"{folder}: 3 of 3 repertoires can be used\n\nFiles\n")
    assert [line.split() for line in section(found, "Files")] == [
        ["repertoire_id", "filename", "format", "rows", "dropped", "receptors", "count"],
        ["a", "a.tsv", "airr", "4", "1", "2", "3"],
        ["b", "b.tsv", "airr", "2", "0", "2", "2,000"],
        ["c", "c.tsv", "airr", "3", "2", "1", "1"],
        ["total", "9", "3", "5", "2,004"],
    ]
    assert section(found, "Dropped") == [
        "stop codon (*): 2 rows in 2 files",
        "unknown residue (X): 1 row in 1 file",
    ]
    assert section(found, "Changed") == ["merged: 1 row in 1 file"]
    assert section(found, "Receptors") == ["TRB 5"]
    for title in ("Metadata", "Notes", "Problems"):
        assert section(found, title) == []
    assert found.problems == ()


def test_labels_subjects_and_batches_are_told(folder):
    shutil.copy(folder / "a.tsv", folder / "d.tsv")
    with (folder / "d.tsv").open("a") as file:
        file.write("CASSF\tTRBV99\tTRBJ1-1\t1\n")
    (folder / "metadata.tsv").write_text(
        "file\tdx\tage\tstage\tdonor\trun\tsite\tkind\tempty\n"
        "a.tsv\tMS\t30\t1\tp1\t01\tOslo\tx\t\n"
        "b.tsv\tHC\t41.5\t2\tp1\t02\tOslo\tX\t\n"
        "c.tsv\tMS\t\t3\tp2\t01\t\ty\t\n"
        "d.tsv\tunknown\t50\t3\t\t01\tOslo\tz\t\n"
    )
    found = check(folder / "metadata.tsv")
    assert section(found, "Metadata") == [
        "dx: two classes, 'HC' 1, 'MS' 2; 'MS' is the positive one; 1 without",
        "age: a quantity from 30 to 50, median 41.5; 1 without",
        "stage: 3 classes, '1' 1, '2' 1, '3' 2",
        "donor: 2 subjects, 1 of them with several repertoires; 1 without",
        "run: 2 batches, '01' 3, '02' 1",
        "site: 'Oslo' only; 1 without",
        "kind: no label (column 'kind' has 'X' and 'x'; write them alike)",
        "empty: empty; 4 without",
    ]
    notes = section(found, "Notes")
    assert notes[0] == "column 'dx': 'unknown' is taken for an empty cell, in 1 row"
    assert notes[1].startswith("V genes not known")
    assert found.problems == ()


def test_quantities_and_many_classes_are_short(folder):
    names = [f"{i:02}.tsv" for i in range(12)]
    for i, name in enumerate(names):
        (folder / name).write_text(receptors("A" * (i + 1)))
    rows = [f"{name},{i + 20},s{i % 9}" for i, name in enumerate([*names, *names[:0]])]
    (folder / "metadata.csv").write_text("\n".join(["file,age,site", *rows]))
    assert section(check(folder), "Metadata") == [
        "age: a quantity from 20 to 31, median 25.5",
        "site: 9 classes, " + ", ".join(f"'s{i}' {2 if i < 3 else 1}" for i in range(8)) + ", …",
    ]


def test_every_problem_is_told_at_once(folder):
    shutil.copy(folder / "a.tsv", folder / "d.tsv")
    (folder / "e.tsv").write_text("")
    (folder / "f.tsv").write_text(receptors("A", genes=ALPHA))
    (folder / "metadata.csv").write_text(
        "id,file,dx\n1,a.tsv,MS\n2,b.tsv,MS\n3,d.tsv,\n4,e.tsv,HC\n5,f.tsv,HC\n6,g.tsv,HC\n"
    )
    found = check(folder, labels=["dx"])
    assert str(found).startswith(
        f"{folder}: 4 of 6 repertoires can be used, 4 problems\n\nProblems"
    )
    assert found.usable == 4
    assert found.loci == {"TRA": 1, "TRB": 6}
    assert [problem.replace(f"{folder}/", "") for problem in found.problems] == [
        "the repertoires have receptors of 2 loci, TRA 1, TRB 6; choose one with locus (--locus), "
        "the others are left out then",
        f"'4' ('e.tsv'): {EMPTY}",
        "'6' ('g.tsv'): there is no such file",
        "'1', '3' have the same content; if a model learns from one and is tested on another, it "
        "looks too good",
    ]
    assert section(found, "Files")[4].split() == ["4", "e.tsv"]
    assert found.table["problem"].to_list()[3:] == [EMPTY, None, "there is no such file"]
    found = check(folder, labels=["dx"], locus="TRB")
    assert found.usable == 3
    assert "column 'dx' has one value, 'MS'; a label needs two" in found.problems
    with pytest.raises(ArgumentError, match="locus is 'TCRB'"):
        check(folder, locus="TCRB")
    with pytest.raises(ArgumentError, match=r"no column 'dy' to be a label, but 'dx'$"):
        check(folder, labels=["dx", "dy"])


def test_rows_that_are_named_wrongly_are_problems_beside_the_others(folder):
    (folder / "metadata.csv").write_text(
        "id,file\nx,a.tsv\nx,b.tsv\n,d.tsv\n,../a.tsv\ny,none.tsv\nz,c.tsv\nw,d.tsv\n"
    )
    found = check(folder)
    assert found.usable == 1
    one_file = "a repertoire is one file: join them, or leave all but one out"
    unique = f"its id is not unique; {one_file}; id_column (--id-column) may be the column of files"
    away = "it lies outside the folder of the metadata; outside=True (--outside) allows it"
    assert [problem.replace(f"{folder}/", "") for problem in found.problems] == [
        f"'x' ('a.tsv'): {unique}",
        f"'x' ('b.tsv'): {unique}",
        "'' ('d.tsv'): it has no id",
        f"'' ('../a.tsv'): it has no id; {away}",
        "'y' ('none.tsv'): there is no such file",
        "'w' ('d.tsv'): 2 repertoires name its file: split it into a file for each",
    ]


def test_of_many_files_those_are_listed_that_are_not_fine(folder, monkeypatch):
    (folder / "d.tsv").write_text("")
    assert len(section(check(folder), "Files")) == 6
    monkeypatch.setattr("hopfield.repertoire.checking.MANY", 3)
    lines = section(check(folder), "Files")
    assert [line.split()[0] for line in lines] == ["repertoire_id", *"acd", "total", "1"]
    assert lines[-2].endswith("2,004")
    assert lines[-1] == "1 other: nothing dropped, no problem"


def test_one_file_is_a_cohort(folder):
    packed = folder / "a.tsv.gz"
    packed.write_bytes(gzip.compress((folder / "a.tsv").read_bytes()))
    for path in (folder / "a.tsv", packed):
        found = check(path)
        assert str(found).startswith(f"{path}: 1 of 1 repertoires can be used\n")
        assert found.table["receptors"].to_list() == [2]


def test_no_control_character_of_a_file_reaches_the_terminal(folder):
    evil = "\x1b[31mx\x9b\u202e"
    (folder / f"{evil}.tsv").write_text(receptors("A").replace("TRBV5-1", f"TRBV{evil}"))
    (folder / "metadata.csv").write_text(
        f"id,file,l{evil},age\n{evil},{evil}.tsv,{evil},1\nb,b.tsv,y,2\n{evil}2,{evil}2.tsv,,\n"
        f"c,c.tsv,,{evil}\n"
    )
    found = check(folder, labels=[f"l{evil}"])
    text = str(found)
    assert all(line.isprintable() for line in text.split("\n"))
    assert text.count("\\x1b[31m") > 5


def test_the_truth_of_a_simulation_is_no_table_that_was_forgotten(tmp_path):
    found = check(simulate(tmp_path / "out", repertoires=2, sequences=20, witness=1))
    assert (found.notes, found.problems) == ((), ())
