"""What is proved about retrieval, as functions, and what is measured beside it."""

from hopfield.theory.beta import StoringBeta, storing_beta
from hopfield.theory.capacity import Capacity, capacity
from hopfield.theory.jacobian import jacobian
from hopfield.theory.patterns import delta, max_norm, spread
from hopfield.theory.storage import is_stored, retrieval_error_bound

__all__ = [
    "Capacity",
    "StoringBeta",
    "capacity",
    "delta",
    "is_stored",
    "jacobian",
    "max_norm",
    "retrieval_error_bound",
    "spread",
    "storing_beta",
]
