"""Metadata in all the ways in which people write it, and one clear error where it is wrong."""

import json
import os

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hopfield.errors import ArgumentError, FileError
from hopfield.repertoire.columns import typed
from hopfield.repertoire.metadata import read_metadata

ROWS = "repertoire_id,filename,dx,age\nr1,a.tsv,MS,33\nr2,sub/b.tsv.gz,,41\n"
RECEPTORS = "junction_aa\tv_call\tj_call\nCASSF\tTRBV5-1\tTRBJ2-7\n"


@pytest.fixture
def write(tmp_path):
    """Write a file and give its path."""

    def written(text, name="metadata.csv"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return written


def rows(known):
    return known.frame.rows()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_is_read_however_it_is_written(write, separator, ending, encoding):
    text = ROWS.replace(",", separator).replace("\n", ending)
    path = write(text.encode(encoding))
    known = read_metadata(path)
    assert known.frame.columns == ["repertoire_id", "filename", "dx", "age"]
    assert rows(known) == [("r1", "a.tsv", "MS", 33), ("r2", "sub/b.tsv.gz", None, 41)]
    assert known.files == (path.parent / "a.tsv", path.parent / "sub" / "b.tsv.gz")
    assert known.notes == ()


@given(st.lists(st.tuples(*[st.text("ab,;\t\"'\n é1", max_size=6)] * 2), min_size=1, max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_quotes_hide_whatever_is_between_them(write, cells):
    quoted = ['"' + cell.replace('"', '""') + '"' for row in cells for cell in row]
    lines = [
        f"f{i},{a},{b}" for i, (a, b) in enumerate(zip(quoted[::2], quoted[1::2], strict=True))
    ]
    known = read_metadata(write("\n".join(["file,one,two", *lines])))
    for place, name in enumerate(("one", "two")):
        expected = [row[place].strip() or None for row in cells]
        assert known.frame[name].cast(pl.String).to_list() == expected


def test_names_of_columns_are_found(write):
    known = read_metadata(write("Sample ID\tFile.Name\tID\nx\ta.tsv\t7\n"))
    assert known.frame.columns == ["repertoire_id", "filename", "ID"]
    assert rows(known) == [("x", "a.tsv", 7)]
    known = read_metadata(write("#file.name\tsample.id\n./d\\a.txt.gz\ts\n", "metadata.txt"))
    assert rows(known) == [("s", "./d\\a.txt.gz")]
    assert known.files[0].parts[-2:] == ("d", "a.txt.gz")


def test_without_ids_the_names_of_the_files_are_the_ids(write):
    text = "path\nd/P1.clones.tsv.gz\nd\\P2.CSV\nP3\n"
    assert read_metadata(write(text)).frame["repertoire_id"].to_list() == ["P1.clones", "P2", "P3"]
    twice = write("id,file\nx,a.tsv\nx,b.tsv\n")
    known = read_metadata(twice, id_column="file")
    assert known.frame.columns == ["repertoire_id", "filename", "id"]
    assert known.frame["repertoire_id"].to_list() == ["a", "b"]
    empty = write("id,file\n,a.tsv\n ,b.tsv\n")
    assert read_metadata(empty).frame["repertoire_id"].to_list() == ["a", "b"]


def test_without_files_they_are_those_called_like_the_ids(write):
    write("", "P1.tsv.gz")
    write("", "P2.csv")
    path = write("sample_name,dx\nP2,1\nP1,0\nP3,1\n")
    assert read_metadata(path).frame["filename"].to_list() == ["P2.csv", "P1.tsv.gz", None]
    assert read_metadata(path).files == (
        path.with_name("P2.csv"),
        path.with_name("P1.tsv.gz"),
        None,
    )
    write("", "P1.txt")
    with pytest.raises(ArgumentError, match=r"'P1.tsv.gz', 'P1.txt' are called alike; add one"):
        read_metadata(path)


def test_columns_may_be_named(write):
    path = write("a,b,filename\n1,x.tsv,y.tsv\n")
    assert read_metadata(path, id_column="a").frame.row(0) == ("1", "y.tsv", "x.tsv")
    with pytest.raises(ArgumentError, match="has another column called 'filename'; rename it"):
        read_metadata(path, file_column="b")
    for name in ("id_column", "file_column"):
        with pytest.raises(ArgumentError, match="has no column 'c', but 'a', 'b', 'filename'"):
            read_metadata(path, **{name: "c"})


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", "20", "NA"], [1, 20, None]),
        (["1.5", "-2", " "], [1.5, -2.0, None]),
        (["01", "02"], ["01", "02"]),
        (["1E5", "2E5"], ["1E5", "2E5"]),
        (["1.1", "1.10"], ["1.1", "1.10"]),
        (["12345678901234567890123"], ["12345678901234567890123"]),
        (["1", "x "], ["1", "x"]),
        (["NA", ""], [None, None]),
        (["1.5e-3", "2.0"], [0.0015, 2.0]),
    ],
)
def test_numbers_are_numbers_where_nothing_is_lost(cells, values):
    assert typed(pl.Series(cells)).to_list() == values


def test_words_for_nothing_are_empty_cells_and_said(write):
    known = read_metadata(
        write("id,file,dx,sex\n1,a.tsv,Unknown,F\n2,b.tsv,Unknown,?\n3,c.tsv,none,n/a\n4,NA,x,\n")
    )
    assert known.frame["dx"].to_list() == [None, None, "none", "x"]
    assert known.frame["sex"].to_list() == ["F", None, None, None]
    assert known.files[3] is None
    assert known.notes == (
        "column 'dx': 'Unknown' is taken for an empty cell, in 2 rows",
        "column 'sex': '?' is taken for an empty cell, in 1 row",
        "column 'sex': 'n/a' is taken for an empty cell, in 1 row",
    )


def test_rows_and_columns_of_nothing_are_none(write):
    known = read_metadata(write("\n\nfile,dx,,\na.tsv,x,,,,\n,,,\n\nb.tsv,y,,\n,,,\n"))
    assert known.frame.columns == ["repertoire_id", "filename", "dx"]
    assert len(known.frame) == 2


def test_row_names_of_r_have_no_header(write):
    known = read_metadata(write('"file"\t"dx"\n"1"\t"a.tsv"\t"x"\n"2"\t"b.tsv"\t"y"\n'))
    assert known.frame.columns == ["repertoire_id", "filename", "column 1", "dx"]
    assert known.frame["column 1"].to_list() == [1, 2]


def test_a_separator_that_ends_each_row_is_no_name_of_a_row(write):
    known = read_metadata(write("file,dx\na.tsv,x,\nb.tsv,y, \n"))
    assert rows(known) == [("a", "a.tsv", "x"), ("b", "b.tsv", "y")]


REPERTOIRE = {
    "repertoire_id": "x",
    "study": {"study_id": "S1", "study_title": None},
    "subject": {
        "subject_id": "p1",
        "sex": "male",
        "age_min": 35.5,
        "age_max": 35.5,
        "age_unit": {"id": "UO:0000036", "label": "year"},
        "species": {"id": "NCBITAXON:9606", "label": "Homo sapiens"},
        "diagnosis": [
            {
                "disease_diagnosis": {"id": "DOID:9744", "label": "type 1 diabetes"},
                "study_group_description": "Case",
            },
            {"disease_diagnosis": {"id": "DOID:1", "label": "celiac"}, "prior_therapies": ""},
        ],
    },
    "sample": [{"sample_id": "s1", "tissue": {"id": "UBERON:1", "label": "blood"}, "cells": 10}],
    "data_processing": [{"data_processing_files": ["a.fasta", "a.tsv.gz"]}],
}
HEALTHY = {
    "repertoire_id": "007",
    "subject": {
        "subject_id": "p2",
        "diagnosis": [{"disease_diagnosis": {"id": None, "label": None}}],
    },
    "data_processing": {"data_processing_files": ["b.tsv"]},
}
YAML = """
Repertoire:
  - repertoire_id: 007
    subject: {subject_id: p2, sex: no, age: 1.10}
    data_processing: [{data_processing_files: [b.tsv]}]
"""


def test_an_airr_document_becomes_columns(write):
    path = write(json.dumps({"Info": {}, "Repertoire": [REPERTOIRE, HEALTHY]}), "all.json")
    first, second = read_metadata(path).frame.rows(named=True)
    assert first == {
        "repertoire_id": "x",
        "filename": "a.tsv.gz",
        "study_id": "S1",
        "subject_id": "p1",
        "sex": "male",
        "subject.age_min": 35.5,
        "subject.age_max": 35.5,
        "subject.age_unit": "year",
        "subject.species": "Homo sapiens",
        "diagnosis": "type 1 diabetes; celiac",
        "study_group": "Case",
        "sample_id": "s1",
        "sample.tissue": "blood",
        "sample.cells": 10,
        "age": 35.5,
    }
    assert {name: value for name, value in second.items() if value is not None} == {
        "repertoire_id": "007",
        "filename": "b.tsv",
        "subject_id": "p2",
    }


def test_yaml_is_read_as_it_is_written(write):
    known = read_metadata(write(YAML, "metadata.yml"))
    assert rows(known) == [("007", "b.tsv", "p2", "no", 1.1)]


def test_what_is_no_text_is_replaced_and_can_be_written(write, tmp_path):
    files = r'{"data_processing_files": "b\u0000.tsv"}'
    row = rf'"id": "a\ud800", "data_processing": {files}, "x\udfff": 1'
    path = write(f'{{"Repertoire": [{{{row}}}]}}', "m.json")
    known = read_metadata(path)
    assert known.frame.to_dict(as_series=False) == {
        "repertoire_id": ["a\ufffd"], "filename": ["b\ufffd.tsv"], "x\ufffd": [1]
    }  # fmt: skip
    path.unlink()
    os.close(os.open(os.fsencode(path.parent) + b"/\xff.tsv", os.O_CREAT))
    assert rows(read_metadata(path.parent)) == [("\ufffd", "\ufffd.tsv")]


def test_pipes_and_devices_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.tsv")
    for path in (tmp_path / "pipe.tsv", "/dev/zero"):
        with pytest.raises(FileError, match=f"{path}: it is no file"):
            read_metadata(path)


def test_a_folder_without_metadata_is_its_tables(write, tmp_path):
    for name in ("b.tsv", "a.csv.gz", "c.txt", ".hidden.tsv", "notes.md", "inner/d.tsv"):
        write(RECEPTORS, name)
    known = read_metadata(tmp_path / "data")
    assert rows(known) == [("a", "a.csv.gz"), ("b", "b.tsv"), ("c", "c.txt")]
    path = write("id,file\nx,b.tsv\n")
    known = read_metadata(tmp_path / "data")
    assert rows(known) == [("x", "b.tsv")]
    assert known.notes == ("2 tables in its folder without a row: 'a.csv.gz', 'c.txt'",)
    assert rows(read_metadata(path)) == rows(known)
    write("{}", "metadata.json")
    with pytest.raises(
        ArgumentError, match=r"'metadata\.csv', 'metadata\.json'; give the path of one"
    ):
        read_metadata(tmp_path / "data")


def test_one_file_of_receptors_is_a_cohort_of_one(write):
    wide = write(f"{RECEPTORS}\nCA".encode("utf-16"), "a.b.txt")  # `read` says what is wrong
    for path in (write(RECEPTORS, "a.b.tsv"), write(b"\x1f\x8bbroken", "a.b.tsv.gz"), wide):
        known = read_metadata(path)
        assert rows(known) == [("a.b", path.name)]
        assert known.files == (path,)


def test_files_do_not_lead_out_of_the_folder(write, tmp_path):
    secret = tmp_path / "secret.tsv"
    secret.write_text(RECEPTORS)
    write(RECEPTORS, "a.tsv")
    (tmp_path / "data" / "link.tsv").symlink_to(secret)
    (tmp_path / "data" / "up").symlink_to(tmp_path)
    (tmp_path / "database").mkdir()
    ways = ("../secret.tsv", str(secret), "link.tsv", "up/secret.tsv", "..\\secret.tsv",
            "../database/a.tsv", "a/../../secret.tsv")  # fmt: skip
    for way in ways:
        path = write(f"id,file\nx,{way}\ny,a.tsv\n")
        with pytest.raises(ArgumentError, match=r"1 files lie outside its folder.*--outside"):
            read_metadata(path)
        assert read_metadata(path, outside=True).files[0] is not None
    for way in ("a.tsv", "./a.tsv", "x/../a.tsv", str(tmp_path / "data" / "a.tsv")):
        assert len(read_metadata(write(f"id,file\nx,{way}\n")).files) == 1
    (tmp_path / "data" / "metadata.csv").unlink()
    with pytest.raises(ArgumentError, match="1 files lie outside its folder"):
        read_metadata(tmp_path / "data")


WRONG = {
    "nothing": ("", r"is empty; metadata \(.*\) or a table of receptors is expected"),
    "nothing but lines": ("\n\n", "has no rows"),
    "a header": ("id,file\n", "has no rows; a header and a row per repertoire are expected"),
    "no columns": (
        "a,b\n1,2\n",
        r"no column of files \(such as filename\) and none of ids .* 'a', 'b'",
    ),
    "no files": ("id,dx\n1,2\n", r"no table in its folder is called like its ids \('1'\)"),
    "a short row": ("id,file,x\na,b,c\na,b\n", "line 3 has 2 cells, but the header has 3"),
    "a long row": ("id,file\na,b\n\na,b,c\n", "line 4 has 3 cells, but the header has 2"),
    "an open quote": ('id,file\n"a,b\nc,d\n', "up to line 3: a quoted cell does not end"),
    "columns alike": ("id,file,id\na,b,c\n", "has two columns called 'id'; rename one"),
    "no id": (
        "id,file,x\na,b,c\n ,c,\n,NA,d\n",
        "2 of 3 repertoires have no id, those of 'c', 'no file'",
    ),
    "ids alike": (
        "id,file\na,b\na,c\n",
        "ids are not unique, 'a'; 'a' has the files 'b', 'c'; a repertoire is one file",
    ),
    "files alike": ("file\nd/a.tsv\ne/a.tsv\n", "ids are not unique, 'a'"),
    "latin": ("id,file\n\n1,é\n".encode("latin-1"), "line 3 is not UTF-8; save it as CSV or TSV"),
    "a cut utf-16": ("id,file\n1,a\n".encode("utf-16")[:-1], "line 2 is not UTF-16; save it"),
    "half of utf-16": ("id,file\n1,a\n".encode("utf-16-le"), "is not text; save it"),
    "a workbook": (b"PK\x03\x04\xff", "line 1 is not UTF-8"),
}
WRONG_DOCUMENTS = {
    "no JSON": ("[", "is not JSON: Expecting value"),
    "a list": ("[]", "a list called Repertoire is expected"),
    "no list": ('{"Repertoire": 1}', "a list called Repertoire is expected"),
    "texts": ('{"Repertoire": ["x"]}', "a list called Repertoire is expected"),
    "none": ('{"Repertoire": []}', "has no repertoires"),
    "too deep": ('{"Repertoire": [{"x":' + 10**5 * "[", "a list called Repertoire is expected"),
    "two files": (
        '{"Repertoire": [{"data_processing": {"data_processing_files": ["a.tsv", "b.tsv"]}}]}',
        "names several files for 1 repertoires, the first are 'a.tsv', 'b.tsv'; one table each",
    ),
    "no YAML": ("Repertoire: [", "is not YAML: while parsing"),
    "deep YAML": ("Repertoire: " + 10**6 * "[", "is nested more than 100 deep"),
    "aliases": ("Repertoire:\n- &a {repertoire_id: x}\n- *a\n", "has YAML aliases"),
    "a tag": ("Repertoire: !!python/object/apply:os.getcwd []", "has no repertoires"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_tables_are_one_clear_error(write, name):
    text, message = WRONG[name]
    with pytest.raises(ArgumentError, match=message):
        read_metadata(write(text))


@pytest.mark.parametrize("name", WRONG_DOCUMENTS)
def test_wrong_documents_are_one_clear_error(write, name):
    text, message = WRONG_DOCUMENTS[name]
    ending = "yaml" if name in ("no YAML", "deep YAML", "aliases", "a tag") else "json"
    with pytest.raises(FileError, match=message) as caught:
        read_metadata(write(text, f"metadata.{ending}"))
    assert "\n" not in str(caught.value)


def test_what_is_too_large_is_no_metadata(write, monkeypatch):
    monkeypatch.setattr("hopfield.repertoire.cells.LARGEST", len(ROWS) - 1)
    with pytest.raises(FileError, match="that is no metadata"):
        read_metadata(write(ROWS))
    monkeypatch.undo()
    monkeypatch.setattr("hopfield.repertoire.cells.LARGEST_YAML", len(YAML) - 1)
    with pytest.raises(FileError, match="MiB of YAML; convert it to JSON"):
        read_metadata(write(YAML, "all.yaml"))


def test_ages_in_months_are_no_ages(write):
    subject = {"age_min": 7, "age_max": 7, "age_unit": {"id": "UO:35", "label": "month"}}
    text = json.dumps({"Repertoire": [REPERTOIRE | {"subject": subject}]})
    assert "age" not in read_metadata(write(text, "all.json")).frame.columns


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_metadata(tmp_path / "none.csv")
    with pytest.raises(ArgumentError, match=r"has neither metadata nor a table \(\.tsv, \.csv"):
        read_metadata(tmp_path)


def test_control_characters_are_escaped_in_messages(write):
    with pytest.raises(ArgumentError) as caught:
        read_metadata(write("id,file\nx\x1b[31m,a\x07\nx\x1b[31m,b\n"))
    assert str(caught.value).isprintable()
