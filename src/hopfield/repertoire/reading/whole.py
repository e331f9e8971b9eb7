"""Files that are written whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A path to write to: it becomes `path` if nothing fails, and else is removed.

    A link stays, and leads to what is written. A device or a pipe, as `/dev/stdout` may be, is
    written to as it is.
    """
    if path.is_char_device() or path.is_fifo():
        yield path
        return
    path = path.resolve()
    part = path.with_name(f"{path.name}.{uuid4().hex}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
