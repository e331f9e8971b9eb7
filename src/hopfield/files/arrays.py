"""`load_arrays`: a file of arrays, which may be damaged."""

import zlib
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from hopfield.errors import FileError

DAMAGE = (
    *(BadZipFile, EOFError, KeyError, NotImplementedError, OSError, RuntimeError),
    *(TypeError, ValueError, zlib.error),
)


def load_arrays(path: str | Path) -> dict[str, NDArray[Any]]:
    """The arrays of an npz file by name.

    Raises:
        FileError: it is damaged, or no npz file.
        OSError: it cannot be opened.
    """
    with Path(path).open("rb") as file:
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return {name: np.asarray(array) for name, array in arrays.items()}
        except DAMAGE as error:
            raise FileError(f"{path} is damaged, or no npz file") from error
