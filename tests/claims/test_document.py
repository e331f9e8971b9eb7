"""The page of the documentation is what the file says."""

from pathlib import Path

import pytest

from hopfield.claims import load
from hopfield.claims.page import document

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_generated_from_the_file(tmp_path):
    pytest.importorskip("matplotlib")
    document(*load(DOCS / "claims.json"), tmp_path)
    assert (tmp_path / "claims.md").read_text("utf-8") == (DOCS / "claims.md").read_text("utf-8")
    drawn = sorted(path.name for path in (tmp_path / "images" / "claims").iterdir())
    assert drawn == sorted(path.name for path in (DOCS / "images" / "claims").iterdir())
