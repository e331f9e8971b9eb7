"""How many random patterns are stored in fact: measured, for any energy."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.linalg import vector_norm
from tqdm import tqdm

from hopfield import _check
from hopfield.energies import EnergyMemory, Modern
from hopfield.errors import ArgumentError
from hopfield.theory.capacity import check_dimension
from hopfield.theory.patterns import on_sphere

Kind = Literal["sphere", "signs"]
KINDS: tuple[Kind, ...] = ("sphere", "signs")
MOST = 2**20
PRECISION = 1.01  # ratio up to which the number of patterns is narrowed down
BYTES_PER_NUMBER = 3 * 8  # drawn, copied and at work


@dataclass(frozen=True)
class MeasuredCapacity:
    """The largest numbers of random patterns of which the wanted share is retrieved.

    Attributes:
        d: dimension of the patterns.
        patterns: the geometric mean over trials.
        interval: of that mean, 95 % (Student's, of the logarithms); infinite above where a trial
            reached the largest number that was tried, and NaN with one trial.
        trials: `(n,)`, the number in each trial.
        censored: how many trials reached the largest number that was tried.
    """

    d: int
    patterns: float
    interval: tuple[float, float]
    trials: Float[Tensor, " n"]
    censored: int


def measure_capacity(
    d: int,
    beta: float | None = None,
    K: float = 1.0,  # noqa: N803 (the paper's letter)
    error: float = 0.1,
    *,
    energy: Callable[[Tensor], EnergyMemory] | None = None,
    patterns: Kind = "sphere",
    share: float = 0.5,
    steps: int = 1,
    tol: float | None = None,
    noise: float = 0.0,
    trials: int = 20,
    sample: int = 256,
    most: int | None = None,
    seed: int = 0,
    progress: bool = False,
) -> MeasuredCapacity:
    """How many random patterns a network retrieves, by trying.

    In each trial patterns are drawn one after the other, and more and more of them stored, until
    less than the wanted share of the stored ones is retrieved: `‖ξ − x_i‖ ≤ error · M` after the
    updates. The number is doubled until that is so twice in a row, then narrowed down to 1 % by
    bisection; where the share is not monotone, a crossing is found, not necessarily the first.

    Args:
        d: dimension of the patterns, at least 2.
        beta: inverse temperature β of `Modern`, the default energy; None for others.
        K: radius of the sphere in units of √(d−1), above 0; patterns of signs have length √d.
        error: how far from a pattern retrieval may end, as a share of its length M, above 0.
        energy: makes a network of stored patterns `(N, d)`, for example
            `functools.partial(hopfield.energies.Polynomial, degree=3)`; by default `Modern`.
        patterns: "sphere", uniform on it, or "signs", −1 and 1 with equal chance.
        share: of the stored patterns that is to be retrieved, in (0, 1].
        steps: updates; 1 is one update, more go on until a state stops if `tol` is given.
        tol: how little an update moves a state that has converged, as a share of M.
        noise: length of what is added to a pattern in a random direction, as a share of M.
        trials: how often it is done anew.
        sample: how many of the stored patterns are tested, at most.
        most: the largest number of patterns that is tried; by default 2²⁰, or fewer where these
            would fill half of the memory.
        seed: of all that is drawn.
        progress: whether to show a progress bar.

    Raises:
        ArgumentError: parameters outside these ranges, or more patterns than memory holds.
    """
    check_dimension(d)
    radius, error = _check.positive("K", K), _check.positive("error", error)
    _check.choice("patterns", patterns, KINDS)
    share, steps = _check.share("share", share), _check.positive_int("steps", steps)
    noise = _check.not_negative("noise", noise)
    trials, sample = _check.positive_int("trials", trials), _check.positive_int("sample", sample)
    most = _most(d) if most is None else _check.positive_int("most", most)
    seed = _check.seed("seed", seed)
    if most < 2:
        raise ArgumentError("most is 1; at least 2 is expected: one pattern alone is retrieved")
    tol = None if tol is None else _check.positive("tol", tol)
    _check.fits_memory(most * d * BYTES_PER_NUMBER, f"{most} patterns of {d} numbers", "most")
    make = _network(beta, energy)
    if patterns == "signs" and radius != 1.0:
        raise ArgumentError(f"K is {K}, but patterns of signs have length √d; leave K out")
    length = math.sqrt(d) if patterns == "signs" else radius * math.sqrt(d - 1)
    tol = None if tol is None else tol * length
    found = []
    for trial in tqdm(
        range(trials), disable=not progress, desc=f"d = {d}", unit="trial", leave=False
    ):
        drawn, moved = (torch.Generator().manual_seed(number) for number in _of_trial(seed, trial))
        pool = _Pool(d, length, patterns, drawn)
        offsets = noise * length * on_sphere(min(sample, most), d, 1.0, moved)

        def holds(count: int, pool: _Pool = pool, offsets: Tensor = offsets) -> bool:
            stored = pool.first(count)
            tested = stored[: len(offsets)]
            run = make(stored).run(tested + offsets[: len(tested)], steps, tol)
            retrieved = vector_norm(run.state - tested, dim=-1) <= error * length
            return retrieved.double().mean().item() >= share

        found.append(_largest(holds, most))
    numbers = torch.tensor(found, dtype=torch.float64)
    censored = int((numbers >= most).sum())
    return MeasuredCapacity(d, *_mean(numbers, censored), numbers, censored)


def _network(
    beta: float | None, energy: Callable[[Tensor], EnergyMemory] | None
) -> Callable[[Tensor], EnergyMemory]:
    if energy is not None:
        if not callable(energy):
            raise ArgumentError(
                f"energy is {energy!r}; what makes a network of stored patterns is expected, for "
                f"example functools.partial(hopfield.energies.Polynomial, degree=3)"
            )
        _check.unused(beta, "beta", "energy makes its own network: give β to that")
        return energy
    if beta is None:
        raise ArgumentError("beta is missing; give β > 0, or an energy that makes the network")
    checked = _check.positive("beta", beta)
    return lambda stored: Modern(stored, beta=checked)


def _most(d: int) -> int:
    """The largest number of patterns that is tried if nothing is said."""
    held = _check.memory()
    return MOST if held is None else max(2, min(MOST, held // (2 * d * BYTES_PER_NUMBER)))


def _of_trial(seed: int, trial: int) -> list[int]:
    """Seeds of the patterns and of the noise."""
    return np.random.SeedSequence([seed, trial]).generate_state(2).tolist()


class _Pool:
    """Random patterns that are drawn when they are asked for; the first ones stay the same."""

    def __init__(self, d: int, length: float, kind: Kind, generator: torch.Generator) -> None:
        self._d, self._length, self._kind, self._generator = d, length, kind, generator
        self._drawn = self._draw(2)

    def _draw(self, count: int) -> Tensor:
        if self._kind == "sphere":
            return on_sphere(count, self._d, self._length, self._generator)
        drawn = torch.randint(2, (count, self._d), generator=self._generator)
        return 2.0 * drawn.double() - 1.0

    def first(self, count: int) -> Tensor:
        """The first `count` patterns, `(count, d)`."""
        if count > len(self._drawn):
            self._drawn = torch.cat([self._drawn, self._draw(count - len(self._drawn))])
        return self._drawn[:count]


def _largest(holds: Callable[[int], bool], most: int) -> int:
    """The largest number that holds, up to 1 % and `most`; 1 where not even 2 do."""
    sizes = [*itertools.takewhile(lambda size: size < most, (2**n for n in itertools.count(1)))]
    low, failures, above = 1, 0, {}
    for before, size in itertools.pairwise([1, *sizes, most]):
        above[before] = size
        low, failures = (size, 0) if holds(size) else (low, failures + 1)
        if failures == 2:  # one may be chance: two of few patterns that lie close together
            break
    if low == most:
        return most
    high = above[low]
    while high - low > 1 and high > low * PRECISION:
        middle = min(max(round(math.sqrt(low * high)), low + 1), high - 1)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _mean(numbers: Tensor, censored: int) -> tuple[float, tuple[float, float]]:
    """The geometric mean and its interval."""
    from scipy import stats

    logs = numbers.log().numpy()
    middle = float(logs.mean())
    if bool((numbers == numbers[0]).all()):
        same = numbers[0].item()
        alone = len(logs) < 2
        return same, (math.nan, math.nan) if alone else (same, math.inf if censored else same)
    half = float(stats.t.ppf(0.975, len(logs) - 1) * stats.sem(logs))
    above = math.inf if censored else math.exp(middle + half)
    return math.exp(middle), (math.exp(middle - half), above)
