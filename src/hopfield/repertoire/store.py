"""`Store`: what a run has computed so far; the same run, started again, goes on from there."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hopfield.errors import ArgumentError
from hopfield.repertoire import distributed
from hopfield.repertoire.reading.whole import written_whole

Arrays = dict[str, NDArray[Any]]
SETTINGS, PARTS = "run.json", "parts"


class Store:
    """Named results on disk: `run.json` has the settings, `parts/` a file of arrays for each.

    Of several processes the first alone writes; all of them read, so that the folder must be one
    that all of them see.

    Args:
        folder: new, empty, or of a run with the same settings.
        settings: everything that a result depends on, as JSON has it.

    Raises:
        ArgumentError: the folder holds something else.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self._parts = folder / PARTS
        if distributed.rank() == 0:
            _claim(folder, settings)
            self._parts.mkdir(exist_ok=True)

    def kept(self, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """A result: read if it is there, else computed and written, whole or not at all.

        What all processes compute together is there for all of them or for none: it is written
        after each of them has looked.
        """
        path = self._path(name, ".npz")
        if path.exists():
            with np.load(path, allow_pickle=False) as arrays:
                return dict(arrays)
        found = compute()
        if distributed.rank() == 0:
            with written_whole(path) as part, part.open("wb") as file:
                np.savez(file, allow_pickle=False, **found)
        return found

    def checkpoint(self, name: str) -> Path:
        """Where training that is going on may keep its state."""
        return self._path(name, ".training")

    def _path(self, name: str, ending: str) -> Path:
        return self._parts / (hashlib.sha256(name.encode()).hexdigest()[:16] + ending)


def _claim(folder: Path, settings: dict[str, Any]) -> None:
    """Make the folder, or see that it holds this run."""
    record = folder / SETTINGS
    settings = json.loads(json.dumps(settings))  # as it will be read
    if record.exists():
        known = json.loads(record.read_text("utf-8"))
        if other := [name for name in settings if known.get(name) != settings[name]]:
            raise ArgumentError(
                f"{folder} holds a run with another {', '.join(other)}; choose another folder, or "
                f"remove it"
            )
        return
    if folder.exists() and any(folder.iterdir()):
        raise ArgumentError(f"{folder} is not empty and holds no run; choose a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    with written_whole(record) as part:
        part.write_text(json.dumps(settings, indent=1, ensure_ascii=False) + "\n", "utf-8")
