"""Sentence 2, first part: exponentially many patterns are stored."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from hopfield.claims.claim import Claim, Finding, Measured, Rows, Setting, Verdict, share
from hopfield.energies import (
    EnergyMemory,
    Epanechnikov,
    Hebbian,
    Modern,
    Polynomial,
    RandomFeatures,
)
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
EXAMPLE_D, EXAMPLE_K, EXAMPLE_STORED = 20, 3.0, 5000  # the paper's example; patterns stored in it
DRAWS = {True: 300, False: 3000}  # of as many patterns as are guaranteed there


def _reaching(d: int) -> Callable[[Tensor], EnergyMemory]:
    """A memory that feels patterns within a length M: `√(2/β) = M`."""
    return partial(Epanechnikov, beta=2 / (d - 1))


OTHERS: dict[str, tuple[Callable[[int], Callable[[Tensor], EnergyMemory]], dict[str, Any]]] = {
    "exponential, β = 1": (lambda d: partial(Modern, beta=1.0), {}),
    "polynomial of degree 3": (lambda d: partial(Polynomial, degree=3), {}),
    "polynomial of degree 10": (lambda d: partial(Polynomial, degree=10), {}),
    "Epanechnikov": (_reaching, {}),
    "random features (4096)": (lambda d: partial(RandomFeatures, beta=1.0), {}),
    "Hebbian, binary, no noise": (lambda d: Hebbian, {"patterns": "signs", "noise": 0.0}),
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
            _measured(setting, name, d, **{"energy": make(d), "noise": NOISE} | how)
            for d in dimensions
        ]
        for name, (make, how) in OTHERS.items()
    }
    law, after = growth(once), growth(still)
    example = setting.part("example", _example, setting)
    low, high = law.exponential.interval
    kept = share("of draws of as many, all stored as the theorem says", *example["kept"])
    if low <= 0 or kept.high is None or kept.high < 1 - FAILURE:
        verdict = Verdict.DOES_NOT
    else:
        verdict = Verdict.REPRODUCES if law.evidence >= LIKELIER else Verdict.PARTLY
    numbers = [
        Measured("rate: N grows as exp(rate · d)", law.exponential.exponent, low, high),
        Measured("log-likelihood of that beyond the power law's", law.evidence),
        Measured("exponent of the power law", law.power.exponent, *law.power.interval),
        Measured("guaranteed at d = 20, K = 3, β = 1, p = .001", example["guarantee"]),
        kept,
        share(f"of {EXAMPLE_STORED} there, meeting the storage condition", *example["certain"]),
        share(f"of {EXAMPLE_STORED} there, retrieved by one update", *example["retrieved"]),
        *(Measured(f"stored at d = {m.d}, one update", m.patterns, *m.interval) for m in once),
        *(Measured(f"stored at d = {m.d}, at convergence", m.patterns, *m.interval) for m in still),
        Measured("rate at convergence", after.exponential.exponent, *after.exponential.interval),
    ]
    factor = math.exp(2 * law.exponential.exponent)
    certain, retrieved = (example[what][0] / EXAMPLE_STORED for what in ("certain", "retrieved"))
    reason = (
        f"With two more dimensions {factor:.2g} times as many patterns are stored. The guarantee "
        f"is far below: for d = 20 and K = 3 it promises {example['guarantee']:.1f} patterns; of "
        f"{EXAMPLE_STORED} random ones {certain:.1%} meet the theorem's own condition and "
        f"{retrieved:.1%} are retrieved. For K = 1 it promises none. The random-energy estimate, "
        f"which is no bound, is off by a factor of {_worst_ratio(once):.2g} at most."
    )
    table = Rows(
        f"Stored by other energies: one update, half within 10 %, from noise of {NOISE:.0%} of M.",
        ["d", *others],
        [
            [d, *(some[row].patterns for some in others.values())]
            for row, d in enumerate(dimensions)
        ],
    )
    data = {"once": _rows(once), "still": _rows(still)} | {
        "others": {name: _rows(some) for name, some in others.items()}
    }
    return Finding(verdict, reason, numbers, data, [table])


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


def _example(setting: Setting) -> dict[str, Any]:
    """The paper's first example: what is promised, whether that is kept, and what is there."""
    d, radius = EXAMPLE_D, EXAMPLE_K * math.sqrt(EXAMPLE_D - 1)
    generator = torch.Generator().manual_seed(setting.seed)
    guarantee = capacity(d, 1.0, EXAMPLE_K, FAILURE).patterns
    draws = DRAWS[setting.quick]
    few = on_sphere(draws * int(guarantee), d, radius, generator).view(draws, -1, d)
    stored = on_sphere(EXAMPLE_STORED, d, radius, generator)
    start = stored + ERROR * radius * on_sphere(EXAMPLE_STORED, d, 1.0, generator)
    away = (Modern(stored, beta=1.0).update(start) - stored).norm(dim=-1)
    return {
        "guarantee": guarantee,
        "kept": [int(is_stored(few, 1.0).all(-1).sum()), draws],
        "certain": [int(is_stored(stored, 1.0).sum()), EXAMPLE_STORED],
        "retrieved": [int((away <= ERROR * radius).sum()), EXAMPLE_STORED],
    }


def _worst_ratio(measured: Sequence[MeasuredCapacity]) -> float:
    ratios = [capacity_estimate(m.d, 1.0, 1.0, ERROR).patterns / m.patterns for m in measured]
    return max(max(ratio, 1 / ratio) for ratio in ratios)


def draw(finding: Finding) -> dict[str, Figure]:
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
    own, *rest = others
    estimates = [capacity_estimate(m.d, 1.0, 1.0, ERROR) for m in once]
    lines = {
        "random-energy estimate": [e.patterns for e in estimates],
        "its asymptote exp(α₁ d)": [e.asymptotic for e in estimates],
        "guaranteed on a sphere 3 × as large": [
            capacity(m.d, 1.0, EXAMPLE_K, FAILURE).patterns or math.nan for m in once
        ],
    }
    return {
        "dimension": Figure.drawn(
            lambda: plot.capacities(
                once,
                "Stored by one update, β = 1, K = 1",
                fit=growth(once),
                lines=lines,
                others={"at convergence": still},
            ),
            "Half of the patterns within 10 % of themselves, started from themselves. For this "
            "sphere nothing is guaranteed.",
            "A straight line on a logarithmic axis, with the power law bent against it.",
        ),
        "energies": Figure.drawn(
            lambda: plot.capacities(
                others[own],
                "Beside other energies",
                name=own,
                others={name: others[name] for name in rest},
            ),
            "One update, half within 10 %, from noise of 30 % of a pattern's length. Of the binary "
            "network: a sweep without noise, no wrong bit.",
            "Capacities of six energies against dimension.",
        ),
    }


CLAIM = Claim(
    "exponential-storage",
    "abstract, sentence 2; theorem 3",
    "The number of patterns that are stored grows exponentially with the dimension.",
    f"Random patterns on the sphere of radius √(d − 1), β = 1; stored are N if half of them are "
    f"within 10 % of themselves after one update. Over d = 8 … 20 (16 in the quick run) the "
    f"interval of the exponential rate lies above 0; where theorem 3 guarantees some (d = 20, K = "
    f"3), of draws of as many patterns a share of 1 − p (p = {FAILURE:g}, to its interval) are all "
    f"stored; and the exponential law is likelier than the power law by a log-likelihood of "
    f"{LIKELIER:g}, of the means at each d. Partly: all but the last.",
    check,
    draw,
)
