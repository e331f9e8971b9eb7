"""Folds: each row is tested once, classes are spread, groups are kept together."""

import numpy as np
import pytest

from hopfield.repertoire.folds import folds
from hopfield.repertoire.targets import Target

ROWS = np.arange(3, 43)


def target(kind, classes=2):
    values = np.arange(50.0) if kind == "regression" else np.arange(50.0) % classes
    return Target("label", kind, values, () if kind == "regression" else ("a", "b", "c")[:classes])


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("grouped", [False, True])
def test_every_row_is_tested_once(kind, grouped):
    groups = np.arange(50) // 2 if grouped else None
    labels = target(kind, 3 if kind == "multiclass" else 2)
    pairs = folds(labels, ROWS, groups, k=4, seed=1)
    assert len(pairs) == 4
    assert np.sort(np.concatenate([test for _, test in pairs])).tolist() == ROWS.tolist()
    for train, test in pairs:
        assert np.sort(np.concatenate([train, test])).tolist() == ROWS.tolist()
        if grouped:
            assert not set(groups[train]) & set(groups[test])
        if kind == "binary":
            assert np.mean(labels.values[test]) == pytest.approx(0.5, abs=0.1)


def test_the_seed_decides():
    first, again, other = (folds(target("binary"), ROWS, seed=seed) for seed in (0, 0, 1))
    assert all((a[1] == b[1]).all() for a, b in zip(first, again, strict=True))
    assert any(
        len(a[1]) != len(b[1]) or (a[1] != b[1]).any() for a, b in zip(first, other, strict=True)
    )


def test_fewer_where_a_class_is_small():
    labels = target("binary")
    labels.values[:] = 0
    labels.values[5:8] = 1
    assert len(folds(labels, ROWS)) == 3
    groups = np.arange(50)
    groups[5:7] = 5
    assert len(folds(labels, ROWS, groups)) == 2
    groups[5:8] = 5
    assert folds(labels, ROWS, groups) == []
    assert folds(target("regression"), ROWS[:1]) == []
