"""Sentence 2, second part: the pattern is retrieved with one update."""

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.linalg import vector_norm

from hopfield.claims import patterns
from hopfield.claims.claim import Claim, Finding, Setting, Verdict, share
from hopfield.functional import update
from hopfield.landscape import TradeOff, trade_off
from hopfield.landscape.ends import settled
from hopfield.report import Figure
from hopfield.theory import (
    critical_beta,
    is_stored,
    max_norm,
    on_sphere,
    retrieval_error_bound,
    storing_beta,
)

NOISE, ERROR, STORED = 0.1, 1e-3, 0.99
LITTLE = 0.02  # noise of the grid, of which the theorems speak for most patterns
SETTLED, OF_SETTLED = 0.9, 0.95
TESTED = {True: 500, False: 2000}
SIZES = {True: (20, 200), False: (20, 60, 200, 600, 1700)}
BETAS, SAMPLE = {True: 10, False: 24}, 20
LOWEST, HIGHEST = 0.3, 5.0  # of the critical β, and of the β that stores: ends of the grid


def check(setting: Setting) -> Finding:
    """One update against convergence on each set of patterns, at a β that stores them."""
    numbers, held, data = [], [], {}
    for name, stored in patterns.sets(setting).items():
        found = setting.part(name, _compared, stored, setting)
        data[name] = setting.part(f"{name}, grid", _grid, stored, found["beta"], setting)
        tested = found["tested"]
        once = share(f"{name}: within 1e-3 M after ONE update", found["once"], tested)
        still = share(f"{name}: the same at convergence", found["still"], tested)
        numbers += [
            once,
            still,
            share(f"{name}: guaranteed to be stored", found["certain"], tested),
            share(f"{name}: bounded to 1e-3 M by theorem 5", found["bounded"], tested),
        ]
        enough = once.low is not None and once.low >= OF_SETTLED * still.value
        held.append(enough and still.value >= SETTLED)
    verdict = Verdict.DOES_NOT
    if any(held):
        verdict = Verdict.REPRODUCES if all(held) else Verdict.PARTLY
    reason = (
        f"One update does what convergence does on {sum(held)} of {len(held)} sets of patterns "
        f"({', '.join(data)}). β was chosen so that one update works from the pattern itself; what "
        f"is tested is that it works from noise."
    )
    return Finding(verdict, reason, numbers, data)


def _compared(stored: Tensor, setting: Setting) -> dict[str, Any]:
    length = max_norm(stored).item()
    beta = storing_beta(stored, ERROR * length, STORED, seed=setting.seed).beta
    generator = torch.Generator().manual_seed(setting.seed)
    tested = torch.randperm(len(stored), generator=generator)[: TESTED[setting.quick]]
    offset = NOISE * length * on_sphere(len(tested), stored.shape[-1], 1.0, generator)
    pattern, state = stored[tested], stored[tested] + offset
    bound = retrieval_error_bound(state, stored, beta, target=tested)

    def near(end: Tensor) -> int:
        return int((vector_norm(end - pattern, dim=-1) <= ERROR * length).sum())

    return {
        "beta": beta,
        "tested": len(tested),
        "once": near(update(state, stored, beta=beta)),
        "still": near(settled(state, stored, beta=beta).state),
        "certain": int(is_stored(stored, beta, tested).sum()),
        "bounded": int((bound <= ERROR * length).sum()),
    }


def _grid(stored: Tensor, beta: float, setting: Setting) -> dict[str, Any]:
    low, high = math.log(LOWEST * critical_beta(stored).beta), math.log(HIGHEST * beta)
    betas = torch.linspace(low, high, BETAS[setting.quick], dtype=torch.float64).exp()
    found = trade_off(
        stored,
        [size for size in SIZES[setting.quick] if size <= len(stored)],
        betas.tolist(),
        noise=LITTLE * max_norm(stored).item(),
        sample=SAMPLE,
        seed=setting.seed,
        progress=setting.progress,
    )
    return {name: _short(getattr(found, name)) for name in found.__dataclass_fields__}


def _short(value: Any) -> Any:
    """As JSON has it, with four significant digits."""
    if isinstance(value, Tensor):
        return _short(value.tolist())
    if isinstance(value, list):
        return [_short(part) for part in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _read(data: dict[str, Any]) -> TradeOff:
    fields: dict[str, Any] = {
        name: torch.tensor(value) if isinstance(value, list) else value
        for name, value in data.items()
    }
    return TradeOff(**fields)


def draw(finding: Finding) -> dict[str, Figure]:
    """For each set of patterns: phases, shares, errors, steps, and the bound of one update."""
    from hopfield import plot

    figures = {}
    for name, data in finding.data.items():
        grid = _read(data)
        half = int((grid.retrieved(once=True)[-1] >= 0.5).double().argmax())  # the first such β
        cell = f"{name}, N = {grid.sizes[-1]}, β = {grid.beta[half]:.4g}"
        error = grid.error.median(-1).values / grid.length
        pictures = {
            "phases": (
                "the kind of minimum that retrieval ends in",
                partial(plot.phase_diagram, grid, f"Phases: {name}"),
            ),
            "retrieved": (
                "the share that convergence brings within 1e-3 M",
                partial(plot.over_grid, grid.retrieved(), grid, f"Retrieved: {name}", "share"),
            ),
            "error": (
                "the median distance from the pattern at convergence",
                partial(plot.over_grid, error, grid, f"Retrieval error: {name}", "error / M"),
            ),
            "once": (
                "the share that ONE update brings within 1e-3 M, and the guarantee",
                partial(plot.share_once, grid, f"One update: {name}"),
            ),
            "delta": (
                "the same against the separation Δ, and what theorem 5 promises",
                partial(plot.share_against_delta, grid, half, f"One update: {name}"),
            ),
            "bound": (
                "the error of ONE update, under its bound",
                partial(plot.once_against_delta, grid, -1, half, cell),
            ),
            "steps": (
                "how long it takes, over all β",
                partial(plot.steps, grid, f"Updates until at rest: {name}"),
            ),
        }
        for what, (said, picture) in pictures.items():
            caption = f"{name}, noise of {LITTLE:.0%} of M: {said}."
            figures[f"{name}-{what}"] = Figure.drawn(picture, caption, f"{said}.")
    return figures


CLAIM = Claim(
    "one-update",
    "abstract, sentence 2",
    "The pattern is retrieved with one update.",
    f"On each set of patterns (2000 random ones, digits; vectors of sentences where a model is "
    f"given), at the β from which on {STORED:.0%} of the patterns are within {ERROR:g} M of "
    f"themselves after one update from themselves: from noise of {NOISE:.0%} of M in a random "
    f"direction, convergence brings at least {SETTLED:.0%} within {ERROR:g} M of the pattern, and "
    f"one update, with the lower end of its interval, {OF_SETTLED:.0%} as many. Partly: on some of "
    f"the sets.",
    check,
    draw,
)
