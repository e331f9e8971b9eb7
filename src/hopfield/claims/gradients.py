"""The text on gradients: they are largest in metastable states."""

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor

from hopfield.claims import patterns
from hopfield.claims.claim import Claim, Finding, Measured, Setting, Verdict, median, share
from hopfield.landscape import slopes
from hopfield.phases import PhaseLabel
from hopfield.report import Figure
from hopfield.theory import critical_beta

BETAS, STARTS = {True: 24, False: 60}, {True: 60, False: 200}
KINDS = {
    PhaseLabel.GLOBAL: "global",
    PhaseLabel.METASTABLE: "metastable",
    PhaseLabel.FIXED_POINT: "single",
}
MOST, FURTHER, VANISHED = 0.5, 3.0, 1e-3


def check(setting: Setting) -> Finding:
    """Where along β Jacobian and gradient are largest, and whether they vanish near a pattern."""
    numbers, data, held = [], {}, {}
    for name, stored in (
        ("clusters", patterns.clusters(setting.seed)),
        ("digits", patterns.digits()),
    ):
        found = setting.part(name, _slopes, stored, setting)
        data[name] = found
        label = torch.tensor(found["label"])
        for what in ("jacobian", "gradient"):
            values = torch.tensor(found[what], dtype=torch.float64)
            at = label.gather(0, values.argmax(0, keepdim=True))[0]
            for kind, word in KINDS.items():
                count = int((at == kind).sum())
                numbers.append(share(f"{name}: {what} is largest in {word} states", count, len(at)))
            metastable = int((at == PhaseLabel.METASTABLE).sum()) / len(at)
            held[f"{what} of {name} is largest in metastable states"] = metastable > MOST
        left = _left(torch.tensor(found["gradient"], dtype=torch.float64), label, found["beta"])
        if left:
            numbers.append(median(f"{name}: gradient left near a pattern, of the largest", left))
        vanishes = bool(left) and numbers[-1].value <= VANISHED
        held[f"gradient of {name} vanishes near a pattern"] = vanishes
        numbers += _by_kind(name, found, label)
    good = sum(held.values())
    verdict = Verdict.PARTLY if 0 < good < len(held) else Verdict.DOES_NOT
    true = "; ".join(what for what, holds in held.items() if holds) or "nothing"
    false = "; ".join(what for what, holds in held.items() if not holds) or "nothing"
    return Finding(
        Verdict.REPRODUCES if good == len(held) else verdict,
        f"True: {true}. Not true: {false}.",
        numbers,
        data,
    )


def _left(gradient: Tensor, label: Tensor, beta: list[float]) -> list[float]:
    """The gradient of each start at `FURTHER` times the β from which on it is near one pattern.

    As a share of the largest along β; of starts for which the grid reaches so far.
    """
    found = []
    betas = torch.tensor(beta)
    for column, kinds in zip(gradient.mT, label.mT, strict=True):
        other = (kinds != PhaseLabel.FIXED_POINT).nonzero()
        onset = 0 if len(other) == 0 else int(other[-1]) + 1
        if onset < len(betas) and betas[-1] >= FURTHER * betas[onset]:
            place = int((betas < FURTHER * betas[onset]).sum())
            found.append((column[place] / column.amax()).item())
    return found


def _by_kind(name: str, found: dict[str, Any], label: Tensor) -> list[Measured]:
    """For each kind of state the largest Jacobian and gradient, and the median entropy."""
    numbers = []
    for kind, word in KINDS.items():
        there = label == kind
        if not bool(there.any()):
            continue
        for what in ("jacobian", "gradient"):
            values = torch.tensor(found[what], dtype=torch.float64)
            largest = values.masked_fill(~there, -math.inf).amax(0)
            numbers.append(
                median(f"{name}: largest {what} of {word} states", largest[there.any(0)].tolist())
            )
        entropy = torch.tensor(_numbers(found["entropy"]))[there]
        if len(entropy := entropy[~entropy.isnan()]):
            numbers.append(median(f"{name}: entropy / ln N of {word} states", entropy.tolist()))
    return numbers


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


def draw(finding: Finding) -> dict[str, Figure]:
    """The three curves for each set of patterns."""
    from hopfield import plot

    figures = {}
    for name, data in finding.data.items():
        beta = torch.tensor(data["beta"])
        for what, axis in (
            ("jacobian", "norm of the Jacobian"),
            ("gradient", "Σ |∂L/∂s|, pattern lengths"),
            ("entropy", "entropy of |∂L/∂s| / ln N"),
        ):
            values = torch.tensor(_numbers(data[what]))
            level = (1.0, "no contraction above") if what == "jacobian" else None
            ways = name, "inverse temperature β", axis, level
            figures[f"{name}-{what}"] = Figure.drawn(
                partial(plot.band, beta, {axis: values}, *ways),
                f"{name}: {axis} at converged states; median and middle half.",
                f"{axis} against β.",
            )
    return figures


def _numbers(rows: list[list[float | None]]) -> list[list[float]]:
    return [[math.nan if value is None else value for value in row] for row in rows]


CLAIM = Claim(
    "gradients",
    "section 3 and A.1.5",
    "Gradients are largest in metastable states, and near a single pattern they vanish.",
    f"On clusters and on digits, along β, of more than {MOST:.0%} of the starts: the norm of the "
    f"Jacobian is largest where the converged state is metastable; so is Σ|∂L/∂s_j| over stored "
    f"patterns, for a loss with a random gradient at the read-out; and at {FURTHER:g} times the β "
    f"from which on a state is near a single pattern, the latter is at most {VANISHED:g} of its "
    f"largest value (median). Partly: some of these six.",
    check,
    draw,
)
