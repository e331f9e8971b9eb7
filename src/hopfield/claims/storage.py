"""Sentence 2, first part: exponentially many patterns are stored."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from hopfield.claims.claim import Claim, Finding, Measured, Setting, Verdict
from hopfield.energies import EnergyMemory, Epanechnikov, Hebbian, Modern, Polynomial
from hopfield.report import Figure
from hopfield.theory import (
    MeasuredCapacity,
    capacity,
    capacity_estimate,
    growth,
    is_stored,
    measure_capacity,
    on_sphere,
)

DIMENSIONS = {True: (8, 10, 12, 14, 16), False: (8, 10, 12, 14, 16, 18, 20)}
SETTLED = {True: (8, 10, 12), False: (8, 10, 12, 14, 16)}
TRIALS = {True: 6, False: 20}
NOISE = 0.3  # for the comparison with other energies
LIKELIER = 5.0  # difference of log-likelihoods that counts as evidence
ERROR, FAILURE = 0.1, 0.001
EXAMPLE, STORED = (
    {"d": 20, "beta": 1.0, "K": 3.0},
    5000,
)  # the paper's example, and as many patterns
OTHERS: dict[str, tuple[Callable[[Tensor], EnergyMemory] | None, dict[str, Any]]] = {
    "exponential, β = 1, with noise": (partial(Modern, beta=1.0), {}),
    "polynomial of degree 3, with noise": (partial(Polynomial, degree=3), {}),
    "polynomial of degree 10, with noise": (partial(Polynomial, degree=10), {}),
    "Epanechnikov, with noise": (None, {}),
    "Hebbian, binary, no noise": (Hebbian, {"patterns": "signs", "noise": 0.0}),
}


def check(setting: Setting) -> Finding:
    """Capacity against dimension, one update and at convergence; other energies; the guarantee."""
    dimensions = DIMENSIONS[setting.quick]
    once = [_measured(setting, "one update", d, beta=1.0) for d in dimensions]
    still = [
        _measured(setting, "at convergence", d, beta=1.0, steps=500, tol=1e-4)
        for d in SETTLED[setting.quick]
    ]
    others = {
        name: [
            _measured(setting, name, d, energy=make or _reaching(d), **{"noise": NOISE} | how)
            for d in dimensions
        ]
        for name, (make, how) in OTHERS.items()
    }
    law, after = growth(once), growth(still)
    example = setting.part("example", _example, setting.seed)
    low, high = law.exponential.interval
    guarantees = [capacity(d, 1.0, 1.0, FAILURE).patterns for d in dimensions]
    kept = all(m.interval[0] >= g for m, g in zip(once, guarantees, strict=True))
    if not kept or low <= 0:
        verdict = Verdict.DOES_NOT
    else:
        verdict = Verdict.REPRODUCES if law.evidence >= LIKELIER else Verdict.PARTLY
    power = law.power
    numbers = [
        Measured("rate: N grows as exp(rate · d)", law.exponential.exponent, low, high),
        Measured("log-likelihood of that beyond the power law's", law.evidence),
        Measured("exponent of the power law: N as d^exponent", power.exponent, *power.interval),
        *(Measured(f"stored at d = {m.d}, one update", m.patterns, *m.interval) for m in once),
        *(Measured(f"stored at d = {m.d}, at convergence", m.patterns, *m.interval) for m in still),
        Measured("rate at convergence", after.exponential.exponent, *after.exponential.interval),
        *(
            Measured(f"{name}, d = {m.d}", m.patterns, *m.interval)
            for name, some in others.items()
            for m in some[-1:]
        ),
        Measured("guaranteed at d = 20, K = 3, β = 1, p = .001", example["guarantee"]),
        Measured(f"there, share of {STORED} that meet the storage condition", example["certain"]),
        Measured(f"there, share of {STORED} retrieved by one update", example["retrieved"]),
    ]
    factor = math.exp(2 * law.exponential.exponent)
    reason = (
        f"With two more dimensions {factor:.2g} times as many patterns are stored. The guarantee "
        f"is far below: for d = 20 and K = 3 it promises {example['guarantee']:.1f} patterns; of "
        f"{STORED} random ones {example['certain']:.1%} meet the theorem's own condition and "
        f"{example['retrieved']:.1%} are retrieved; for K = 1 it promises none at all. The "
        f"random-energy estimate, which is no bound, comes within "
        f"{_worst_ratio(once):.2g} times of what is measured."
    )
    data = {"once": _rows(once), "still": _rows(still)} | {
        "others": {name: _rows(some) for name, some in others.items()}
    }
    return Finding(verdict, reason, numbers, data)


def _reaching(d: int) -> Callable[[Tensor], EnergyMemory]:
    """A memory that feels patterns within a length M: `√(2/β) = M`."""
    return partial(Epanechnikov, beta=2 / (d - 1))


def _measured(setting: Setting, name: str, d: int, **how: Any) -> MeasuredCapacity:
    def find() -> list[float]:
        found = measure_capacity(
            d,
            error=ERROR,
            trials=TRIALS[setting.quick],
            seed=setting.seed,
            progress=setting.progress,
            **how,
        )
        return [found.patterns, *found.interval, found.censored, *found.trials.tolist()]

    return _capacity(d, setting.part(f"{name}, d = {d}", find))


def _rows(measured: Sequence[MeasuredCapacity]) -> list[list[float]]:
    return [[m.d, m.patterns, *m.interval, m.censored, *m.trials.tolist()] for m in measured]


def _capacity(d: int, row: Sequence[float]) -> MeasuredCapacity:
    patterns, low, high, censored, *trials = row
    return MeasuredCapacity(
        d, patterns, (low, high), torch.tensor(trials, dtype=torch.float64), int(censored)
    )


def _example(seed: int) -> dict[str, float]:
    """The paper's first example: what is promised, and what is there."""
    d, beta, factor = EXAMPLE["d"], EXAMPLE["beta"], EXAMPLE["K"]
    generator = torch.Generator().manual_seed(seed)
    radius = factor * math.sqrt(d - 1)
    stored = on_sphere(STORED, int(d), radius, generator)
    start = stored + ERROR * radius * on_sphere(STORED, int(d), 1.0, generator)
    away = (Modern(stored, beta=beta).update(start) - stored).norm(dim=-1)
    return {
        "guarantee": capacity(int(d), beta, factor, FAILURE).patterns,
        "certain": is_stored(stored, beta).double().mean().item(),
        "retrieved": (away <= ERROR * radius).double().mean().item(),
    }


