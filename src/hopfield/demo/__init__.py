"""`hopfield demo`: retrieval, phases and theorems on real data, in a minute."""

from hopfield.demo.page import Demo, demo

__all__ = ["Demo", "demo"]
