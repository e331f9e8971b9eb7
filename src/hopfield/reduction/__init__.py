"""The reduction: states and stored patterns to read-outs and log-partitions."""

from hopfield.reduction.dispatch import BACKENDS, Choice
from hopfield.reduction.partial import Partial, merge

__all__ = ["BACKENDS", "Choice", "Partial", "merge"]
