"""Intervals that no metric shows by itself; the others are tested with the metrics."""

import math

import pytest

from hopfield.repertoire.intervals import mean


def test_mean_is_students():
    found = mean([0.8, 0.9, 0.7])
    assert (found.value, found.low) == pytest.approx((0.8, 0.8 - 4.302653 * 0.1 / 3**0.5))
    assert found.high == 1
    assert mean([0.9, 0.1]).low == 0
    assert mean([0.9, 0.1], -math.inf).low < 0
    assert mean([0.8, math.nan]).note == "fewer than two folds"
    assert math.isnan(mean([math.nan]).value)


def test_folds_that_are_equal_say_nothing_of_others():
    found = mean([0.3, 0.1 + 0.2, 0.3])
    assert (found.value, found.note) == (pytest.approx(0.3), "all folds are equal")
    assert math.isnan(found.low)
