"""The text on gradients: they are largest in metastable states."""

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor

from hopfield.claims import patterns
from hopfield.claims.claim import Claim, Finding, Measured, Setting, Verdict, median
from hopfield.landscape import slopes
from hopfield.phases import PhaseLabel
from hopfield.report import Figure
from hopfield.theory import critical_beta

BETAS, STARTS = {True: 16, False: 48}, {True: 60, False: 200}
KINDS = {
    PhaseLabel.GLOBAL: "global",
    PhaseLabel.METASTABLE: "metastable",
    PhaseLabel.FIXED_POINT: "single pattern",
}
UNIFORM, VANISHING = 0.9, 1e-3


def check(setting: Setting) -> Finding:
    """Jacobian and gradients along β, by the kind of minimum that states are in."""
    numbers, held, data = [], [], {}
    for name, stored in (
        ("clusters", patterns.clusters(setting.seed)),
        ("digits", patterns.digits()),
    ):
        found = setting.part(name, _slopes, stored, setting)
        data[name] = found
        of = {}
        for what in ("jacobian", "gradient", "entropy"):
            for label, kind in KINDS.items():
                values = _of_kind(found, what, label)
                if values:
                    of[what, kind] = median(f"{name}: {what}, {kind}", values)
        numbers += [*of.values()]
        held.append(_judged(of))
    largest, uniform, vanish = (all(parts) for parts in zip(*held, strict=True))
    score = sum((largest, uniform, vanish))
    verdict = (Verdict.DOES_NOT, Verdict.PARTLY, Verdict.PARTLY, Verdict.REPRODUCES)[score]
    said = [
        f"the Jacobian is {'' if largest else 'not '}largest in metastable states",
        f"the gradient is {'' if uniform else 'not '}spread evenly in global ones",
        f"it {'vanishes' if vanish else 'does not vanish'} near a pattern",
    ]
    most = [
        max(KINDS.values(), key=lambda kind: _median(numbers, f"{name}: gradient, {kind}"))
        for name in data
    ]
    reason = (
        f"On both sets {', '.join(said)}. Σ|∂L/∂s_j| itself, summed over patterns, is largest in "
        f"{' and '.join(f'{kind} states ({name})' for name, kind in zip(data, most, strict=True))}."
    )
    return Finding(verdict, reason, numbers, data)


def _median(numbers: list[Measured], name: str) -> float:
    return next((number.value for number in numbers if number.name == name), -math.inf)


def _judged(of: dict[tuple[str, str], Measured]) -> tuple[bool, bool, bool]:
    """Largest in metastable states; even in the global one; vanishing near a pattern."""
    if any((what, kind) not in of for what in ("jacobian", "gradient") for kind in KINDS.values()):
        return False, False, False

    def apart(what: str, over: str, under: str) -> bool:
        low, high = of[what, over].low, of[what, under].high
        return low is not None and high is not None and low > high

    largest = all(apart("jacobian", "metastable", k) for k in ("global", "single pattern"))
    uniform = of["entropy", "global"].value >= UNIFORM
    vanishing = of["gradient", "single pattern"].value <= VANISHING * of["gradient", "global"].value
    return largest, uniform, vanishing


def _of_kind(found: dict[str, Any], what: str, label: PhaseLabel) -> list[float]:
    """One value for each start: its median over the β at which it is of this kind."""
    values, kinds = torch.tensor(found[what]).double(), torch.tensor(found["label"])
    of = values.masked_fill((kinds != label) | values.isnan(), torch.nan).nanmedian(0).values
    return [float(value) for value in of[~of.isnan()].tolist()]


def _slopes(stored: Tensor, setting: Setting) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(setting.seed)
    start = stored[torch.randperm(len(stored), generator=generator)[: STARTS[setting.quick]]]
    first = critical_beta(stored).beta
    betas = (torch.logspace(-0.5, 3.0, BETAS[setting.quick], dtype=torch.float64) * first).tolist()
    found = slopes(start, stored, betas, seed=setting.seed, progress=setting.progress)

    def short(values: Tensor) -> list[list[float | None]]:
        return [
            [None if math.isnan(v) else float(f"{v:.4g}") for v in row] for row in values.tolist()
        ]

    return {
        "beta": betas,
        "label": found.label.tolist(),
        "jacobian": short(found.jacobian),
        "gradient": short(found.gradient),
        "entropy": short(found.entropy),
    }


def draw(finding: Finding) -> list[Figure]:
    """The three curves for each set of patterns."""
    from hopfield import plot

    figures = []
    for name, data in finding.data.items():
        beta = torch.tensor(data["beta"])
        for what, axis in (
            ("jacobian", "norm of the Jacobian"),
            ("gradient", "Σ |∂L/∂s|, pattern lengths"),
            ("entropy", "entropy of |∂L/∂s| / ln N"),
        ):
            values = torch.tensor(_filled(data[what])).double()
            level = (1.0, "no contraction above") if what == "jacobian" else None
            ways = name, "inverse temperature β", axis, level
            figures.append(
                Figure.drawn(
                    partial(plot.band, beta, {axis: values}, *ways),
                    f"{name}: {axis} at converged states; median and middle half.",
                    f"{axis} against β.",
                )
            )
    return figures


def _filled(rows: list[list[float | None]]) -> list[list[float]]:
    return [[0.0 if value is None else value for value in row] for row in rows]


CLAIM = Claim(
    "gradients",
    "section 3 and A.1.5",
    "Gradients are largest in metastable states: the global average spreads them over all "
    "patterns, and near a single pattern they vanish.",
    f"On clusters and digits, over β, by the kind of minimum: the median norm of the Jacobian of "
    f"metastable states is above those of global states and of single patterns, with intervals "
    f"that do not meet; in global states the entropy of |∂L/∂s_j| over patterns is at least "
    f"{UNIFORM:g} of ln N; and Σ|∂L/∂s_j| of single patterns is at most {VANISHING:g} of that of "
    f"global states. Partly: one or two of the three.",
    check,
    draw,
)
