"""How retrieval answers to small changes, along β: the Jacobian, and gradients of a loss."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from tqdm import tqdm

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.functional import associate
from hopfield.landscape.ends import betas_of, checked, settled, states
from hopfield.phases import phase
from hopfield.reduction.inputs import tiles
from hopfield.similarity import normalised
from hopfield.theory.jacobian import jacobian_norm

NUMBERS_AT_ONCE = 2**24


@dataclass(frozen=True)
class Slopes:
    """What happens at converged states along β, `(B, S)` each but for `beta`.

    Attributes:
        beta: `(B,)`.
        label: the `PhaseLabel` of the converged state.
        k90: how many patterns hold 90 % of its weight.
        jacobian: the norm ‖J‖₂ of one more update.
        gradient: `Σ_j |∂L/∂s_j|`, for a loss whose gradient at the read-out is a random unit
            vector, on average over such vectors; in units of pattern length.
        entropy: of |∂L/∂s_j| over the stored patterns, on average, as a share of ln N: 1 where all
            patterns get the same, 0 where one gets all; NaN where there is no gradient.
        converged: whether the state converged.
    """

    beta: Float[Tensor, " B"]
    label: Int[Tensor, "B S"]
    k90: Int[Tensor, "B S"]
    jacobian: Float[Tensor, "B S"]
    gradient: Float[Tensor, "B S"]
    entropy: Float[Tensor, "B S"]
    converged: Bool[Tensor, "B S"]


def slopes(
    state: Float[Tensor, "S d"],
    stored: Float[Tensor, "N d"],
    betas: Sequence[float],
    *,
    directions: int = 16,
    seed: int = 0,
    progress: bool = False,
) -> Slopes:
    """Follow states through β, and see how much their retrieval answers to small changes.

    With `y = Xᵀp`, `p = softmax(s)` and a loss L, `∂L/∂s_j = p_j (x_j − y)·∂L/∂y`: what reaches a
    stored pattern through its score (Ramsauer et al. 2020, arXiv 2008.02217, section 3 and A.1.5).

    Args:
        state: starts, `(S, d)`; retrieved to convergence at each β anew.
        stored: patterns X, `(N, d)`, at least two.
        betas: inverse temperatures, rising.
        directions: random directions of ∂L/∂y.
        seed: of them.
        progress: whether to show a progress bar.

    Raises:
        ShapeError, DtypeError, ArgumentError: arguments that do not fit.
    """
    wide, betas = checked(stored), betas_of(betas)
    start = states("state", state, stored)
    if len(wide) < 2:
        raise ArgumentError(
            "one pattern is stored; at least two are expected: with one nothing moves"
        )
    count = _check.positive_int("directions", directions)
    _check.fits_memory(16 * count * sum(wide.shape), f"{count} directions", "number of directions")
    generator = torch.Generator().manual_seed(_check.seed("seed", seed))
    shape = (count, stored.shape[-1])
    ahead = normalised(torch.randn(shape, generator=generator, dtype=torch.float64)).to(wide)
    found = []
    for beta in tqdm(betas, disable=not progress, desc="slopes", unit="β", leave=False):
        end = settled(start, wide, beta=beta)
        assert end.converged is not None
        of = phase(end.state, wide, beta=beta)
        norm = jacobian_norm(end.state, wide, beta).exact
        reached = _reached(end.state, wide, beta, ahead)
        found.append((of.label, of.k90, norm, *reached, end.converged))
    label, k90, norm, gradient, entropy, converged = map(torch.stack, zip(*found, strict=True))
    return Slopes(
        torch.tensor(betas, dtype=torch.float64), label, k90, norm, gradient, entropy, converged
    )


def _reached(state: Tensor, stored: Tensor, beta: float, ahead: Tensor) -> tuple[Tensor, Tensor]:
    """Size and spread of |∂L/∂s_j|, `(S,)` each, averaged over directions."""
    sizes, spreads = [], []
    along = stored @ ahead.mT  # (N, D)
    for rows in tiles(len(state), max(1, NUMBERS_AT_ONCE // along.numel())):
        p = associate(state[rows], stored, beta=beta)
        gradient = (p[..., None] * (along - (p @ along)[:, None])).abs()
        size = gradient.sum(1)
        share = gradient / size.masked_fill(size == 0, torch.nan)[:, None]
        sizes.append(size.mean(-1))
        spreads.append(torch.special.entr(share).sum(1).mean(-1) / torch.tensor(len(stored)).log())
    return torch.cat(sizes), torch.cat(spreads)
