"""The three phases, and what the theorems promise, measured on stored patterns."""

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.linalg import matrix_norm, vector_norm
from torch.nn.functional import normalize

from hopfield import theory
from hopfield.errors import ConvergenceWarning
from hopfield.functional import update
from hopfield.phases import phase
from hopfield.retrieval import retrieve

SWEEP = torch.logspace(-1, 3.4, 34)


@dataclass(frozen=True)
class Sweep:
    """Stored digits retrieved to convergence at every β of `SWEEP`.

    Attributes:
        state: `(B, S, 64)`.
        label: `(B, S)`, a `PhaseLabel`.
        k90: `(B, S)`.
        stretch: `(B, S)`, norm of the Jacobian.
        unconverged: how many of all states did not converge.
    """

    state: Tensor
    label: Tensor
    k90: Tensor
    stretch: Tensor
    unconverged: int


def sweep_beta(stored: Tensor, start: Tensor, progress: Any) -> Sweep:
    """Follow the same digits through β: from one global average to single patterns."""
    found: list[tuple[Tensor, ...]] = []
    unconverged = 0
    for beta in SWEEP.tolist():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # they are counted here
            result = retrieve(start, stored, beta=beta, steps=3000, tol=1e-5)
        assert result.converged is not None
        unconverged += int((~result.converged).sum())
        of_state = phase(result.state, stored, beta=beta)
        stretch = matrix_norm(theory.jacobian(result.state, stored, beta), 2)
        found.append((result.state, of_state.label, of_state.k90, stretch))
        progress.update()
    state, label, k90, stretch = (torch.stack(part) for part in zip(*found, strict=True))
    return Sweep(state, label, k90, stretch, unconverged)


@dataclass(frozen=True)
class OneUpdate:
    """Stored digits with noise of length Δ_i / (4M), after ONE update.

    Attributes:
        beta: `(B,)`.
        error: `(B, N)`, how far from the digit it ended.
        bound: `(B, N)`, what the theorem allows.
        guaranteed: `(B,)`, the share of digits that the storage theorem guarantees.
        delta: `(N,)`, Δ_i.
    """

    beta: Tensor
    error: Tensor
    bound: Tensor
    guaranteed: Tensor
    delta: Tensor

    @property
    def retrieved(self) -> Tensor:
        """The share within 1e-3 of the digit, `(B,)`."""
        return (self.error <= 1e-3).double().mean(-1)


def update_once(stored: Tensor, betas: list[float], seed: int) -> OneUpdate:
    """One update in float64 from every stored digit with noise, against the theorems."""
    stored = stored.double()
    generator = torch.Generator().manual_seed(seed)
    delta, everyone = theory.delta(stored), torch.arange(len(stored))
    noise = normalize(torch.randn(stored.shape, generator=generator).to(stored), dim=-1)
    state = stored + noise * (delta / (4 * theory.max_norm(stored))).unsqueeze(-1)
    error, bound, guaranteed = [], [], []
    for beta in betas:
        error.append(vector_norm(update(state, stored, beta=beta) - stored, dim=-1))
        bound.append(theory.retrieval_error_bound(state, stored, beta, target=everyone))
        guaranteed.append(theory.is_stored(stored, beta).double().mean())
    curves = torch.stack(error), torch.stack(bound), torch.stack(guaranteed)
    return OneUpdate(torch.tensor(betas), *curves, delta)
