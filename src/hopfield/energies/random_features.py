"""`RandomFeatures`: an energy whose memory does not grow with the patterns."""

import torch
from jaxtyping import Float
from torch import Tensor

from hopfield import _check
from hopfield.energies.memory import NUMBERS_AT_ONCE, EnergyMemory, by_chunks
from hopfield.errors import ArgumentError, ShapeError
from hopfield.reduction.inputs import tiles

SMALLEST_SHARE = 1e-3  # of one pattern, at which the estimated sum of kernels is cut off


class RandomFeatures(EnergyMemory):
    """`E(ξ) = −β⁻¹ log max(φ(ξ)·T, 10⁻³)`, with `T = Σ_i φ(x_i)` of constant size.

    Hoover et al. 2024 (arXiv 2410.24153): trigonometric features of Rahimi & Recht 2007,
    `φ(x)·φ(ξ) ≈ exp(−½β‖x − ξ‖²)`, so that this approaches `Modern` with the Euclidean similarity
    (up to constants) as 1/√F, F the number of frequencies. After N patterns the estimate of the sum
    is off by about √(N / 2F) of one pattern: it holds few patterns for its size, but that size is
    fixed.

    The update is `ξ − ∇E(ξ)`, the step that `Modern` makes. Here it MAY RAISE the energy, because
    the estimate of the kernel is not convex; a smaller `step` makes that rarer. A state at which
    the estimate is below 10⁻³ of one pattern stays where it is.

    Args:
        stored: patterns X, `(N, d)`; they are not kept.
        beta: inverse temperature β > 0, a number.
        features: the number of frequencies F; memory holds 2 F sums and F · d frequencies.
        step: how far to go along −∇E, in (0, 1].
        seed: of the frequencies.

    Raises:
        ShapeError, DtypeError, ArgumentError: arguments that do not fit.
    """

    def __init__(
        self,
        stored: Float[Tensor, "N d"],
        *,
        beta: float,
        features: int = 4096,
        step: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__(stored)
        self.stored = stored.new_empty(0, stored.shape[-1])  # width, dtype and device alone
        self.beta = _check.positive("beta", beta)
        self.step = _check.share("step", step)
        count = _check.positive_int("features", features)
        numbers = f"{count} frequencies of {stored.shape[-1]} numbers"
        _check.fits_memory(16 * count * stored.shape[-1], numbers, "number of features")
        generator = torch.Generator("cpu").manual_seed(_check.seed("seed", seed))
        drawn = torch.randn(
            count, stored.shape[-1], generator=generator, dtype=torch.float64, device="cpu"
        )
        self._frequencies = (self.beta**0.5 * drawn).to(stored)
        self._sums, self.count = self._of(stored), len(stored)

    def add(self, patterns: Float[Tensor, "n d"]) -> None:
        """Store more patterns, `(n, d)`; nothing grows.

        Raises:
            ShapeError, DtypeError, ArgumentError: patterns that do not fit.
        """
        self._sums = self._sums + self._of(patterns)
        self.count += len(patterns)

    def remove(self, patterns: Float[Tensor, "n d"]) -> None:
        """Forget patterns, `(n, d)`, that were stored; others would leave holes.

        Raises:
            ShapeError, DtypeError, ArgumentError: patterns that do not fit.
        """
        removed = self._of(patterns)
        if len(patterns) > self.count:
            raise ArgumentError(
                f"{len(patterns)} patterns are to be removed, and {self.count} are stored"
            )
        self._sums = self._sums - removed
        self.count -= len(patterns)

    def _of(self, patterns: Tensor) -> Tensor:
        _check.plain_patterns(patterns)
        _check.alike("patterns", patterns, "stored", self.stored)
        if patterns.shape[-1] != self.stored.shape[-1]:
            raise ShapeError(
                f"patterns has shape {_check.shape_of(patterns)}; patterns with "
                f"{self.stored.shape[-1]} entries are stored, and expected"
            )
        _check.finite("patterns", patterns)
        count = len(self._frequencies)
        parts = tiles(len(patterns), max(1, NUMBERS_AT_ONCE // (2 * count)))
        total = torch.stack([self._features(patterns[rows]).sum(0) for rows in parts]).sum(0)
        return total / count

    def _update(self, state: Tensor) -> Tensor:
        return by_chunks(self._step, state, 2 * len(self._frequencies), -2)

    def _step(self, state: Tensor) -> Tensor:
        features = self._features(state)
        estimate = features @ self._sums
        cosine, sine = features.chunk(2, -1)
        of_cosine, of_sine = self._sums.chunk(2, -1)
        slope = (cosine * of_sine - sine * of_cosine) @ self._frequencies
        told = (estimate > SMALLEST_SHARE).unsqueeze(-1)
        downhill = slope / (self.beta * estimate.clamp(min=SMALLEST_SHARE).unsqueeze(-1))
        return torch.where(told, state + self.step * downhill, state)

    def _energy(self, state: Tensor) -> Tensor:
        width = 2 * len(self._frequencies)
        estimate = by_chunks(lambda rows: self._features(rows) @ self._sums, state, width, -1)
        return -estimate.clamp(min=SMALLEST_SHARE).log() / self.beta

    def _features(self, patterns: Tensor) -> Tensor:
        """Cosines and sines of the phases, `(..., 2F)`."""
        phases = patterns @ self._frequencies.mT
        return torch.cat([phases.cos(), phases.sin()], -1)
