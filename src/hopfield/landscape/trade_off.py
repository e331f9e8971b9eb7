"""The trade-off between how many patterns are stored, at which β, and how well they come back."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.linalg import vector_norm
from tqdm import tqdm

from hopfield import _check, theory
from hopfield.errors import ArgumentError
from hopfield.functional import update
from hopfield.landscape.ends import betas_of, checked, length_of, settled
from hopfield.phases import PhaseLabel, phase
from hopfield.theory.patterns import on_sphere

BYTES_PER_CELL = 8 * 8


@dataclass(frozen=True)
class TradeOff:
    """Retrieval of S of the stored patterns, for A numbers of patterns and B values of β.

    Attributes:
        sizes: `(A,)`, how many patterns are stored.
        beta: `(B,)`.
        length: M, the largest norm of all patterns.
        delta: `(A, S)`, Δ_i of the tested patterns among those stored.
        once: `(A, B, S)`, how far ONE update ends from the pattern.
        bound: `(A, B, S)`, what theorem 5 allows.
        guaranteed: `(A, B, S)`, whether the storage theorem guarantees that the pattern is stored.
        error: `(A, B, S)`, how far retrieval ends from the pattern at convergence.
        steps: `(A, B, S)`, updates until the state stood still.
        converged: `(A, B, S)`, whether it did.
        label: `(A, B, S)`, the `PhaseLabel` of the state at the end; NONE where it did not
            converge.
        k90: `(A, B, S)`, how many patterns hold 90 % of its weight.
    """

    sizes: Int[Tensor, " A"]
    beta: Float[Tensor, " B"]
    length: float
    delta: Float[Tensor, "A S"]
    once: Float[Tensor, "A B S"]
    bound: Float[Tensor, "A B S"]
    guaranteed: Bool[Tensor, "A B S"]
    error: Float[Tensor, "A B S"]
    steps: Int[Tensor, "A B S"]
    converged: Bool[Tensor, "A B S"]
    label: Int[Tensor, "A B S"]
    k90: Int[Tensor, "A B S"]

    def retrieved(self, error: float = 1e-3, *, once: bool = False) -> Float[Tensor, "A B"]:
        """The share that ends within `error` · M of the pattern, at convergence or after ONE."""
        distance = self.once if once else self.error
        return (distance <= error * self.length).double().mean(-1)

    def share(self, label: PhaseLabel) -> Float[Tensor, "A B"]:
        """The share of states that end in this phase."""
        return (self.label == label).double().mean(-1)


def trade_off(
    stored: Float[Tensor, "N d"],
    sizes: Sequence[int],
    betas: Sequence[float],
    *,
    noise: float = 0.0,
    sample: int = 200,
    seed: int = 0,
    progress: bool = False,
) -> TradeOff:
    """Store more and more of some patterns at many β, and retrieve from them with noise.

    The same tested patterns are stored in every cell, beside others that are drawn at random.
    Labels are those of states at convergence, as `phase` gives them.

    Args:
        stored: patterns X, `(N, d)`: random ones (`theory.on_sphere`) or real ones.
        sizes: how many of them are stored, rising, from 2 to N.
        betas: inverse temperatures, rising.
        noise: length of what is added to a pattern in a random direction, in units of pattern
            length.
        sample: how many patterns are tested, at most; never more than the smallest size.
        seed: of the draw and the noise.
        progress: whether to show a progress bar.

    Raises:
        ShapeError, DtypeError, ArgumentError: arguments that do not fit, or a grid that memory does
            not hold.
    """
    wide, betas = checked(stored), betas_of(betas)
    noise = _check.not_negative("noise", noise)
    sizes = _check.numbers("sizes", sizes, _check.positive_int)
    rising = sorted(set(sizes)) == sizes
    if not rising or sizes[0] < 2 or sizes[-1] > len(stored):
        raise ArgumentError(
            f"sizes is {sizes}; rising numbers from 2 to the {len(stored)} patterns are expected"
        )
    count = min(_check.positive_int("sample", sample), sizes[0])
    cells = len(sizes) * len(betas) * count
    _check.fits_memory(
        cells * BYTES_PER_CELL + 2 * wide.nbytes,
        f"{len(sizes)} sizes × {len(betas)} β × {count} tested patterns",
        "grid, or sample",
    )
    generator = torch.Generator().manual_seed(_check.seed("seed", seed))
    order = torch.randperm(len(wide), generator=generator).to(wide.device)
    offset = noise * on_sphere(count, wide.shape[-1], 1.0, generator).to(wide)
    found, deltas = [], []
    with tqdm(total=len(sizes) * len(betas), disable=not progress, unit="cell", leave=False) as bar:
        for size in sizes:
            some, everyone = wide[order[:size]], torch.arange(count, device=wide.device)
            deltas.append(theory.delta(some, everyone))
            for beta in betas:
                found.append(_cell(some, everyone, offset, beta))
                bar.update()
    grid = (len(sizes), len(betas), count)
    columns = [torch.stack(column).view(grid) for column in zip(*found, strict=True)]
    return TradeOff(
        torch.tensor(sizes),
        torch.tensor(betas, dtype=torch.float64),
        length_of(wide),
        torch.stack(deltas),
        *columns,
    )


def _cell(stored: Tensor, tested: Tensor, offset: Tensor, beta: float) -> tuple[Tensor, ...]:
    pattern = stored[tested]
    start = pattern + offset
    once = vector_norm(update(start, stored, beta=beta) - pattern, dim=-1)
    bound = theory.retrieval_error_bound(start, stored, beta, target=tested)
    guaranteed = theory.is_stored(stored, beta, tested)
    end = settled(start, stored, beta=beta)
    assert end.converged is not None
    error = vector_norm(end.state - pattern, dim=-1)
    of = phase(end.state, stored, beta=beta)
    label = of.label.masked_fill(~end.converged, PhaseLabel.NONE)
    return once, bound, guaranteed, error, end.steps, end.converged, label, of.k90
