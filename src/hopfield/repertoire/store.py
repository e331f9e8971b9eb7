"""`Store`: what a run has computed so far; the same run, started again, goes on from there."""

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hopfield.errors import DataWarning, FileError
from hopfield.files.arrays import load_arrays
from hopfield.files.claim import claim
from hopfield.files.whole import written_whole
from hopfield.repertoire import distributed

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
        FileError: its settings are damaged.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self._parts = folder / PARTS
        if distributed.rank() == 0:
            claim(folder, SETTINGS, settings, "run")
            self._parts.mkdir(exist_ok=True)

    def kept(self, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """A result: read if it is there, else computed and written, whole or not at all.

        What all processes compute together is there for all of them or for none: it is written
        after each of them has looked.

        Warns:
            DataWarning: its file is damaged, and it is computed again.
        """
        path = self._path(name, ".npz")
        if path.exists():
            try:
                return load_arrays(path)
            except FileError as error:
                warnings.warn(f"{error}; it is computed again", DataWarning, stacklevel=2)
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
