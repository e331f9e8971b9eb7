"""`remove`: patterns by ids, which may be in a file."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from hopfield.memory.files.vectors import read_ids
from hopfield.memory.memory import Memory


@dataclass(frozen=True)
class Removed:
    """What was removed.

    Attributes:
        removed: how many patterns.
        patterns: how many are left.
    """

    removed: int
    patterns: int

    def __str__(self) -> str:
        return f"removed {self.removed} patterns; {self.patterns} are left"


def remove(memory: Memory, ids: Sequence[int] | str | os.PathLike[str]) -> Removed:
    """Forget patterns.

    Args:
        memory: what they are in.
        ids: of them, or a file as for `read_ids`.

    Raises:
        HopfieldError: as for `Memory.remove` and `read_ids`; nothing is removed then.
        OSError: the file cannot be opened.
    """
    before = len(memory)
    memory.remove(read_ids(ids) if isinstance(ids, str | os.PathLike) else [*ids])
    return Removed(before - len(memory), len(memory))
