"""What is proved about retrieval, as functions, and what is measured beside it."""

from hopfield.theory.beta import StoringBeta, storing_beta
from hopfield.theory.capacity import Capacity, capacity
from hopfield.theory.critical import CriticalBeta, critical_beta
from hopfield.theory.estimate import CapacityEstimate, capacity_estimate
from hopfield.theory.growth import Fit, Growth, growth
from hopfield.theory.jacobian import JacobianNorm, jacobian, jacobian_norm
from hopfield.theory.measure import MeasuredCapacity, measure_capacity
from hopfield.theory.patterns import delta, max_norm, on_sphere, spread, unstorable
from hopfield.theory.storage import (
    convergence_rate_bound,
    fixed_point_error_bound,
    is_stored,
    retrieval_error_bound,
    storage_radius,
)
from hopfield.theory.subset import SubsetBounds, SubsetStates, subset_bounds, subset_states

__all__ = [
    "Capacity",
    "CapacityEstimate",
    "CriticalBeta",
    "Fit",
    "Growth",
    "JacobianNorm",
    "MeasuredCapacity",
    "StoringBeta",
    "SubsetBounds",
    "SubsetStates",
    "capacity",
    "capacity_estimate",
    "convergence_rate_bound",
    "critical_beta",
    "delta",
    "fixed_point_error_bound",
    "growth",
    "is_stored",
    "jacobian",
    "jacobian_norm",
    "max_norm",
    "measure_capacity",
    "on_sphere",
    "retrieval_error_bound",
    "spread",
    "storage_radius",
    "storing_beta",
    "subset_bounds",
    "subset_states",
    "unstorable",
]
