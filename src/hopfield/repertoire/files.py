"""The files of a folder: which of them are tables, which is metadata, what they are called."""

from collections.abc import Iterable
from pathlib import Path

from hopfield.errors import FileError

TABLES = (".tsv", ".csv", ".txt", ".tab")
DOCUMENTS = (".json", ".yaml", ".yml")
PACKED = ".gz"
TRUTH_TABLE = "truth.tsv"  # of a simulation, beside its metadata


def visible(folder: Path) -> list[Path]:
    """The files of a folder that are not hidden, in the order of their names."""
    files = (file for file in folder.iterdir() if not file.name.startswith("."))
    return sorted(file for file in files if file.is_file())


def check_regular(path: Path) -> None:
    """A path is that of a file: pipes and devices may never end.

    Raises:
        FileError: it is none.
        FileNotFoundError: there is nothing.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file or folder")
    if not path.is_file():
        raise FileError(f"{path}: it is no file; pipes and devices are not read")


def check_spared(out: str | Path, path: str | Path, read: Iterable[Path | None]) -> None:
    """Results are not written over what they are made from.

    Args:
        out: where they are to be written.
        path: of the metadata, a folder, or one file of receptors.
        read: the files of the repertoires.

    Raises:
        FileError: they would be.
    """
    path = Path(path)
    found = filter(is_metadata, visible(path)) if path.is_dir() else (path,)
    if Path(out).resolve() in {one.resolve() for one in (*found, *read) if one is not None}:
        raise FileError(f"{out} is what is read here; write to another file")


def is_table(file: str | Path) -> bool:
    """Whether a file has the ending of a table, plain or gz."""
    return Path(file).name.lower().removesuffix(PACKED).endswith(TABLES)


def is_document(file: Path) -> bool:
    """Whether a file has the ending of a JSON or YAML document."""
    return file.name.lower().endswith(DOCUMENTS)


def is_metadata(file: Path) -> bool:
    """Whether a file is called `metadata`."""
    return file.stem.lower() == "metadata" and file.suffix.lower() in (*DOCUMENTS, *TABLES)


def stem(name: str) -> str:
    """The name of a file without folders and endings: that of a repertoire."""
    name = name.replace("\\", "/").rpartition("/")[2]
    packed = name.lower().endswith(PACKED)
    return Path(name[: -len(PACKED)] if packed else name).stem
