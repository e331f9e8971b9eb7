"""Sentence 3: three kinds of minima, over all patterns, over some, and of one."""

import math
import warnings
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.linalg import vector_norm
from tqdm import tqdm

from hopfield.claims import patterns
from hopfield.claims.claim import Claim, Finding, Measured, Rows, Setting, Verdict, median, share
from hopfield.errors import ConvergenceWarning
from hopfield.landscape import barrier, basin_by_masking, basin_by_noise, basin_radius, families
from hopfield.landscape.ends import settled
from hopfield.phases import PhaseLabel, fixed_points, phase
from hopfield.report import Figure
from hopfield.theory import critical_beta, max_norm

KINDS = {
    PhaseLabel.GLOBAL: "global",
    PhaseLabel.METASTABLE: "metastable",
    PhaseLabel.FIXED_POINT: "single patterns",
}
ALL, MOST = 0.99, 0.5
NEAR = 0.1  # of the spread of the members, that a metastable state is off their average
BETAS = {True: 16, False: 48}
STARTS = {True: 100, False: 400}
SHOWN = {True: 3, False: 12}  # families
DIRECTIONS = {True: 8, False: 64}
NOISE = (0.1, 0.2, 0.4, 0.8, 1.6)  # shares of M
FAR = 4.0  # shares of M, up to which basins are followed
MASKED = (0.1, 0.25, 0.5, 0.75)
FAMILIES = (
    "the largest families of metastable states, where most states are metastable. Shares of starts "
    "that return from noise of that length, and with that share of entries set to 0."
)
COLUMNS = (
    *("members", "hold 90 %", "energy", "radius / M"),
    *(f"noise {length:g} M" for length in NOISE),
    *(f"masked {share:.0%}" for share in MASKED),
    "barrier / M²",
)


def check(setting: Setting) -> Finding:
    """The phases of converged states along β, and the families in between."""
    numbers, held, data, tables = [], {}, {}, []
    every = {"clusters": patterns.clusters(setting.seed)} | patterns.sets(setting)
    del every["random"]  # they have no families
    for name, stored in every.items():
        found = setting.part(f"{name}, along β", _along_beta, stored, setting)
        counts, states = found["counts"], found["states"]
        most = {label: max(counts[label.name]) for label in KINDS}
        numbers += [
            share(f"{name}: most states that are {word} at one β", most[label], states)
            for label, word in KINDS.items()
        ]
        beta = found["beta"][_peak(counts[PhaseLabel.METASTABLE.name])]
        of = setting.part(f"{name}, families", _families, stored, beta, setting)
        where = f"{name}, β = {beta:.3g}"
        numbers.append(Measured(f"{where}: metastable states", of["count"]))
        if of["table"]:
            numbers += [
                median(f"{where}: patterns of a family", of["members"]),
                median(f"{where}: distance to the plain average, in spreads", of["off"]),
                median(f"{where}: radius of a basin, in M, up to {FAR:g}", of["radius"]),
                median(f"{where}: barrier to the next family, in M²", of["height"]),
            ]
            tables.append(Rows(f"{name}: {FAMILIES}", list(COLUMNS), of["table"]))
        numbers.append(
            Measured(f"{name}: k90 / N of the one fixed point, β < 1/m_max²", found["critical k90"])
        )
        three = (
            most[PhaseLabel.GLOBAL] >= ALL * states
            and most[PhaseLabel.METASTABLE] >= MOST * states
            and most[PhaseLabel.FIXED_POINT] >= ALL * states
        )
        off = median("", of["off"]).value if of["off"] else math.inf
        held[name], data[name] = (three, off <= NEAR), found
    if all(three and average for three, average in held.values()):
        verdict = Verdict.REPRODUCES
    else:
        verdict = Verdict.PARTLY if any(three for three, _ in held.values()) else Verdict.DOES_NOT
    kinds = sum(three for three, _ in held.values())
    plain = [name for name, (_, average) in held.items() if average]
    reason = (
        f"All three kinds take their turn along β on {kinds} of {len(data)} sets "
        f"({', '.join(data)}). A metastable state is the plain average of its patterns, to "
        f"{NEAR:.0%} of their spread, on {', '.join(plain) or 'none of them'}; else a weighted one."
    )
    return Finding(verdict, reason, numbers, data, tables)