def _worst_ratio(measured: Sequence[MeasuredCapacity]) -> float:
    ratios = [capacity_estimate(m.d, 1.0, 1.0, ERROR).patterns / m.patterns for m in measured]
    return max(max(ratio, 1 / ratio) for ratio in ratios)


def draw(finding: Finding) -> list[Figure]:
    """Capacities against dimension."""
    from hopfield import plot

    data = finding.data
    once, still = (
        [_capacity(int(row[0]), row[1:]) for row in data[name]] for name in ("once", "still")
    )
    others = {
        name: [_capacity(int(row[0]), row[1:]) for row in rows]
        for name, rows in data["others"].items()
    }
    estimates = [capacity_estimate(m.d, 1.0, 1.0, ERROR) for m in once]
    lines = {
        "random-energy estimate": [e.patterns for e in estimates],
        "its asymptote exp(α₁ d)": [e.asymptotic for e in estimates],
        "guaranteed, K = 3, p = .001": [
            capacity(m.d, 1.0, 3.0, FAILURE).patterns or math.nan for m in once
        ],
    }
    return [
        Figure.drawn(
            lambda: plot.capacities(
                once,
                "Stored by one update, β = 1, K = 1",
                fit=growth(once),
                lines=lines,
                others={"at convergence": still},
            ),
            "Half of the patterns within 10 % of themselves, from themselves. The guarantee is for "
            " a sphere three times as large: for this one there is none.",
            "A straight line on a logarithmic axis, with the power law bent against it.",
        ),
        Figure.drawn(
            lambda: plot.capacities(
                others["exponential, β = 1, with noise"],
                "Beside other energies",
                name="exponential (this library's)",
                others={n: m for n, m in others.items() if not n.startswith("exponential")},
            ),
            "One update, half within 10 %, from noise of 30 % of a pattern's length (none for the "
            "binary network). The first is the exponential energy.",
            "Capacities of five energies against dimension.",
        ),
    ]


CLAIM = Claim(
    "exponential-storage",
    "abstract, sentence 2; theorem 3",
    "The number of patterns that are stored grows exponentially with the dimension.",
    f"Random patterns on the sphere of radius √(d − 1), β = 1; stored are N if half of them are "
    f"within 10 % of themselves after one update. Over d = 8 … 20 (16 in the quick run) the "
    f"interval of the exponential rate lies above 0, no guarantee of theorem 3 (p = {FAILURE:g}) "
    f"is above what is measured, and the exponential law is likelier than the power law by a "
    f"log-likelihood of {LIKELIER:g}. Partly: all but the last.",
    check,
    draw,
)
