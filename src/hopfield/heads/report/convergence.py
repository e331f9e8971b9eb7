"""The part of a report that asks whether a step of attention is the retrieval."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from hopfield.heads.converge import Convergence
from hopfield.heads.few import by_layer
from hopfield.heads.report.analysis import KINDS, Analysis
from hopfield.heads.report.figures import Picture
from hopfield.plot import heads as plot
from hopfield.plot.grids import grid
from hopfield.report import Table

TITLE = "Is one step the retrieval?"
METHOD = (
    "A head's query is a state ξ⁰; attention updates it once, to ξ¹ = Σ p k over the keys k that "
    "it sees, with their weights p (the read-out takes values with the same weights). Retrieval "
    "goes on until an update moves the state by no more than 10⁻⁵ of the longest key: at ξ*. The "
    "kind of a state is that of the weights that make ξ¹, or ξ*, by how many hold 90 %."
)
MANY = 0.9  # share of states from which on one step is called the retrieval
COLUMNS = {
    "near": "near",
    "way left": "left",
    "overlap": "overlap",
    "same kind": "same",
    "fixed points": "ends",
    "updates": "updates",
    "converged": "converged",
}


def analysis(found: Convergence) -> Analysis:
    """What `converge` found, as a part of a report."""
    left = by_layer(found.heads, found.left[:, 1])
    seen = found.table.sum(0)
    shares = seen / np.maximum(seen.sum(1, keepdims=True), 1)
    title = "Kind of state: one step, and to the end"
    changes = partial(grid, shares, KINDS, KINDS, title, "at the fixed point", "after one step")
    way = partial(plot.by_head, left, "What one step leaves of the way", "‖ξ¹ − ξ*‖ / ‖ξ⁰ − ξ*‖")
    pictures = {
        "convergence_kinds": Picture(
            changes,
            "Kinds of states at their fixed point, by their kind after one step. Rows sum to 1.",
        ),
        "convergence_left": Picture(
            way,
            "The part of the way to the fixed point that one step leaves, by layer and head. "
            "Medians over states; 0: one step is the retrieval.",
        ),
    }
    return Analysis(
        "convergence",
        TITLE,
        _sentences(found),
        [METHOD],
        [_table(found)],
        pictures,
        _rows(found),
    )


def _sentences(found: Convergence) -> list[str]:
    near, same = found.overall(found.near), found.overall(found.same)
    low, high = found.near_interval
    of = f"{int(found.states.sum())} states of {len(found.heads)} heads over {found.sequences} "
    if np.isnan(near):
        return [f"Of {of}sequences none stopped within {found.most} updates."]
    verdict = "is" if near >= MANY else "is in part" if near >= 0.5 else "is not"
    said = [
        f"One step {verdict} the retrieval here: after it {near:.1%} of the states ({low:.1%} to "
        f"{high:.1%}) have no more than 5 % of the way to their fixed point left. In the median "
        f"head, half of the states have {np.nanmedian(found.left[:, 1]):.0%} of the way left, or "
        f"more.",
        f"Weights keep their kind in {same:.0%} of the states ({found.same_interval[0]:.0%} to "
        f"{found.same_interval[1]:.0%}), and of the weight {found.overall(found.overlap):.0%} lies "
        f"where it does at the fixed point.{_moves(found.table.sum(0))}",
    ]
    if there := [
        str(head) for head, share in zip(found.heads, found.near, strict=True) if share > 0.5
    ]:
        said.append(f"One step is the retrieval for most states of {_named(there)}.")
    number = found.ends * found.states / found.sequences
    alone = [str(head) for head, count in zip(found.heads, number, strict=True) if count < 1.5]
    said.append(
        f"In {len(alone)} of {len(found.heads)} heads (almost) all states of a sequence end in one "
        f"and the same fixed point: retrieval to the end would forget what was asked."
    )
    mean, share = found.overall(found.updates), found.table.sum() / found.states.sum()
    looked = f"Looked at were {of}sequences; "
    stopped = f"{share:.1%} of the states stopped within {found.most} updates, after {mean:.0f} on "
    return [*said, f"{looked}{stopped}average."]


def _moves(table: NDArray[np.int64]) -> str:
    """Where the states go that change."""
    fewer, more = np.triu(table, 1).sum(), np.tril(table, -1).sum()
    changed = fewer + more
    return f" Of those that change, {fewer / changed:.0%} go to fewer patterns." if changed else ""


def _named(heads: list[str], most: int = 8) -> str:
    shown = ", ".join(heads[:most])
    return shown + f" and {len(heads) - most} more" * (len(heads) > most)


def _table(found: Convergence) -> Table:
    rows = [
        [row["head"], row["layer"], *(row[name] for name in COLUMNS.values())]
        for row in _rows(found)
    ]
    return Table(
        ["head", "layer", *COLUMNS],
        rows,
        "Near: share of states with at most 5 % of the way left after one step. Way left: median. "
        "Overlap: of the weights with those at the fixed point. Fixed points: of a sequence, as a "
        "share of its states.",
        3,
        ["layer"],
    )


def _rows(found: Convergence) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for number, head in enumerate(found.heads):
        row: dict[str, object] = {"head": str(head), "layer": head.layer, "module": head.module}
        row |= {"number": head.head, "states": int(found.states[number])}
        for name in ("near", "overlap", "same", "ends", "updates", "converged"):
            row[name] = float(getattr(found, name)[number])
        low, middle, high = map(float, found.left[number])
        rows.append({**row, "left": middle, "left_25": low, "left_75": high})
    return rows
