"""`Epanechnikov`: log-sum-ReLU, an energy of finite reach."""

import torch
from jaxtyping import Float
from torch import Tensor

from hopfield import _check
from hopfield.energies.memory import EnergyMemory, by_chunks

EXACT = "donot_use_mm_for_euclid_dist"  # differences of products lose a reach that is short


class Epanechnikov(EnergyMemory):
    """`E(ξ) = −β⁻¹ log Σ_i max(0, 1 − ½β‖ξ − x_i‖²)`: Hoover et al. 2025 (arXiv 2506.10801).

    A pattern is felt within `√(2/β)` and not beyond, so that one which no other reaches is
    retrieved exactly, and others with a common reach have minima between them. The update is the
    mean of the patterns within reach: the mean shift of a kernel with a convex profile, which never
    raises the energy (Comaniciu & Meer 2002, theorem 1), and stops after finitely many updates. A
    state that no pattern reaches has energy +inf and stays where it is.

    Args:
        stored: patterns X, `(N, d)`.
        beta: inverse temperature β > 0, a number, in units of one over squared pattern length.

    Raises:
        ShapeError, DtypeError, ArgumentError: arguments that do not fit.
    """

    def __init__(self, stored: Float[Tensor, "N d"], *, beta: float) -> None:
        super().__init__(stored)
        self.beta = _check.positive("beta", beta)

    def _update(self, state: Tensor) -> Tensor:
        return by_chunks(self._mean_within_reach, state, len(self.stored), -2)

    def _mean_within_reach(self, state: Tensor) -> Tensor:
        felt = (self._kernel(state) > 0).to(state.dtype)
        count = felt.sum(-1, keepdim=True)
        mean = felt @ self.stored / count.clamp(min=1)
        return torch.where(count > 0, mean, state)

    def _energy(self, state: Tensor) -> Tensor:
        sums = by_chunks(lambda rows: self._kernel(rows).sum(-1), state, len(self.stored), -1)
        return -sums.log() / self.beta

    def _kernel(self, state: Tensor) -> Tensor:
        """`max(0, 1 − ½β‖ξ − x_i‖²)`, `(..., S, N)`."""
        apart = torch.cdist(state, self.stored, compute_mode=EXACT)
        return (1 - 0.5 * self.beta * apart.square()).clamp(min=0.0)
