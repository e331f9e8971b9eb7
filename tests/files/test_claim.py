"""A folder holds what was made with the same settings."""

import pytest

from hopfield.errors import FileError
from hopfield.files.claim import claim


@pytest.mark.parametrize("content", [b"", b"{", b"5", b"[1]", b"\xff", b"[" * 100_000])
def test_settings_that_are_damaged_are_one_clear_error(tmp_path, content):
    claim(tmp_path / "run", "run.json", {"seed": 0}, "run")
    (tmp_path / "run" / "run.json").write_bytes(content)
    with pytest.raises(FileError, match=r"run\.json is damaged \(.*\); choose another folder, or"):
        claim(tmp_path / "run", "run.json", {"seed": 0}, "run")
