"""`Hebbian`: the classical binary network, for comparison."""

import torch
from jaxtyping import Float
from torch import Tensor

from hopfield.energies.memory import EnergyMemory, check_signs


class Hebbian(EnergyMemory):
    """`E(σ) = −½ σᵀ W σ` with `W = (XᵀX − N I) / d`, for patterns and states of −1 and 1.

    Hopfield 1982 (PNAS 79:2554). One update is a sweep: the coordinates are set to the sign of
    their field one after the other, which never raises the energy; where the field is 0 they stay.
    States are taken by their signs first, 0 as 1. It stores about 0.138 d patterns (Amit et al.
    1985, Physical Review Letters 55:1530).

    Args:
        stored: patterns X, `(N, d)`, of −1 and 1.

    Raises:
        ShapeError, DtypeError, ArgumentError: patterns that do not fit.
    """

    def __init__(self, stored: Float[Tensor, "N d"]) -> None:
        super().__init__(stored)
        check_signs("stored", stored)
        self._couplings = stored.mT @ stored  # d W, in whole numbers: a field of 0 is 0
        self._couplings.fill_diagonal_(0.0)

    def start(self, state: Tensor) -> Tensor:
        return torch.where(state >= 0, 1.0, -1.0).to(state)

    def _update(self, state: Tensor) -> Tensor:
        state = state.clone()
        for i, coupling in enumerate(self._couplings):
            field = state @ coupling
            state[..., i] = torch.where(field == 0, state[..., i], field.sign())
        return state

    def _energy(self, state: Tensor) -> Tensor:
        return -0.5 * (state @ self._couplings * state).sum(-1) / state.shape[-1]
