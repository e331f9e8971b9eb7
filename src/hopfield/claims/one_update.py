"""Sentence 2, second part: the pattern is retrieved with one update."""

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.linalg import vector_norm

from hopfield.claims import patterns
from hopfield.claims.claim import Claim, Finding, Setting, Verdict, share
from hopfield.functional import update
from hopfield.landscape import trade_off
from hopfield.landscape.network import settled
from hopfield.report import Figure
from hopfield.theory import is_stored, max_norm, on_sphere, retrieval_error_bound, storing_beta

NOISE, ERROR, STORED = 0.1, 1e-3, 0.99
LITTLE = 0.02  # noise of the grid, of which the theorems speak for most patterns
OF_SETTLED = 0.95
TESTED = {True: 500, False: 2000}
SIZES = {True: (20, 200), False: (20, 60, 200, 600, 1700)}
BETAS, SAMPLE = {True: 10, False: 24}, 20


def check(setting: Setting) -> Finding:
    """One update against convergence on each set of patterns, at a β that stores them."""
    numbers, held, data = [], [], {}
    for name, stored in _sets(setting).items():
        found = setting.part(name, _compared, stored, setting)
        data[name] = setting.part(f"{name}, grid", _grid, stored, found["beta"], setting)
        once = share(f"{name}: within 1e-3 M after ONE update", found["once"], found["tested"])
        still = share(f"{name}: the same at convergence", found["still"], found["tested"])
        numbers += [
            once,
            still,
            share(f"{name}: guaranteed to be stored", found["certain"], found["tested"]),
            share(f"{name}: bounded to 1e-3 M by theorem 5", found["bounded"], found["tested"]),
        ]
        held.append(found["once"] >= OF_SETTLED * found["still"] and found["still"] > 0)
    verdict = Verdict.DOES_NOT
    if any(held):
        verdict = Verdict.REPRODUCES if all(held) else Verdict.PARTLY
    names = [name for name, good in zip(data, held, strict=True) if good]
    reason = (
        f"One update does what convergence does on {len(names)} of {len(held)} sets of patterns"
        f"{' (' + ', '.join(names) + ')' if 0 < len(names) < len(held) else ''}; the theorems "
        f"promise it for fewer, since the noise is larger than they allow."
    )
    return Finding(verdict, reason, numbers, data)


def _sets(setting: Setting) -> dict[str, Tensor]:
    found = {"random": patterns.random(setting.seed), "digits": patterns.digits()}
    sentences = patterns.sentences(setting)
    return found if sentences is None else found | {"sentences": sentences}


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
    betas = torch.logspace(-2.5, 0.7, BETAS[setting.quick], dtype=torch.float64) * beta
    noise = LITTLE * max_norm(stored).item()
    return patterns.written(
        trade_off(
            stored,
            [size for size in SIZES[setting.quick] if size <= len(stored)],
            betas.tolist(),
            noise=noise,
            sample=SAMPLE,
            seed=setting.seed,
            progress=setting.progress,
        )
    )


def draw(finding: Finding) -> list[Figure]:
    """For each set of patterns: phases, shares, steps, and errors under their bound."""
    from hopfield import plot

    figures = []
    for name, data in finding.data.items():
        grid = patterns.grid_of(data)
        last = len(grid.beta) * 4 // 5
        said = f"{name}, noise of {LITTLE:.0%} of M"
        cell = f"{name}, N = {grid.sizes[-1]}, β = {grid.beta[last]:.3g}"
        of = grid.retrieved()
        pictures = {
            "the kind of minimum that retrieval ends in": partial(
                plot.phase_diagram, grid, f"Phases: {name}"
            ),
            "the share that convergence brings within 1e-3 M": partial(
                plot.share_map, of, grid, f"Retrieved: {name}", "share retrieved"
            ),
            "the share that ONE update brings there, and the guarantee": partial(
                plot.share_once, grid, f"One update: {name}"
            ),
            "how long it takes, over all β": partial(
                plot.steps, grid, f"Updates until at rest: {name}"
            ),
            "the error of ONE update, under its bound": partial(
                plot.once_against_delta, grid, -1, last, cell
            ),
        }
        figures += [
            Figure.drawn(picture, f"{said}: {what}.", f"{what}, against β and N.")
            for what, picture in pictures.items()
        ]
    return figures


CLAIM = Claim(
    "one-update",
    "abstract, sentence 2; theorem 4",
    "The pattern is retrieved with one update.",
    f"On each set of patterns (2000 random ones, digits; vectors of sentences where a model is "
    f"given), at the β from which on {STORED:.0%} of the patterns are within {ERROR:g} M of "
    f"themselves after one update from themselves: from noise of {NOISE:.0%} of M in a random "
    f"direction, one update brings at least {OF_SETTLED:.0%} as many within {ERROR:g} M of the "
    f"pattern as convergence does. Partly: on some of the sets.",
    check,
    draw,
)
