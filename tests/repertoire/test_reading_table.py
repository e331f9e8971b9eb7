"""Tables that are written: safe in a spreadsheet, whole or not at all."""

import csv
import gzip
import os

import polars as pl
import pytest

from hopfield.repertoire.reading import write_table


def test_text_that_a_spreadsheet_would_compute_is_escaped(tmp_path):
    frame = pl.DataFrame(
        {
            "=name": ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "a=1", "", None, "'=1"],
            "number": [-1.5, 2, -3, 0, 1, 1, 1, 1, 1, None],
            "kind": pl.Series(["-a", "b"] * 5, dtype=pl.Categorical),
            "few": pl.Series(["@a", "b"] * 5, dtype=pl.Enum(["@a", "b"])),
            "yes": [True] * 10,
        }
    )
    write_table(frame, tmp_path / "table.tsv")
    with (tmp_path / "table.tsv").open(newline="") as file:
        header, *rows = csv.reader(file, delimiter="\t")
    assert header == ["'=name", "number", "kind", "few", "yes"]
    wanted = ["'=1+1", "'+1", "'-1", "'@x", r"\tx", r"\rx", "a=1", "", "", "'=1"]
    assert [row[0] for row in rows] == wanted
    assert [row[1] for row in rows][:3] == ["-1.5", "2.0", "-3.0"]
    assert {row[2] for row in rows} == {"'-a", "b"}
    assert {row[3] for row in rows} == {"'@a", "b"}
    assert frame.columns[0] == "=name"  # the frame itself is as it was


def test_compressed_by_name_and_the_same_each_time(tmp_path):
    frame = pl.DataFrame({"a": ["x", "y"], "b": [1, 2]})
    for name in ("one.tsv.gz", "two.tsv.gz"):
        write_table(frame, str(tmp_path / name))
    one, two = ((tmp_path / name).read_bytes() for name in ("one.tsv.gz", "two.tsv.gz"))
    assert one == two
    assert gzip.decompress(one) == b"a\tb\nx\t1\ny\t2\n"


def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "table.tsv.gz"
    path.write_text("before")

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.write_bytes", fail)
    with pytest.raises(OSError, match="disk full"):
        write_table(pl.DataFrame({"a": ["x"]}), path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_links_stay_and_pipes_are_written_to(tmp_path):
    frame = pl.DataFrame({"a": ["x"]})
    file, link, pipe = (tmp_path / name for name in ("file.tsv", "link.tsv", "pipe.tsv"))
    link.symlink_to(file)
    os.mkfifo(pipe)
    write_table(frame, link)
    assert link.is_symlink()
    assert file.read_text() == "a\nx\n"
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_table(frame, pipe)
    assert pipe.is_fifo()
    assert os.read(reader, 99) == b"a\nx\n"
    os.close(reader)


def test_control_characters_are_seen_and_not_obeyed(tmp_path):
    frame = pl.DataFrame({"a\x1b": ["\x1b[31mé\x9b", "two\nlines\t", "=\r"]})
    write_table(frame, tmp_path / "table.tsv")
    text = (tmp_path / "table.tsv").read_text()
    assert text.split("\n") == [r"a\x1b", r"\x1b[31mé\x9b", r"two\nlines\t", r"'=\r", ""]
