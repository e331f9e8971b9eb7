"""`Polynomial`: a dense associative memory whose energy is a power of the overlaps."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.linalg import vector_norm

from hopfield import _check
from hopfield.energies.memory import EnergyMemory, by_chunks
from hopfield.errors import ArgumentError
from hopfield.similarity import normalised


class Polynomial(EnergyMemory):
    """`E(ξ) = −(M²/n) Σ_i max(0, x_i·ξ / M²)ⁿ` on the sphere of radius M, the largest norm.

    The rectified polynomial of Krotov & Hopfield 2016 (arXiv 1606.01164), with continuous states.
    The update is the point of the sphere along `Σ_i max(0, x_i·ξ)ⁿ⁻¹ x_i`; since the sum of powers
    is convex, it never raises the energy. States are taken to the sphere first. A state that has no
    pattern within 90° stays where it is.

    What it stores grows as a power of d. Measure it with noise: far above its capacity the pull of
    all patterns together is the same in every direction, so that a state stays where it is, which
    from the pattern itself looks like retrieval.

    Args:
        stored: patterns X, `(N, d)`, not all of them 0.
        degree: n, at least 2.

    Raises:
        ShapeError, DtypeError, ArgumentError: arguments that do not fit.
    """

    def __init__(self, stored: Float[Tensor, "N d"], *, degree: int) -> None:
        super().__init__(stored)
        self.degree = _check.positive_int("degree", degree)
        if self.degree < 2:
            raise ArgumentError("degree is 1; at least 2 is expected: a linear energy stores one")
        self.radius = vector_norm(stored.double(), dim=-1).amax().to(stored.dtype)
        if self.radius == 0:
            raise ArgumentError("all stored patterns are 0; the overlap with them says nothing")
        self._relative = stored / self.radius

    def start(self, state: Tensor) -> Tensor:
        return self.radius * normalised(state)

    def _update(self, state: Tensor) -> Tensor:
        pull = by_chunks(self._pull, state, len(self.stored), -2)
        still = (pull == 0).all(-1, keepdim=True)
        return torch.where(still, state, self.radius * normalised(pull))

    def _energy(self, state: Tensor) -> Tensor:
        def total(rows: Tensor) -> Tensor:
            best, share = self._overlaps(rows)
            return best.squeeze(-1).pow(self.degree) * share.pow(self.degree).sum(-1)

        return -(self.radius**2) / self.degree * by_chunks(total, state, len(self.stored), -1)

    def _pull(self, state: Tensor) -> Tensor:
        return self._overlaps(state)[1].pow(self.degree - 1) @ self._relative

    def _overlaps(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """The largest `max(0, x_i·ξ / M²)`, `(..., S, 1)`, and all as shares of it, `(..., S, N)`.

        Shares do not vanish at high powers.
        """
        overlap = (state / self.radius @ self._relative.mT).clamp(min=0.0)
        best = overlap.amax(-1, keepdim=True)
        return best, overlap / best.masked_fill(best == 0, 1.0)
