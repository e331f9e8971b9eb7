"""`read`: a file of receptor sequences as repertoires, by way of a cache where one is given."""

import hashlib
from pathlib import Path

from hopfield import _check
from hopfield.errors import ArgumentError, FileError
from hopfield.repertoire.files import check_regular
from hopfield.repertoire.reading import cache as kept
from hopfield.repertoire.reading.formats import FORMATS, choose
from hopfield.repertoire.reading.lines import Delimited
from hopfield.repertoire.reading.reading import Reading
from hopfield.repertoire.repertoire import LONGEST


def read(
    path: str | Path,
    *,
    format: str | None = None,  # noqa: A002
    cache: str | Path | None = None,
    longest: int = 60,
    expanded: int = 2**34,
) -> Reading:
    """Read a file of receptor sequences, separated by tabs, commas or semicolons, plain or gzip.

    Junctions are amino acids with their anchors; where a file holds CDR3 without them they are
    added. Genes get their names by IMGT, without alleles; of several the first is taken. Rows are
    dropped that are unproductive, have no sequence, no locus, residues other than the 20, too many
    of them, or a count of 0 or less; a missing count is 1, others are rounded. Rows with the same
    junction, V and J gene are merged. The result says how many rows each of this concerned.

    Args:
        path: of the file.
        format: one of `FORMATS`; by default told from the header.
        cache: a folder, made if need be, that keeps what was read by the content of the file and
            the arguments; it is read instead of the file the next time.
        longest: the most residues of a junction, up to 255.
        expanded: the most bytes that a gzip file may expand to.

    Raises:
        FileError: the file holds no table of a known format, or is a pipe or device; the message
            says what it holds.
        ArgumentError: an argument has a value that is not allowed.
        OSError: the file cannot be opened, or the cache not be written.
    """
    path = Path(path)
    if format is not None:
        _check.choice("format", format, FORMATS)
    if _check.positive_int("longest", longest) > LONGEST:
        raise ArgumentError(f"longest is {longest}; at most {LONGEST} is expected")
    _check.positive_int("expanded", expanded)
    check_regular(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        entry = None if cache is None else kept.entry(Path(cache), digest, format, longest)
        if entry is not None and (known := kept.load(entry, path)) is not None:
            return known
        file.seek(0)
        try:
            text = Delimited.open(file, expanded)
            name = choose(text.header, format)
            lines = text.read(FORMATS[name].columns())
        except FileError as error:
            raise FileError(f"{path}: {error}") from error
    reading = Reading.of_lines(lines, name, path=path, digest=digest, longest=longest)
    if entry is not None:
        kept.save(entry, reading)
    return reading
