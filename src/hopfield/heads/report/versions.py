"""The libraries that figures depend on."""

import platform
from importlib.metadata import version

LIBRARIES = ("hopfield", "torch", "transformers", "numpy")


def versions() -> dict[str, str]:
    """Their versions, and that of Python."""
    return {name: version(name) for name in LIBRARIES} | {"Python": platform.python_version()}
