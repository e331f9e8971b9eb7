"""Fixtures of all tests."""

from contextlib import contextmanager

import jaxtyping
import pytest
import torch


def pytest_collection_modifyitems(config, items):
    """Leave tests of an accelerator out where there is none."""
    if not torch.cuda.is_available():
        left_out = [item for item in items if "gpu" in item.keywords]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if "gpu" not in item.keywords]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@contextmanager
def threads(count):
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def one_thread():
    """In small models, threads only wait for one another."""
    with threads(1):
        yield


@pytest.fixture
def two_threads():
    """What is shared out among threads is, however many the run has."""
    with threads(2):
        yield


@pytest.fixture
def untyped():
    """Switch the shape checks of the test run off, so that the library's own errors are seen."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
