"""Labels of repertoires: what is missing is never a negative, and mixtures are errors."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopfield.errors import ArgumentError
from hopfield.repertoire.columns import MISSING
from hopfield.repertoire.targets import Target, target_in

NAN = np.nan


def target(*cells, **how):
    return Target.of("label", pl.Series(cells, strict=False), **how)


def same(target, kind, classes, values):
    assert (target.kind, target.classes) == (kind, classes)
    np.testing.assert_array_equal(target.values, values)


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        (("0", "1"), ("0", "1")),
        (("0.0", "1.0"), ("0", "1")),
        (("1", "2"), ("1", "2")),
        (("2", "10"), ("2", "10")),
        (("True", "False"), ("False", "True")),
        (("CMV+", "CMV-"), ("CMV-", "CMV+")),
        (("+", "-"), ("-", "+")),
        (("CMV", "healthy"), ("healthy", "CMV")),
        (("Control", "Case"), ("Control", "Case")),
        (("infected", "not infected"), ("not infected", "infected")),
        (("seropositive", "other"), ("other", "seropositive")),
        (("MS", "HC"), ("HC", "MS")),
        (("b", "a"), ("a", "b")),
    ],
)
def test_which_of_two_is_the_positive_one(cells, classes):
    expected = [classes.index(cell.removesuffix(".0")) for cell in cells]
    same(target(*cells), "binary", classes, expected)
    assert target(*cells, positive=cells[0]).values.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("cells", "positive"),
    [
        (("no", "yes"), "no"),
        (("no", "yes"), "NO"),
        (("0", "1"), 0),
        ((0.0, 1.0), "0"),
        ((0, 1), "0.0"),
        ((False, True), False),
        (("False", "True"), False),
    ],
)
def test_the_positive_one_is_found_however_it_is_written(cells, positive):
    assert target(*cells, positive=positive).values.tolist() == [1, 0]


@given(st.lists(st.sampled_from(["a", "b", "", " ", None, *MISSING, "NA", "Unknown"])))
def test_what_is_missing_is_never_a_negative(cells):
    column = pl.Series(["a", "b", *cells], dtype=pl.String)
    found = Target.of("label", column)
    expected = [{"a": 0.0, "b": 1.0}.get(cell, NAN) for cell in column]
    same(found, "binary", ("a", "b"), expected)
    assert found.labelled.tolist() == [cell in ("a", "b") for cell in column]


def test_several_classes_are_in_order():
    same(target("10", "9", None, "2"), "multiclass", ("2", "9", "10"), [2, 1, NAN, 0])
    found = target("c", "a", "b", "a")
    same(found, "multiclass", ("a", "b", "c"), [2, 0, 1, 0])
    assert found.outputs == 3
    same(target("b", "a", "a", kind="multiclass"), "multiclass", ("a", "b"), [1, 0, 0])


def test_many_numbers_are_a_quantity():
    values = [20 + i / 2 for i in range(11)]
    found = target(*map(str, values), "NA")
    same(found, "regression", (), [*values, NAN])
    assert found.outputs == 1
    assert target(*values[:10]).kind == "multiclass"


def test_known_classes_give_the_same_places_whatever_is_there():
    same(target("c", None, classes=("a", "b", "c")), "multiclass", ("a", "b", "c"), [2, NAN])
    same(target("b", "b", classes=("a", "b")), "binary", ("a", "b"), [1, 1])
    same(target("1.5", "2", classes=()), "regression", (), [1.5, 2])
    with pytest.raises(ArgumentError, match="has 'd'; one of 'a', 'b' is expected"):
        target("a", "d", classes=("a", "b"))


NUMBERS = [str(i) for i in range(12)]
WRONG = {
    "none": ((None, "", "NA"), {}, "no repertoire has a label in column 'label'"),
    "no kind": (("a", "b"), {"kind": "two"}, "kind is 'two'; choose one of 'binary'"),
    "one value": (("a", "a"), {}, "has one value, 'a'; a label needs two"),
    "three": (("a", "b", "c"), {"kind": "binary"}, "has 3 distinct values .* needs two"),
    "one class": (("a", "a"), {"kind": "multiclass"}, "has one value, 'a'; a label needs two"),
    "no positive": (("a", "b"), {"positive": "c"}, "positive is 'c'; column 'label' has 'a' and"),
    "classes": (("a", "b", "c"), {"positive": "c"}, "positive='c' needs two"),
    "case": (("Yes", "yes", "no"), {}, "has 'Yes' and 'yes'; write them alike"),
    "numbers and a word": ((*NUMBERS, "4O"), {}, "has 12 numbers and '4O'; mend it"),
    "a word": (("1", "2,5"), {"kind": "regression"}, "has '2,5', which is no number"),
    "infinite": (("1", "inf"), {"kind": "regression"}, "has 'inf', which is no number"),
    "too large": (("1", "1e308"), {"kind": "regression"}, "has '1e308', which is no number of up"),
    "quantity": (NUMBERS, {"positive": "1"}, "is a quantity; it has no '1' class"),
    "ids": ([f"S{i}" for i in range(11)], {}, "has 11 distinct values in 11 repertoires; if"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_label_is_one_clear_error(name):
    cells, how, message = WRONG[name]
    with pytest.raises(ArgumentError, match=message):
        target(*cells, **how)


def test_a_part_is_the_same_by_places_and_by_true_and_false():
    whole = target("a", None, "b", "b")
    for rows in ([3, 0], np.array([3, 0]), [-1, 0]):
        same(whole.subset(rows), "binary", ("a", "b"), [1, 0])
    for rows in ([True, False, False, True], np.array([True, False, False, True])):
        same(whole.subset(rows), "binary", ("a", "b"), [0, 1])
    assert len(whole.subset([])) == 0
    with pytest.raises(ArgumentError, match="rows has 4; there are 4 repertoires"):
        whole.subset([4])
    for rows in ([True], [0.5], [[1]]):
        with pytest.raises(ArgumentError, match="places, or True and False for each of 4"):
            whole.subset(rows)


@pytest.mark.parametrize("name", ["repertoire_id", "split"])
def test_names_of_columns_of_predictions_are_no_labels(name):
    with pytest.raises(ArgumentError, match=f"a label cannot be called '{name}'"):
        target_in(pl.DataFrame({name: ["a", "b"]}), name)
