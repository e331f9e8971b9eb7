"""Files of arrays: whole, or one clear error."""

from contextlib import suppress

import numpy as np
import pytest

from hopfield.errors import FileError
from hopfield.files.arrays import load_arrays


def test_a_file_that_is_damaged_is_one_clear_error(tmp_path):
    path = tmp_path / "file.npz"
    for write in (np.savez, np.savez_compressed):
        write(path, numbers=np.arange(99.0), names=np.array(["a", "b"]))
        assert load_arrays(path)["names"].tolist() == ["a", "b"]
        whole = path.read_bytes()
        np.save(path.with_suffix(".npy"), np.ones(3))
        wrong = [b"", b"junk" * 99, path.with_suffix(".npy").read_bytes()]
        wrong += [whole[:length] for length in range(0, len(whole), 7)]
        for content in wrong:
            path.write_bytes(content)
            with pytest.raises(FileError, match="is damaged, or no npz file"):
                load_arrays(path)
        for place in range(len(whole)):
            changed = bytearray(whole)
            changed[place] ^= 0xFF
            path.write_bytes(changed)
            with suppress(FileError):
                load_arrays(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_arrays(tmp_path / "none.npz")
