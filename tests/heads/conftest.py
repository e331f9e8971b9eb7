"""Fixtures of tests of heads."""

import pytest


@pytest.fixture(autouse=True, scope="module")
def small(one_thread):
    """Models of these tests are."""
