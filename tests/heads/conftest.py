"""Fixtures of tests of heads."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """In models this small, threads only wait for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
