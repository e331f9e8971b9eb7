"""Sentence 1: a network with continuous states, and an update that goes down its energy."""

import math
import warnings
from typing import Any

import torch
from tqdm import tqdm

import hopfield
from hopfield.claims.claim import Claim, Finding, Measured, Setting, Verdict, share
from hopfield.errors import ConvergenceWarning
from hopfield.separation import Entmax, TopK

SEPARATIONS = {
    "softmax": "softmax",
    "softmax1": "softmax1",
    "sparsemax": "sparsemax",
    "entmax 1.5": "entmax",
    "entmax 1.2": Entmax(1.2),
    "top 5": TopK(5),
}
SIMILARITIES = ("dot", "euclidean")
PROBLEMS, AT_ONCE = 100_000, 500
STEPS, STILL = 10_000, 1e-6  # updates; share of M that a state at rest moves by
ROUNDING = 1e-10  # of the size of the energy's terms
STATES = {True: 2_000, False: 20_000}


def check(setting: Setting) -> Finding:
    """No update raises the energy, and retrieval comes to rest."""
    rises, worst, numbers = 0, -math.inf, []
    for name in SEPARATIONS:
        found = setting.part(name, _descent, name, setting)
        rises, worst = rises + found["rises"], max(worst, found["worst"])
        numbers.append(share(f"{name}: updates that raise the energy", found["rises"], PROBLEMS))
    still = setting.part("rest", _rest, STATES[setting.quick], setting.seed)
    rest = share("softmax: states at rest within 10 000 updates", still["rest"], still["states"])
    numbers += [
        Measured("largest change of all, as a share of the energy's terms", worst),
        rest,
        Measured("updates until at rest, median", still["median"]),
    ]
    settles = rest.value >= 0.999
    verdict = Verdict.DOES_NOT if rises else Verdict.REPRODUCES if settles else Verdict.PARTLY
    return Finding(
        verdict,
        f"{rises} of {PROBLEMS * len(SEPARATIONS)} updates raised the energy beyond rounding; "
        f"{rest.value:.2%} of the states came to rest."
        + ("" if settles else f" The others still moved after {STEPS:,} updates."),
        numbers,
    )


def _problem(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Random stored patterns, one state for each network, and β: `AT_ONCE` networks."""

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * torch.rand((), generator=generator).item()

    size, width = int(2 ** uniform(0, 6)), int(2 ** uniform(0, 5))
    beta, scale = 10 ** uniform(-2, 2), 10 ** uniform(-1, 1)
    shape = (AT_ONCE, size, width)
    stored = scale * torch.randn(shape, generator=generator, dtype=torch.float64)
    state = torch.randn(AT_ONCE, 1, width, generator=generator, dtype=torch.float64)
    return 10 ** uniform(-1, 1) * scale * state, stored, beta


def _descent(name: str, setting: Setting) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(setting.seed)
    rises, worst = 0, -math.inf
    rounds = range(PROBLEMS // AT_ONCE)
    for turn in tqdm(rounds, desc=f"descent, {name}", disable=not setting.progress, leave=False):
        state, stored, beta = _problem(generator)
        how: Any = {
            "beta": beta,
            "separation": SEPARATIONS[name],
            "similarity": SIMILARITIES[turn % len(SIMILARITIES)],
        }
        moved = hopfield.update(state, stored, **how)
        before, after = (hopfield.energy(s, stored, **how) for s in (state, moved))
        longest = stored.square().sum(-1).amax(-1, keepdim=True)
        size = 1 + longest + state.square().sum(-1) + torch.tensor(stored.shape[-2]).log() / beta
        rise = (after - before) / size
        rises += int((~(rise <= ROUNDING)).sum())  # what is no number is no descent
        worst = max(worst, rise.max().item())
    return {"rises": rises, "worst": worst}


def _rest(states: int, seed: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)
    rest, steps = 0, []
    for _ in range(states // AT_ONCE):
        state, stored, beta = _problem(generator)
        tol = STILL * stored.norm(dim=-1).amax(-1, keepdim=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # they are counted here
            end = hopfield.retrieve(state, stored, beta=beta, steps=STEPS, tol=tol)
        assert end.converged is not None
        rest += int(end.converged.sum())
        steps.append(end.steps.flatten())
    return {
        "rest": rest,
        "states": states // AT_ONCE * AT_ONCE,
        "median": torch.cat(steps).double().median().item(),
    }


CLAIM = Claim(
    "descent",
    "abstract, sentence 1; theorems 1 and 2",
    "There is a Hopfield network with continuous states, and an update rule that goes with it: no "
    "update raises its energy, and it converges.",
    f"Of {PROBLEMS:,} random problems for each separation that promises descent ({AT_ONCE} "
    f"networks of each of {PROBLEMS // AT_ONCE} draws of N below 64, d below 32, β from "
    f"0.01 to 100, lengths from 0.1 to 10; dot product and Euclidean in turns), one update raises "
    f"the energy in none, beyond a share of {ROUNDING:g} of its terms for rounding; and 99.9 % of "
    f"softmax states move by less than 1e-6 M within 10 000 updates. Partly: the first alone.",
    check,
)
