"""Splits: groups are never split, every target is spread, what cannot be learned from is said."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopfield.errors import ArgumentError
from hopfield.repertoire.splits import fold_numbers, of_batches, of_column, of_numbers, told_in
from hopfield.repertoire.targets import Target


def binary(values, name="label"):
    return Target(name, "binary", np.array(values, float), ("no", "yes"))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, np.nan]), st.sampled_from([0, 1, np.nan]), st.integers(0, 9)
        ),
        min_size=1,
        max_size=40,
    ),
    st.integers(2, 5),
)
def test_folds_keep_groups_together_and_leave_nobody_out(rows, k):
    rows += [(0, 1, 10), (0, 0, 11), (1, 1, 12), (1, 0, 13)]  # two groups of each class at least
    first, second, groups = (np.array(column) for column in zip(*rows, strict=True))
    numbers = fold_numbers([binary(first), binary(second)], np.arange(len(rows)), groups, k, 0)
    assert numbers.min() == 0
    assert numbers.max() < k
    for group in np.unique(groups):
        assert len(set(numbers[groups == group])) == 1


def test_each_target_is_spread_over_the_folds():
    first = np.r_[np.tile([0, 1], 10), np.full(20, np.nan)]
    second = np.r_[np.full(20, np.nan), np.tile([0, 1], 10)]
    targets = [binary(first), binary(second)]
    numbers = fold_numbers(targets, np.arange(40), None, 5, 0)
    for target in targets:
        for value in (0, 1):
            assert np.bincount(numbers[target.values == value], minlength=5).tolist() == [2] * 5


def test_only_the_rows_that_are_given_are_told():
    rows = np.arange(4, 20)
    numbers = fold_numbers([binary(np.tile([0, 1], 10))], rows, None, 3, 0)
    assert (numbers[:4] == -1).all()
    splits = of_numbers(numbers, "inner fold")
    assert [one.name for one in splits] == ["inner fold 1", "inner fold 2", "inner fold 3"]
    for one in splits:
        assert sorted([*one.train, *one.test]) == rows.tolist()


def test_a_class_of_one_subject_makes_no_folds():
    numbers = fold_numbers([binary([0, 0, 0, 1, 1])], np.arange(5), np.array([0, 1, 2, 3, 3]), 5, 0)
    assert numbers.tolist() == [-1] * 5
    assert of_numbers(numbers) == []


def test_of_a_batch_nothing_is_learned_also_not_from_its_subjects():
    batches = pl.Series("batch", ["a", "b", "a", None, "c", "NA"])
    splits = of_batches(batches, np.array([0, 0, 1, 2, 3, 4]))
    assert [one.name for one in splits] == ["without a", "without b", "without c"]
    assert [one.test.tolist() for one in splits] == [[0, 2], [1], [4]]
    assert [one.train.tolist() for one in splits] == [[4], [2, 4], [0, 1, 2]]
    assert told_in(splits, 6).tolist() == [0, 1, 0, -1, 2, -1]


def test_a_split_by_a_column():
    split = of_column(pl.Series("set", ["train", "Test", "train", None]), np.array([0, 1, 1, 2]))
    assert (split.train.tolist(), split.test.tolist()) == ([0], [1])
    with pytest.raises(ArgumentError, match="'train' and 'test' are expected"):
        of_column(pl.Series("set", ["train", "validation"]), None)


def test_why_nothing_can_be_learned():
    split = of_column(pl.Series("set", ["train"] * 4 + ["test"]), None)
    assert split.poor([binary([0, 1, 0, 1, 1])]) == ""
    assert "1 distinct" in split.poor([binary([0, 1, 0, 1, 1]), binary([1, 1, 1, 1, 0])])
    assert "3 have a label" in split.poor([binary([0, 1, 0, np.nan, 1])])


def test_classes_of_the_test_rows_alone():
    split = of_column(pl.Series("set", ["train"] * 2 + ["test"] * 2), None)
    amount = Target("amount", "regression", np.arange(4.0), ())
    assert split.unseen([binary([0, 1, 0, 1]), binary([1, 1, 0, np.nan]), amount]) == ["label 'no'"]
