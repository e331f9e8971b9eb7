"""`Modern`: the network that this library is about, beside others."""

from typing import Unpack

from jaxtyping import Float
from torch import Tensor

from hopfield.energies.memory import EnergyMemory
from hopfield.network import Network
from hopfield.settings import Settings, build, build_for_all


class Modern(EnergyMemory):
    """`E = −β⁻¹ Ω*(β X ξ) + ½ ξ·ξ + const`: what `hopfield.update` and `hopfield.energy` compute.

    Ramsauer et al. 2020 (arXiv 2008.02217), eq. 2 and 3. No update raises the energy, but with the
    cosine similarity, where states are taken as normalised.

    Args:
        stored: patterns X, `(N, d)`.
        **settings: see `hopfield.Settings`, without offsets, and alike for all states.

    Raises:
        ShapeError, DtypeError, ArgumentError: as for `hopfield.update`.
    """

    def __init__(self, stored: Float[Tensor, "N d"], **settings: Unpack[Settings]) -> None:
        super().__init__(stored)
        self.settings = settings
        build_for_all("Modern", stored[:1], stored, **settings)

    def _network(self, state: Tensor) -> Network:
        return build(state, self.stored, **self.settings)[1]

    def start(self, state: Tensor) -> Tensor:
        return self._network(state).start(state)

    def _update(self, state: Tensor) -> Tensor:
        return self._network(state).update(state)

    def _energy(self, state: Tensor) -> Tensor:
        network = self._network(state).any_backend()
        return network.energy(state, network.ground())