def _peak(values: list[float]) -> int:
    """The middle of the places where a share is largest."""
    places = [place for place, value in enumerate(values) if value == max(values)]
    return places[len(places) // 2]


def _along_beta(stored: Tensor, setting: Setting) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(setting.seed)
    start = stored[torch.randperm(len(stored), generator=generator)[: STARTS[setting.quick]]]
    critical = critical_beta(stored)
    betas = torch.logspace(-0.5, 3.0, BETAS[setting.quick], dtype=torch.float64) * critical.beta
    counts: dict[str, list[int]] = {label.name: [] for label in PhaseLabel}
    for beta in tqdm(betas.tolist(), desc="phases", disable=not setting.progress, leave=False):
        end = settled(start, stored, beta=beta)
        assert end.converged is not None
        label = phase(end.state, stored, beta=beta).label
        label = label.masked_fill(~end.converged, PhaseLabel.NONE)
        for kind in PhaseLabel:
            counts[kind.name].append(int((label == kind).sum()))
    return {
        "beta": [float(f"{beta:.4g}") for beta in betas.tolist()],
        "counts": counts,
        "states": len(start),
        "critical k90": critical.k90 / len(stored),
    }


def _families(stored: Tensor, beta: float, setting: Setting) -> dict[str, Any]:
    """The metastable states at one β: members, averages, basins, barriers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # those are in no family
        points = fixed_points(stored, steps=10_000, beta=beta)
    found = families(points, stored, beta=beta)
    if len(found) < 2:
        return {"count": len(found), "off": [], "table": []}
    off = []
    for family in found:
        average = stored[family.holding].mean(0)
        spread = vector_norm(stored[family.holding] - average, dim=-1).mean()
        off.append((vector_norm(family.state - average) / spread).item())
    largest = found[: SHOWN[setting.quick]]
    state, length = torch.stack([family.state for family in largest]), max_norm(stored).item()
    how: Any = {"beta": beta, "seed": setting.seed}
    count = DIRECTIONS[setting.quick]
    radius = (
        basin_radius(state, stored, directions=count, most=FAR * length, **how).clamp(
            max=FAR * length
        )
        / length
    )
    noise = basin_by_noise(state, stored, [s * length for s in NOISE], draws=count, **how)
    masked = basin_by_masking(state, stored, MASKED, draws=count, **how)
    apart = torch.cdist(state, torch.stack([family.state for family in found]))
    other = apart.masked_fill(apart < 1e-9, torch.inf).argmin(-1)
    beside = torch.stack([found[n].state for n in other.tolist()])
    height = barrier(state, beside, stored, beta=beta).height / length**2
    return {
        "count": len(found),
        "members": [len(family.members) for family in found],
        "off": off,
        "radius": radius.median(-1).values.tolist(),
        "height": height.tolist(),
        "table": [
            [
                len(family.members),
                len(family.holding),
                family.energy,
                radius[n].median().item(),
                *noise[n].tolist(),
                *masked[n].tolist(),
                height[n].item(),
            ]
            for n, family in enumerate(largest)
        ],
    }


def draw(finding: Finding) -> dict[str, Figure]:
    """Shares of the phases along β for each set of patterns."""
    from hopfield import plot

    figures = {}
    for name, data in finding.data.items():
        beta = torch.tensor(data["beta"])
        shares = {
            label: torch.tensor(data["counts"][label.name]) / data["states"] for label in KINDS
        }
        figures[name] = Figure.drawn(
            partial(plot.shares_of_phases, beta, shares, f"Minima along β: {name}"),
            f"{name}: the kinds of minima that retrieval from stored patterns ends in.",
            "Stacked shares of three phases against β.",
        )
    return figures


CLAIM = Claim(
    "three-minima",
    "abstract, sentence 3; section 2",
    "The energy has three kinds of minima: a global average, metastable states that average over a "
    "subset, and single patterns.",
    f"On clustered patterns and on digits (and sentences, where a model is given), along β, at "
    f"convergence from stored patterns: somewhere {ALL:.0%} of the ends are global, somewhere more "
    f"than {MOST:.0%} metastable, somewhere {ALL:.0%} single patterns; and where most are "
    f"metastable, the median such state is within {NEAR:.0%} of their spread of the plain average "
    f"of the patterns that hold 90 % of its weight. Partly: the three kinds on one set at least.",
    check,
    draw,
)
