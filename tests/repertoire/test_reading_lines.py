"""Lines of delimited files, against Python's reader."""

import csv
import io
from unittest import mock

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopfield.errors import FileError
from hopfield.repertoire.reading import lines
from hopfield.repertoire.reading.lines import Delimited


def opened(text):
    return Delimited.open(io.BufferedReader(io.BytesIO(text.encode())), 10**9)


def by_python(line, separator):
    """The fields of a line; none if a quote is broken."""
    try:
        return next(csv.reader([line], delimiter=separator, strict=True))
    except csv.Error:
        return []


LINE = st.lists(st.sampled_from(["a", "b", "SEP", "SEP", '"', " ", "é"]), max_size=15).map("".join)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(LINE, max_size=12),
    newline=st.sampled_from(["\n", "\r\n"]),
    separator=st.sampled_from("\t,;"),
    fields=st.integers(2, 4),
    block=st.integers(40, 80),
)
def test_any_text_is_read_as_python_reads_it(rows, newline, separator, fields, block):
    rows = [row.replace("SEP", separator) for row in rows]
    header = [f"c{i}" for i in range(fields)]
    body = newline.join(rows)
    rows = [row for row in rows if row]
    known = [row for line in rows if len(row := by_python(line, separator)) == fields]
    with mock.patch.object(lines, "BLOCK", block):  # lines are cut anywhere
        file = opened(separator.join(header) + "\n" + body)
        if rows and not known:
            with pytest.raises(FileError, match="none of its"):
                file.read(header)
            return
        read = file.read(header)
    assert (read.rows, read.ragged) == (len(rows), len(rows) - len(known))
    assert read.table.columns == header
    assert [list(row) for row in read.table.fill_null("").iter_rows()] == known


def test_columns_in_the_order_of_the_file():
    table = opened("B,#a,c\n1,2,3\n").read({"a", "b", "other"}).table
    assert table.equals(pl.DataFrame({"b": ["1"], "a": ["2"]}))
