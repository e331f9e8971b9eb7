"""What a run keeps: computed once, written whole or not at all, never mixed with another run."""

import numpy as np
import pytest

from hopfield.errors import ArgumentError, DataWarning
from hopfield.repertoire.store import Store


def test_what_is_kept_is_not_computed_again(tmp_path):
    out = tmp_path / "new" / "run"
    made = Store(out, {"seed": 0}).kept("fold 1: us", lambda: {"0": np.arange(3.0)})
    again = Store(out, {"seed": 0}).kept("fold 1: us", lambda: pytest.fail("computed again"))
    np.testing.assert_array_equal(made["0"], again["0"])
    other = Store(out, {"seed": 0}).kept("fold 2: us", lambda: {"0": np.zeros(1)})
    assert other["0"].tolist() == [0]


def test_what_fails_leaves_nothing(tmp_path):
    store = Store(tmp_path / "run", {})
    with pytest.raises(ZeroDivisionError):
        store.kept("fold", lambda: {"0": 1 / 0})
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        store.kept("fold", lambda: {"0": np.array([object()])})
    assert store.kept("fold", lambda: {"0": np.ones(1)})["0"].tolist() == [1]
    assert len(list((tmp_path / "run" / "parts").iterdir())) == 1


def test_another_run_in_the_same_folder_is_an_error(tmp_path):
    Store(tmp_path / "run", {"seed": 0, "classes": ("a", "b")})
    Store(tmp_path / "run", {"seed": 0, "classes": ("a", "b")})
    with pytest.raises(
        ArgumentError, match=r"a run with other settings \(seed: 0, now 1\); choose"
    ):
        Store(tmp_path / "run", {"seed": 1, "classes": ("a", "b")})
    Store(tmp_path / "nested", {"model": {"seed": 0, "names": ["long"] * 20}})
    with pytest.raises(ArgumentError, match=r"\(model\.seed: 0, now 1; model\.names\)"):
        Store(tmp_path / "nested", {"model": {"seed": 1, "names": []}})
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "mine.txt").write_text("dear")
    with pytest.raises(ArgumentError, match="holds no run"):
        Store(tmp_path / "letters", {})


def test_what_is_damaged_is_computed_again_and_said(tmp_path):
    store = Store(tmp_path / "run", {})
    store.kept("fold", lambda: {"0": np.ones(9)})
    (part,) = (tmp_path / "run" / "parts").iterdir()
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.warns(DataWarning, match=rf"{part} is damaged.*; it is computed again"):
        assert store.kept("fold", lambda: {"0": np.zeros(1)})["0"].tolist() == [0]
    assert store.kept("fold", lambda: pytest.fail("computed again"))["0"].tolist() == [0]
