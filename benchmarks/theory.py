"""What theory and energies compute, beside what one would use instead."""

import torch
from sklearn.cluster import mean_shift
from torch.nn.functional import normalize

from benchmarks.harness import Result, race
from hopfield import theory
from hopfield.energies import Epanechnikov

SEPARATE, WIDTH = 8192, 64
STORED, STATES, BETA = 2000, 200, 4.0


def run(device: str) -> list[Result]:
    return [*_separation(device), *_mean_shift()]


def _separation(device: str) -> list[Result]:
    """Δ of all patterns: blocks of pairs in float64, or all pairs at once."""
    stored = normalize(torch.randn(SEPARATE, WIDTH, device=device), dim=-1)

    def written_out():
        wide = stored.double()
        scores = wide @ wide.T
        own = scores.diagonal().clone()
        return own - scores.fill_diagonal_(-torch.inf).amax(-1)

    torch.testing.assert_close(theory.delta(stored).double(), written_out(), atol=1e-6, rtol=0)
    contenders = {"written out": written_out, "theory.delta": lambda: theory.delta(stored)}
    return race("theory", f"Δ, N = {SEPARATE}, d = {WIDTH}", contenders, 7, device=device)


def _mean_shift() -> list[Result]:
    """The update of the Epanechnikov energy to convergence is the mean shift of a flat kernel."""
    stored = torch.randn(STORED, 8, dtype=torch.float64)
    state = stored[:STATES]
    memory = Epanechnikov(stored, beta=2 / BETA)
    points, seeds = stored.numpy(), state.numpy()

    def theirs():
        return mean_shift(points, bandwidth=BETA**0.5, seeds=seeds, max_iter=300, n_jobs=1)

    contenders = {
        "scikit-learn's mean_shift": theirs,
        "Epanechnikov.retrieve": lambda: memory.retrieve(state, steps=300, tol=1e-9),
    }
    case = f"mean shift, N = {STORED}, S = {STATES}, d = 8"
    return race("theory", case, contenders, 5)
