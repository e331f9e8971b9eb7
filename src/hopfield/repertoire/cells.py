"""The cells of metadata as they are written: of tables, and of AIRR documents."""

import codecs
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from hopfield import _check
from hopfield._text import encodable, one_line
from hopfield.errors import FileError
from hopfield.repertoire.files import is_document, is_table

LARGEST = 2**28  # bytes of metadata
LARGEST_YAML = 2**25  # of which a MiB takes seconds
DEEPEST = 100  # levels of a YAML document
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

# Fields of AIRR documents that get a short name; all others keep theirs, as in "sample.tissue".
AIRR_NAMES = {
    "study.study_id": "study_id",
    "subject.subject_id": "subject_id",
    "subject.sex": "sex",
    "subject.age": "age",
    "subject.diagnosis.disease_diagnosis": "diagnosis",
    "subject.diagnosis.study_group_description": "study_group",
    "sample.sample_id": "sample_id",
    "sample.sequencing_run_id": "sequencing_run_id",
    "data_processing.data_processing_files": "filename",
}


def cells(path: Path) -> pl.DataFrame:
    """The cells of a table (CSV, TSV) or of an AIRR document (JSON, YAML), all as text.

    Of a table the separator, the quotes and the encoding (UTF-8, UTF-16) are detected.

    A document has a list `Repertoire` (AIRR Community, Repertoire Schema). Its fields become
    columns with dotted names, `subject.ethnicity`, those of `AIRR_NAMES` with short ones; of terms
    of an ontology the label is taken, several values are joined by "; ", and `age` is that of a
    subject whose `age_min` and `age_max` are the same, in years.

    Raises:
        FileError: the file is not what it should be; the message says in which line.
    """
    return _document(path) if is_document(path) else _table(path)


def _table(path: Path) -> pl.DataFrame:
    text = _text(path)
    separator = max("\t,;", key=text.lstrip().partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise FileError(
            f"{path}, up to line {reader.line_num}: a quoted cell does not end ({error})"
        ) from error
    if len(rows) < 2:
        raise FileError(f"{path} has no rows; a header and a row per repertoire are expected")
    header = rows.pop(0)[1]
    one_more = all(len(row) == len(header) + 1 for _, row in rows)
    if one_more and any(row[-1].strip() for _, row in rows):  # R leaves the name of its rows out
        header.insert(0, "")
    for line, row in rows:
        if len(row) < len(header) or "".join(row[len(header) :]).strip():
            raise FileError(
                f"{path}, line {line} has {len(row)} cells, but the header has {len(header)}"
            )
    full = [header, *(row[: len(header)] for _, row in rows)]
    columns: dict[str, list[str]] = {}
    for place, (name, *column) in enumerate(zip(*full, strict=True), 1):
        if not name.strip() and not any(column):
            continue
        name = name.strip().lstrip("#") or f"column {place}"
        if name in columns:
            raise FileError(f"{path} has two columns called {name!r}; rename one")
        columns[name] = column
    return pl.DataFrame(columns)


def _text(path: Path) -> str:
    if path.stat().st_size > LARGEST:
        raise FileError(f"{path} has more than {LARGEST >> 20} MiB; that is no metadata")
    data = path.read_bytes()
    encoding = "UTF-16" if data.startswith(UTF16) else "UTF-8"
    try:
        text = data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FileError(
            f"{path}, line {line} is not {encoding}; save it as CSV or TSV in UTF-8"
        ) from error
    if "\0" in text:
        raise FileError(f"{path} is not text; save it as CSV or TSV in UTF-8")
    return text


def _document(path: Path) -> pl.DataFrame:
    try:
        rows = [_fields(repertoire) for repertoire in _parsed(path)["Repertoire"]]
    except (AttributeError, KeyError, RecursionError, TypeError) as error:
        raise FileError(
            f"{path} is not AIRR metadata; a list called Repertoire is expected"
        ) from error
    columns = dict.fromkeys(name for row in rows for name in row)
    if not columns:
        raise FileError(f"{path} has no repertoires")
    if several := [row for row in rows if len(row.get("filename", [])) > 1]:
        raise FileError(
            f"{path} names several files for {len(several)} repertoires, the first are "
            f"{', '.join(map(repr, several[0]['filename']))}; one table each is expected"
        )
    return pl.DataFrame({name: ["; ".join(row.get(name, [])) for row in rows] for name in columns})


def _parsed(path: Path) -> Any:
    """A document with its numbers and words as they are written."""
    text = _text(path)
    if path.suffix.lower() == ".json":
        try:
            return json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
        except json.JSONDecodeError as error:
            raise FileError(f"{path} is not JSON: {error}") from error
    if len(text) > LARGEST_YAML:
        raise FileError(
            f"{path} has more than {LARGEST_YAML >> 20} MiB of YAML; convert it to JSON"
        )
    yaml = _check.extra("yaml", "repertoire")
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # PyYAML may be built without libyaml
    depth = 0
    try:
        for event in yaml.parse(text, loader):
            if isinstance(event, yaml.AliasEvent):
                raise FileError(f"{path} has YAML aliases, which could grow without bound")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise FileError(f"{path} is nested more than {DEEPEST} deep; that is no metadata")
        return yaml.load(text, loader)
    except yaml.YAMLError as error:
        raise FileError(f"{path} is not YAML: {one_line(error)}") from error


def _fields(repertoire: dict[str, Any]) -> dict[str, list[str]]:
    """What the fields of a repertoire say, under the names of columns."""
    distinct: dict[str, dict[str, None]] = {}
    for name, value in repertoire.items():
        for place, text in _leaves(value, name):
            distinct.setdefault(AIRR_NAMES.get(place, place), {})[text] = None
    fields = {name: list(texts) for name, texts in distinct.items()}
    age, unit = fields.get("subject.age_min"), fields.get("subject.age_unit", ["year"])
    if age and age == fields.get("subject.age_max") and unit == ["year"]:
        fields.setdefault("age", age)
    tables = [name for name in fields.get("filename", []) if is_table(name)]
    return fields | {"filename": tables or fields.get("filename", [])}


def _leaves(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value.keys() == {"id", "label"}:  # a term of an ontology
        value = value["label"] or value["id"]
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{place}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, place)
    elif value is not None and str(value).strip():
        yield encodable(place), encodable(str(value))
