"""Sentence 2, third part: the error of retrieval is exponentially small."""

from typing import Any

import torch
from torch import Tensor
from torch.linalg import vector_norm
from tqdm import tqdm

import hopfield
from hopfield.claims import patterns
from hopfield.claims.claim import Claim, Finding, Setting, Verdict, median, share
from hopfield.theory import delta, max_norm, retrieval_error_bound

PROBLEMS, AT_ONCE, NETWORKS = 100_000, 20, 500
ROUNDING = 1e-9
AS_FAST, CONFIRMED = 0.9, (1e-12, 1e-2)  # of exp(−βΔ); between these errors, as shares of M
TESTED = {True: 200, False: 1000}


def check(setting: Setting) -> Finding:
    """No error above its bound; errors fall with β at least about as fast as exp(−βΔ)."""
    broken = setting.part("bound", _bound, setting)
    numbers = [
        share("errors above the bound of theorem 5", broken["above"], broken["states"]),
        share(
            "of these, states where the bound says something (< 2M)",
            broken["told"],
            broken["states"],
        ),
    ]
    rates = {}
    for name, stored in (
        ("random", patterns.random(setting.seed)),
        ("digits", patterns.digits()),
    ):
        found = setting.part(f"{name}, rate", _rates, stored, setting)
        rates[name] = median(f"{name}: rate of fall with β, as a share of Δ", found)
    numbers += [*rates.values()]
    fast = [rate.low is not None and rate.low >= AS_FAST for rate in rates.values()]
    if broken["above"] or not any(fast):
        verdict = Verdict.DOES_NOT
    else:
        verdict = Verdict.REPRODUCES if all(fast) else Verdict.PARTLY
    said = " and ".join(f"{rate.value:.3f} Δ ({name})" for name, rate in rates.items())
    reason = (
        f"{broken['above']} of {broken['states']} errors were above the bound. With β, errors fall "
        f"as exp(−rate · β) at a median rate of {said}: the theorem's bound falls at rate Δ."
    )
    return Finding(verdict, reason, numbers)


def _bound(setting: Setting) -> dict[str, Any]:
    """States near and far from the patterns meant, one update, against theorem 5."""
    generator = torch.Generator().manual_seed(setting.seed)

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * torch.rand((), generator=generator).item()

    above = told = 0
    rounds = range(PROBLEMS // (AT_ONCE * NETWORKS))
    per_round = range(NETWORKS)
    for _ in tqdm(rounds, desc="errors", disable=not setting.progress, leave=False):
        for _ in per_round:
            size, width = int(2 ** uniform(1, 6)), int(2 ** uniform(1, 6))
            beta, scale, noise = (10 ** uniform(*ends) for ends in ((-1.5, 1), (-0.5, 1), (-3, 0)))
            stored = scale * torch.randn(size, width, generator=generator, dtype=torch.float64)
            target = torch.randint(size, (AT_ONCE,), generator=generator)
            offset = torch.randn(AT_ONCE, width, generator=generator, dtype=torch.float64)
            state = stored[target] + noise * scale * offset
            away = vector_norm(hopfield.update(state, stored, beta=beta) - stored[target], dim=-1)
            bound = retrieval_error_bound(state, stored, beta, target=target)
            longest = max_norm(stored)
            above += int((away > bound * (1 + ROUNDING) + 1e-12 * longest).sum())
            told += int((bound < 2 * longest).sum())
    return {"above": above, "told": told, "states": PROBLEMS}


def _rates(stored: Tensor, setting: Setting) -> list[float]:
    """How fast the error of each pattern falls with β, as a share of its Δ."""
    generator = torch.Generator().manual_seed(setting.seed)
    index = torch.randperm(len(stored), generator=generator)[: TESTED[setting.quick]]
    gaps = delta(stored, index).double()
    index, gaps = index[gaps > 0], gaps[gaps > 0]
    length = max_norm(stored).item()
    pattern = stored[index]

    def error(exponent: float) -> Tensor:
        """At the β of each pattern at which exp(−βΔ) is that power of ten."""
        beta = exponent * torch.log(torch.tensor(10.0)).double() / gaps
        moved = hopfield.update(pattern, stored, beta=beta[:, None])
        return vector_norm(moved - pattern, dim=-1) / length

    first, second = error(4.0), error(8.0)
    lowest, highest = CONFIRMED
    good = (first < highest) & (second > lowest)
    fallen = (first.log() - second.log()) / (4 * torch.log(torch.tensor(10.0)))
    return [round(value, 6) for value in fallen[good].tolist()]


CLAIM = Claim(
    "small-errors",
    "abstract, sentence 2; theorem 5",
    "The error of retrieval is exponentially small in the separation of the pattern.",
    f"Over {PROBLEMS:,} states of random networks (N from 2 to 64, d from 2 to 64, noise from .001 "
    f"to 1 of a pattern's entries) no error of one update is above the bound of theorem 5. And on "
    f"random patterns and digits the error falls with β, from where exp(−βΔ) is 1e-4 to where it "
    f"is 1e-8, at a median rate of at least {AS_FAST:g} Δ, with its interval. Partly: the latter "
    f"on one of them.",
    check,
)
