"""The page of a report on replaced heads."""

from collections.abc import Sequence

import numpy as np

from hopfield.heads.replacement.smaller import Smaller, shown
from hopfield.plot.replacement import damage_by_head, damage_by_k, damage_by_number
from hopfield.report import Figure, Report, Section, Table

WHAT = (
    "A replaced head needs no queries and no keys. It reads out a Gaussian of places "
    "(“gaussian”: Ramsauer et al. 2020, A.5.1.5), the mean of the visible values (“uniform”), its "
    "own mean read-out (“mean”) or nothing (“zero”). Its score is the damage that this alone does."
)


def page(smaller: Smaller) -> Report:
    """The page."""
    kinds = list(dict.fromkeys(score.kind for score in smaller.scores))
    return Report(
        f"{smaller.name} with fewer heads",
        smaller.said()[0],
        [
            Section("What was found", [*smaller.said()[1:], WHAT]),
            Section(
                "How many heads can go",
                [
                    "Heads in the order of their scores, each by its best kind, measured together: "
                    "one at first, twice as many after each success, half after a failure."
                ],
                [_steps(smaller)],
                [_by_number(smaller)],
            ),
            Section(
                "What each head's replacement does",
                tables=[_heads(smaller, kinds)],
                figures=[_by_head(smaller), _by_k(smaller, kinds)],
            ),
        ],
    )


def _steps(smaller: Smaller) -> Table:
    number = {layer: n for n, layer in enumerate(dict.fromkeys(layer for layer, _ in smaller.k90))}
    rows = [
        [
            step.heads,
            shown(step.damage),
            "yes" if step.kept else "no",
            ", ".join(f"{number[layer]}.{head} ({kind})" for layer, head, kind in step.added),
        ]
        for step in smaller.choice.steps
    ]
    caption = (
        f"Damage: {smaller.measure}, with its interval of 95 % over texts. Heads are called by "
        f"layer and number."
    )
    return Table(["heads together", "damage", "replaced", "tried besides"], rows, caption)


def _heads(smaller: Smaller, kinds: Sequence[str]) -> Table:
    plan, rows = smaller.choice.plan, []
    scores = {(one.layer, one.head, one.kind): one.damage for one in smaller.scores}
    for (layer, head), share in smaller.k90.items():
        damages = [scores.get((layer, head, kind)) for kind in kinds]
        by = plan.get(layer, {}).get(head)
        cells = ["" if damage is None else shown(damage) for damage in damages]
        rows.append([layer, head, share, *cells, "" if by is None else by.kind])
    caption = (
        f"Damage of one head alone: {smaller.measure}. k / N: the median share of the visible keys "
        f"that hold 90 % of the weight."
    )
    columns = ["layer", "head", "k / N", *kinds, "replaced by"]
    return Table(columns, rows, caption, 3, ["layer", "replaced by"])


def _by_number(smaller: Smaller) -> Figure:
    steps = smaller.choice.steps
    heads = [step.heads for step in steps]
    damage = [(step.damage.low, step.damage.mean, step.damage.high) for step in steps]
    kept = [step.kept for step in steps]
    return Figure.drawn(
        lambda: damage_by_number(
            heads, np.array(damage), kept, smaller.choice.budget, smaller.measure
        ),
        "Damage of heads that are replaced together, those that were too many drawn hollow.",
        "Damage rises with the number of replaced heads.",
    )


def _by_head(smaller: Smaller) -> Figure:
    layers = list(dict.fromkeys(layer for layer, _ in smaller.k90))
    most = 1 + max(head for _, head in smaller.k90)
    least = np.full((len(layers), most), np.nan)
    for one in smaller.scores:
        at = layers.index(one.layer), one.head
        least[at] = np.fmin(least[at], one.damage.mean)
    return Figure.drawn(
        lambda: damage_by_head(least, smaller.measure),
        "The least damage of each head's replacement, by the best kind.",
        "A map of layers and heads.",
    )


def _by_k(smaller: Smaller, kinds: Sequence[str]) -> Figure:
    points = {
        kind: np.array(
            [
                (smaller.k90[one.layer, one.head], one.damage.mean)
                for one in smaller.scores
                if one.kind == kind
            ]
        )
        for kind in kinds
    }
    return Figure.drawn(
        lambda: damage_by_k(points, smaller.measure),
        "Each head: the share of keys that it rests on, and the damage of its replacement.",
        "A cloud of points for each kind.",
    )
