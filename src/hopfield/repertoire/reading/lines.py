"""Lines of a delimited file, plain or gzip, as columns of text: by blocks, in little memory."""

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import polars as pl

from hopfield._text import one_line
from hopfield.errors import FileError

BLOCK = 2**22  # bytes that are looked at together; no line may be longer
RATIO = 200  # receptors expand 4- to 30-fold, a gzip bomb 1000-fold
SEPARATORS = "\t,;"
GZIP = b"\x1f\x8b"
NO_TABLE = {  # what a file is that begins like this
    b"PK": "a zip archive or an Excel workbook",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ": "compressed by xz",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"PAR1": "a Parquet file",
    codecs.BOM_UTF16_LE: "text in UTF-16",
    codecs.BOM_UTF16_BE: "text in UTF-16",
    b"<": "a web page or XML",
    b"{": "JSON",
    b"[": "JSON",
}


@dataclass(frozen=True)
class Lines:
    """Rows of a file.

    Attributes:
        table: columns of text, named in lower case.
        rows: lines below the header that are not empty.
        ragged: how many of them are not in the table: they have more or fewer fields than the
            header, or a quote that does not end.
    """

    table: pl.DataFrame
    rows: int
    ragged: int


@dataclass(frozen=True)
class Delimited:
    """A delimited file whose header was read, and nothing else.

    Attributes:
        header: the names of the columns, in lower case.
        separator: of the fields.
        blocks: of whole lines below it.
    """

    header: tuple[str, ...]
    separator: str
    blocks: Iterator[bytes]

    @classmethod
    def open(cls, file: io.BufferedReader, expanded: int) -> "Delimited":
        """Read the header of a file that is at its start.

        Args:
            file: plain or gzip.
            expanded: the most bytes that gzip may expand to.

        Raises:
            FileError: it is no delimited text.
        """
        blocks = _blocks(_pieces(file, expanded))
        first = next(blocks, b"").removeprefix(codecs.BOM_UTF8).lstrip(b"\n")
        _check_text(first)
        line, _, rest = first.partition(b"\n")
        text = line.decode("utf-8", "replace")
        separator = max(SEPARATORS, key=text.count)
        try:
            names = next(csv.reader([text], delimiter=separator))
        except csv.Error as error:
            raise FileError(f"its first line is no header: {error}") from error
        header = tuple(name.strip().lstrip("#").lower() for name in names)
        return cls(header, separator, chain([rest], blocks))

    def read(self, columns: Collection[str]) -> Lines:
        """Read those of these columns that the file has; of equal names the first.

        Raises:
            FileError: the lines are those of no table, or gzip is broken or expands too far.
        """
        places = {name: i for i, name in reversed(list(enumerate(self.header)))}
        names = {places[name]: name for name in self.header if name in columns}
        tables = [pl.DataFrame(schema=dict.fromkeys(names.values(), pl.String))]
        rows = ragged = 0
        for block in self.blocks:
            whole, found, good = _whole_lines(block, self.separator, len(self.header))
            rows, ragged = rows + found, ragged + found - good
            if good:
                tables.append(_parsed(whole, self.separator, names))
        table = pl.concat(tables)
        if len(table) + ragged != rows:
            raise FileError(
                f"{len(table) + ragged} of {rows} rows were read; look for stray quotes"
            )
        if rows and ragged == rows:
            raise FileError(
                f"none of its {rows} rows has as many fields as its header, {len(self.header)}"
            )
        return Lines(table, rows, ragged)


def _pieces(file: io.BufferedReader, expanded: int) -> Iterator[bytes]:
    """What a file holds, expanded, piece by piece."""
    if file.peek(len(GZIP))[: len(GZIP)] != GZIP:
        yield from iter(lambda: file.read(BLOCK), b"")
        return
    size, total = file.seek(0, io.SEEK_END), 0
    file.seek(0)
    most = min(expanded, max(BLOCK, RATIO * size))
    try:
        with gzip.open(file) as text:
            while piece := text.read(BLOCK):
                total += len(piece)
                if total > most:
                    raise FileError(
                        f"its {size} bytes of gzip expand to more than {most}, the most that is "
                        f"allowed (expanded={expanded}, and {RATIO} times its size); a sound one "
                        f"can be expanded by gunzip first"
                    )
                yield piece
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FileError(f"its gzip stream is broken ({error}); transfer it again") from error


def _blocks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same cut after lines, which end in LF alone."""
    rest = b""
    for piece in pieces:
        cut = piece.rfind(b"\n") + 1
        if cut:
            yield _unix(rest + piece[:cut])
            rest = b""
        rest += piece[cut:]
        if len(rest) > BLOCK:
            raise FileError(f"it has a line of more than {BLOCK} bytes: it is no table")
    if rest:
        yield _unix(rest + b"\n")


def _unix(block: bytes) -> bytes:
    return block.replace(b"\r\n", b"\n") if b"\r" in block else block


def _check_text(first: bytes) -> None:
    """The file holds text that may be a table."""
    if not first.strip():
        raise FileError(
            "it is empty; a header and a row for each receptor are expected: export or transfer it "
            "again"
        )
    for start, what in NO_TABLE.items():
        if first.startswith(start):
            raise FileError(f"it is {what}; tab- or comma-separated text in UTF-8 is expected")
    if b"\0" in first:
        raise FileError("it is binary; tab- or comma-separated text, plain or gzip, is expected")
    if b"\r" in first.partition(b"\n")[0]:
        raise FileError("its lines end in CR alone, as on old Macintoshes; save it with LF or CRLF")


def _whole_lines(block: bytes, separator: str, fields: int) -> tuple[bytes, int, int]:
    """The lines with as many fields as expected; how many lines are not empty, and these."""
    text = np.frombuffer(block, np.uint8)
    newline, split, quote = ord("\n"), ord(separator), ord('"')
    places = np.flatnonzero((text == newline) | (text == split) | (text == quote))
    marks = text[places]
    ends = np.flatnonzero(marks == newline)
    splits = marks == split
    if b'"' in block:
        quotes = marks == quote
        inside = np.logical_xor.accumulate(quotes)
        beside = text[places[quotes] + np.where(inside[quotes], -1, 1)]
        usual = (beside == newline) | (beside == split) | (beside == quote)
        if inside[ends].any() or not usual.all():
            return _whole_lines(_requoted(block, separator), separator, fields)
        splits &= ~inside
    good = np.diff(np.cumsum(splits)[ends], prepend=0) + 1 == fields
    if good.all():
        return block, len(good), len(good)
    lengths = np.diff(places[ends], prepend=-1)
    return text[np.repeat(good, lengths)].tobytes(), int((lengths > 1).sum()), int(good.sum())


def _requoted(block: bytes, separator: str) -> bytes:
    """The same lines, quotes around whole fields alone; a line with a broken quote is one field."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    for line in block.decode("utf-8", "replace").removesuffix("\n").split("\n"):
        try:
            writer.writerow(next(csv.reader([line], delimiter=separator, strict=True)))
        except csv.Error:
            writer.writerow([line])
    return text.getvalue().encode()


def _parsed(block: bytes, separator: str, names: dict[int, str]) -> pl.DataFrame:
    """Some columns of whole lines, by their places."""
    places = sorted(names)
    try:
        table = pl.read_csv(
            block,
            separator=separator,
            columns=places,
            has_header=False,
            infer_schema=False,
            encoding="utf8-lossy",
        )
    except pl.exceptions.PolarsError as error:
        raise FileError(f"it is no table: {one_line(error)}") from error
    table.columns = [names[place] for place in places]
    return table.select(names.values())
