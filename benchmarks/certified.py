"""What certified int8 retrieval proves, what it is off, and how much it compares.

python -m benchmarks.certified

A million vectors of 128 numbers, scattered and in clusters, at β where 90 % of the weight of a
state lies on about 1, 10, 1000 and half of the patterns; states are stored patterns with noise.
Truth is computed in float64. Writes docs/certified.json and docs/certified.md.
"""

import json
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import normalize

import hopfield
from benchmarks.sublinear import beta_for, median_k90

DOCS = Path(__file__).parent.parent / "docs"
PATTERNS, WIDTH, STATES, SEEN = 1_000_000, 128, 10, 10
# The median k90, and by what the least β for it is multiplied.
WANTED = ((1.0, 1.5), (1.0, 1.0), (10.0, 1.0), (1000.0, 1.0), (PATTERNS / 2, 1.0))
ASKED = (None, 1e-2, 1e-3)

PAGE = """# What certified retrieval proves

Written by `python -m benchmarks.certified`; nothing is typed by hand. A memory of {patterns}
patterns of width {width} with `scan="int8"`, {states} states: stored patterns with noise of a tenth
of their length. *k90* is the median number of patterns that hold 90 % of the weight; the second
row of each kind is at the least β at which it is 1, where a tenth of the weight lies on all others
together, the first at half as much again. The error is
that of the read-out against float64, the bound what was proved, both in units of M, the length of
the longest pattern: medians, and the largest. *compared*: the median share of the patterns that was
compared as it is stored; *exact*: of how many states all were, because less would not have held
what was asked for. In {held} of {all} cases the error is within the bound.

| patterns | k90 | β | rtol | bound | largest | error | largest | compared | exact |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
{rows}
"""


def sets(generator: torch.Generator) -> dict[str, Tensor]:
    """Scattered patterns, and 2000 clusters of 500; about 1 long."""
    scattered = normalize(torch.randn(PATTERNS, WIDTH, generator=generator), dim=-1)
    centres = normalize(torch.randn(2000, WIDTH, generator=generator), dim=-1)
    noise = torch.randn(PATTERNS, WIDTH, generator=generator) * 0.3 / WIDTH**0.5
    own = torch.randint(2000, (PATTERNS,), generator=generator)
    return {"scattered": scattered, "clustered": centres[own] + noise}


def main() -> None:
    """Measure, and write the page."""
    generator = torch.Generator().manual_seed(3)
    found = []
    for kind, stored in sets(generator).items():
        memory = hopfield.Memory(WIDTH, scan="int8")
        memory.add(stored)
        longest = stored.norm(dim=-1).max().item()
        which = torch.randint(PATTERNS, (STATES,), generator=generator)
        noise = torch.randn(STATES, WIDTH, generator=generator) * 0.1 / WIDTH**0.5
        state = stored[which] + noise
        falling = (state[:SEEN] @ stored.T).sort(-1, descending=True).values
        wide = stored.double()
        for wanted, factor in WANTED:
            memory.beta = beta = factor * beta_for(falling, wanted)
            truth = hopfield.update(state.double(), wide, beta=beta)
            for rtol in ASKED:
                result = memory.retrieve(state, rtol=rtol)
                seen = result.certificate
                error = (result.state - truth).norm(dim=-1)
                row = {
                    "patterns": kind,
                    "median k90": median_k90(falling, beta),
                    "beta": beta,
                    "rtol": rtol,
                    "bound": (seen.bound / longest).tolist(),
                    "error": (error / longest).tolist(),
                    "compared": (seen.rescored / PATTERNS).tolist(),
                    "exact": int(seen.exact.sum()),
                }
                found.append(row)
                print(line(row), flush=True)
    pairs = [pair for row in found for pair in zip(row["error"], row["bound"], strict=True)]
    text = PAGE.format(
        patterns=PATTERNS,
        width=WIDTH,
        states=STATES,
        held=sum(error <= bound for error, bound in pairs),
        all=len(pairs),
        rows="\n".join(map(line, found)),
    )
    (DOCS / "certified.json").write_text(json.dumps(found, ensure_ascii=False) + "\n")
    (DOCS / "certified.md").write_text(text)


def line(row: dict) -> str:
    """A row of the table."""
    bound, error, compared = (torch.tensor(row[n]) for n in ("bound", "error", "compared"))
    cells = [
        row["patterns"],
        f"{row['median k90']:.0f}",
        f"{row['beta']:.3g}",
        "–" if row["rtol"] is None else f"{row['rtol']:g}",
        *(f"{one:.1e}" for one in (bound.median(), bound.max(), error.median(), error.max())),
        f"{compared.median():.2%}",
        str(row["exact"]),
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
