"""Two patterns: one fixed point between them splits into three as β rises."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hopfield.errors import ConvergenceWarning, ShapeError
from hopfield.landscape.ends import betas_of, checked
from hopfield.retrieval import retrieve
from hopfield.theory.critical import critical_beta

STEPS, STILL = 20_000, 1e-9


@dataclass(frozen=True)
class Bifurcation:
    """Where retrieval of two patterns ends along β.

    Attributes:
        beta: `(B,)`.
        ends: `(B, 3)`, from the first pattern, their mean and the second one: places along the line
            between the patterns, 1 at the first, 0 at the mean, −1 at the second.
        critical: 1 / m_max². For patterns of equal length it is where the split is, exactly: for ±x
            at β‖x‖² = 1. For others the mean is no fixed point, and one end splits off later.
    """

    beta: Float[Tensor, " B"]
    ends: Float[Tensor, "B 3"]
    critical: float


def bifurcation(stored: Float[Tensor, "2 d"], betas: Sequence[float]) -> Bifurcation:
    """Follow the fixed points of two patterns through β; `plot.bifurcation` draws them.

    At the split itself retrieval slows down without bound: there a state is where 20 000 updates
    bring it.

    Args:
        stored: two patterns that differ, `(2, d)`.
        betas: inverse temperatures, rising.

    Raises:
        ShapeError, DtypeError, ArgumentError: arguments that do not fit.
    """
    wide, betas = checked(stored).clone(), betas_of(betas)
    if len(wide) != 2:
        raise ShapeError(f"stored has shape {tuple(stored.shape)}; two patterns are expected")
    critical = critical_beta(wide).beta
    lengths = wide.norm(dim=-1)
    if (lengths[0] - lengths[1]).abs() <= 16 * torch.finfo(stored.dtype).eps * lengths.amax():
        wide[1] *= lengths[0] / lengths[1]  # they are as long but for rounding: the mean is fixed
    mean = wide.mean(0)
    half = (wide[0] - wide[1]) / 2
    start = torch.stack([wide[0], mean, wide[1]])
    tol = STILL * half.norm().item()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # at the split, as said above
        states = [retrieve(start, wide, beta=beta, steps=STEPS, tol=tol).state for beta in betas]
    ends = [(state - mean) @ half / half.dot(half) for state in states]
    return Bifurcation(torch.tensor(betas, dtype=torch.float64), torch.stack(ends), critical)
