"""Sentence 2, third part: the error of retrieval is exponentially small."""

import math
from typing import Any

import torch
from scipy import stats
from torch import Tensor
from torch.linalg import vector_norm
from tqdm import tqdm

import hopfield
from hopfield.claims import patterns
from hopfield.claims.claim import Claim, Finding, Measured, Setting, Verdict, median, share
from hopfield.theory import delta, max_norm, on_sphere, retrieval_error_bound

PROBLEMS, AT_ONCE = 100_000, 20
ROUNDING = 1e-9
RATE, SLOPE = 0.9, 0.5  # of the bound's fall with β, and with Δ
FIRST, SECOND = 4, 8  # powers of ten of exp(−βΔ), between which the fall with β is measured
TESTED, NOISE = {True: 400, False: 1500}, 0.02
RESOLVED = 1e-12  # errors as shares of M below it are rounding


def check(setting: Setting) -> Finding:
    """No error above its bound; errors fall exponentially with β and with Δ."""
    broken = setting.part("bound", _bound, setting)
    states = broken["states"]
    numbers = [
        share("errors above the bound of theorem 5", broken["above"], states),
        share("of these states, the bound says something (< 2M)", broken["told"], states),
    ]
    held, rates, slopes = [broken["above"] == 0], [], []
    for name, stored in patterns.sets(setting).items():
        found = setting.part(name, _falls, stored, setting)
        rate = median(f"{name}: rate of fall with β, as a share of Δ", found["rates"])
        slope = Measured(f"{name}: rate of fall with βΔ, over patterns", *found["slope"])
        numbers += [rate, slope]
        held.append(rate.low is not None and rate.low >= RATE)
        held.append(slope.low is not None and slope.low >= SLOPE)
        rates.append(f"{rate.value:.3f} ({name})")
        slopes.append(f"{slope.value:.2f} ({name})")
    verdict = Verdict.DOES_NOT
    if held[0] and any(held[1:]):
        verdict = Verdict.REPRODUCES if all(held) else Verdict.PARTLY
    reason = (
        f"{broken['above']} of {states} errors were above the bound. With β, the error of a "
        f"pattern falls at {', '.join(rates)} of its Δ; from one pattern to the next it falls as "
        f"exp(−rate · βΔ) at a rate of {', '.join(slopes)}. The bound falls at 1 in both."
    )
    return Finding(verdict, reason, numbers)


def _bound(setting: Setting) -> dict[str, int]:
    """States near and far from the patterns meant, one update, against theorem 5."""
    generator = torch.Generator().manual_seed(setting.seed)

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * torch.rand((), generator=generator).item()

    above = told = states = 0
    networks = range(PROBLEMS // AT_ONCE)
    for _ in tqdm(networks, desc="errors", disable=not setting.progress, leave=False):
        size, width = int(2 ** uniform(1, 6)), int(2 ** uniform(1, 6))
        beta, scale, noise = (10 ** uniform(*ends) for ends in ((-1.5, 1), (-0.5, 1), (-3, 0)))
        stored = scale * torch.randn(size, width, generator=generator, dtype=torch.float64)
        target = torch.randint(size, (AT_ONCE,), generator=generator)
        offset = torch.randn(AT_ONCE, width, generator=generator, dtype=torch.float64)
        state = stored[target] + noise * scale * offset
        away = vector_norm(hopfield.update(state, stored, beta=beta) - stored[target], dim=-1)
        bound = retrieval_error_bound(state, stored, beta, target=target)
        longest = max_norm(stored)
        within = away <= bound * (1 + ROUNDING) + 1e-12 * longest
        above += int((~within).sum())  # what is no number is within no bound
        told += int((bound < 2 * longest).sum())
        states += AT_ONCE
    return {"above": above, "told": told, "states": states}


def _falls(stored: Tensor, setting: Setting) -> dict[str, Any]:
    """How the error of one update falls with β, and from pattern to pattern with Δ."""
    generator = torch.Generator().manual_seed(setting.seed)
    index = torch.randperm(len(stored), generator=generator)[: TESTED[setting.quick]]
    gaps = delta(stored, index).double()
    index, gaps = index[gaps > 0], gaps[gaps > 0]
    length, ten = max_norm(stored).item(), math.log(10.0)
    pattern = stored[index]
    offset = NOISE * length * on_sphere(len(index), stored.shape[-1], 1.0, generator)

    def error(state: Tensor, beta: Tensor) -> Tensor:
        moved = hopfield.update(state, stored, beta=beta[:, None])
        return vector_norm(moved - pattern, dim=-1) / length

    first, second = (error(pattern, power * ten / gaps) for power in (FIRST, SECOND))
    good = second > RESOLVED
    rates = (first.log() - second.log()) / ((SECOND - FIRST) * ten)
    exponent = FIRST * ten / gaps.median()  # one β for all patterns
    noisy = error(pattern + offset, exponent.expand_as(gaps))
    told = noisy > RESOLVED
    x, y = (exponent * gaps[told]).numpy(), -noisy[told].log().numpy()
    line = stats.linregress(x, y)
    half = float(stats.t.ppf(0.975, len(x) - 2) * line.stderr)
    slope = float(line.slope)
    return {
        "rates": [round(value, 6) for value in rates[good].tolist()],
        "slope": [slope, slope - half, slope + half],
    }


CLAIM = Claim(
    "small-errors",
    "abstract, sentence 2; theorem 5",
    "The error of retrieval is exponentially small in the separation of the pattern.",
    f"Over {PROBLEMS:,} states of random networks (N from 2 to 64, d from 2 to 64, noise from .001 "
    f"to 1 of a pattern's entries) no error of one update is above the bound of theorem 5. On "
    f"random patterns, digits (and sentences, where a model is given) the error of a pattern falls "
    f"with β, between exp(−βΔ) = 1e-{FIRST} and 1e-{SECOND}, at a median rate of at least {RATE:g} "
    f"Δ; and at one β, from noise of {NOISE:.0%} of M, the logarithm of the error falls from "
    f"pattern to pattern with βΔ at a rate of at least {SLOPE:g}; both with their intervals. "
    f"Partly: the first, and some of the others.",
    check,
)
