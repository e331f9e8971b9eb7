"""`Manifest`: what a memory on disk is made of at one time: the file that is replaced whole."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from hopfield import _check
from hopfield._text import one_line
from hopfield.errors import FileError, MemoryCorrupt
from hopfield.memory.form import Form
from hopfield.memory.segment import ValueKind

FILE = "manifest.json"
FORMAT = 1  # raised when older readers cannot read it any more
NAME = re.compile(r"(segment|log|removed|index)-[0-9]+-[0-9a-f]+\.[a-z]+")
PART = re.compile(re.escape(FILE) + r"-[0-9a-f]+\.part")  # one that was being written
LAST_ID = 2**63 - 1


@dataclass(frozen=True)
class Entry:
    """A file of the memory.

    Attributes:
        file: its name; no path.
        size: bytes; of a log, those that count.
        sha256: of these bytes.
        rows: how many patterns it has.
    """

    file: str
    size: int
    sha256: str
    rows: int = 0


@dataclass(frozen=True)
class Manifest:
    """What a memory on disk is made of.

    Attributes:
        form: of the patterns.
        beta: the β that was given or found; None while it is still to be found.
        auto: whether β is to be found.
        uuid: of the memory: another one may come to lie at its path.
        mark: of this state, random: an older one may be put back.
        generation: how often the memory changed.
        next_id: the id that the next pattern gets by itself.
        value_kind: of the values; "open" until the first patterns come.
        segments: their files, in order.
        log: of what came or went since the last segment.
        removed: the rows of segments that were removed before the log began.
        index: the file of the index, if there is one.
        index_settings: what the index was made with.
    """

    form: Form
    beta: float | None
    auto: bool
    uuid: str = field(default_factory=lambda: uuid4().hex)
    mark: str = field(default_factory=lambda: uuid4().hex)
    generation: int = 0
    next_id: int = 0
    value_kind: ValueKind | Literal["open"] = "open"
    segments: tuple[Entry, ...] = ()
    log: Entry | None = None
    removed: Entry | None = None
    index: Entry | None = None
    index_settings: dict[str, Any] = field(default_factory=dict)

    @property
    def entries(self) -> list[Entry]:
        """All files beside the manifest."""
        others = (self.log, self.removed, self.index)
        return [*self.segments, *(entry for entry in others if entry is not None)]

    def encoded(self) -> bytes:
        """As the file has it."""
        kept = asdict(self) | {"form": self.form.as_json()}
        body = {"format": FORMAT, "sha256": _digest(kept), "memory": kept}
        return (json.dumps(body, indent=1) + "\n").encode()


def read(folder: Path) -> Manifest:
    """The manifest in a folder.

    Raises:
        FileError: there is no memory, or one of a later format.
        MemoryCorrupt: it is damaged.
    """
    path = folder / FILE
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileError(
            f"{folder} is no memory: there is no {FILE}; hopfield.Memory.create(path, dim) or "
            f"save(path) makes one"
        ) from error
    except IsADirectoryError as error:
        raise MemoryCorrupt(f"{path} is a folder; restore it from a copy of the memory") from error
    try:
        body = json.loads(text)
        written = body["format"]
        if isinstance(written, int) and written > FORMAT:
            raise FileError(
                f"{path} is of format {written}, and this version of hopfield reads up to "
                f"{FORMAT}; install a newer version"
            )
        kept = body["memory"]
        if written != FORMAT or body["sha256"] != _digest(kept):
            raise ValueError("its checksum does not fit")
        return _decoded(kept)
    except FileError:
        raise
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise MemoryCorrupt(
            f"{path} is damaged ({type(error).__name__}: {one_line(error)}); restore it from a "
            f"copy of the memory"
        ) from error


def _decoded(kept: dict[str, Any]) -> Manifest:
    def entry(fields: dict[str, Any] | None) -> Entry | None:
        if fields is None:
            return None
        made = Entry(str(fields["file"]), int(fields["size"]), fields["sha256"], fields["rows"])
        if NAME.fullmatch(made.file) is None:
            raise ValueError(f"{made.file!r} is no name of a file of a memory")
        return made

    beta, kind = kept["beta"], kept["value_kind"]
    if not isinstance(kind, list) and kind not in ("open", "labels", None):
        raise ValueError(f"{kind!r} is no kind of values")
    made = Manifest(
        form=Form.of_json(kept["form"]),
        beta=None if beta is None else _check.positive("beta", beta),
        auto=bool(kept["auto"]),
        uuid=str(kept["uuid"]),
        mark=str(kept["mark"]),
        generation=int(kept["generation"]),
        next_id=int(kept["next_id"]),
        value_kind=tuple(kind) if isinstance(kind, list) else kind,
        segments=tuple(one for fields in kept["segments"] if (one := entry(fields)) is not None),
        log=entry(kept["log"]),
        removed=entry(kept["removed"]),
        index=entry(kept["index"]),
        index_settings=dict(kept["index_settings"]),
    )
    if len({entry.file for entry in made.entries}) < len(made.entries):
        raise ValueError("it names a file twice")
    if not 0 <= made.next_id <= LAST_ID:
        raise ValueError(f"next_id is {made.next_id}")
    return made


def _digest(kept: dict[str, Any]) -> str:
    canonical = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
