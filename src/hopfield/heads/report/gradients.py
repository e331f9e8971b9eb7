"""The part of a report about the gradient of a loss through heads."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from hopfield.heads.differentiator import MEASURES
from hopfield.heads.few import by_layer
from hopfield.heads.gradients import Gradients
from hopfield.heads.report.analysis import KINDS, Analysis
from hopfield.heads.report.figures import Picture
from hopfield.plot import heads as plot
from hopfield.plot.kinds import by_kind
from hopfield.report import Table

Array = NDArray[np.float64]

TITLE = "Gradients by kind of state"
METHOD = (
    "The loss L is that of {loss} ({value:.3g} on average). Its gradient is looked at where it "
    "reaches the scores s of a state, ‖∂L/∂s‖ over the keys, and where it reaches the read-out o; "
    "“let through” is the part of ∂L/∂p, without its mean, that softmax lets through to s. The "
    "kind of a state is that of its own weights, by how many keys hold 90 % of them. Layers differ "
    "in how much of the gradient comes to them; so ‖∂L/∂s‖ is shown as a multiple of the mean of "
    "the head, too. Intervals are 95 %, by a bootstrap over {sequences} sequences."
)
TITLES = {  # of `MEASURES`, as they are shown
    "score": "‖∂L/∂s‖",
    "readout": "‖∂L/∂o‖",
    "passed": "let through by softmax",
    "entropy": "entropy of |∂L/∂s| over keys",
    "jacobian": "‖J‖, J = diag p − p pᵀ",
    "jacobian_beta": "β‖J‖",
}
RELATIVE = "‖∂L/∂s‖ / mean of the head"
VANISHED = 0.1  # of the largest
WHERE = ("averaging states", *3 * ("metastable states",), "single patterns")  # by kind


def analysis(found: Gradients) -> Analysis:
    """What `gradients` found, as a part of a report."""
    panels = {RELATIVE: found.of_kinds("score", relative=True)}
    shown = ("passed", "entropy", "jacobian_beta")
    panels |= {TITLES[measure]: found.of_kinds(measure) for measure in shown}
    draw = partial(by_kind, KINDS, panels, "The gradient by kind of state")
    score = by_layer(found.heads, found.of_heads("score"))
    entropy = by_layer(found.heads, found.of_heads("entropy"))
    pictures = {
        "gradients_by_kind": Picture(
            draw, "The gradient by kind of state, from averaging (I) to a single pattern (k = 1)."
        ),
        "gradients_score": Picture(
            partial(plot.by_head, score, "Gradient at the scores", "mean ‖∂L/∂s‖"),
            "The norm of the gradient at the scores, by layer and head.",
        ),
        "gradients_entropy": Picture(
            partial(plot.by_head, entropy, "Entropy of the gradient", "of the largest possible"),
            "How evenly the gradient is spread over the keys, by layer and head. 1: uniformly.",
        ),
    }
    method = METHOD.format(loss=found.loss, value=found.value, sequences=len(found.totals))
    return Analysis(
        "gradients", TITLE, _sentences(found), [method], [_table(found)], pictures, _rows(found)
    )


def _sentences(found: Gradients) -> list[str]:
    """Maximal in metastable states, uniform when averaging, vanishing near a pattern?"""
    relative, passed, entropy, stretch = (
        found.of_kinds(measure, relative=measure == "score")[0]
        for measure in ("score", "passed", "entropy", "jacobian")
    )
    if np.isnan(relative).all():
        return ["No gradient of the loss reaches the heads."]
    said = []
    for what, values in (
        ("The gradient at the scores, as a multiple of the mean of its head,", relative),
        ("The part that softmax lets through", passed),
        ("The norm of the softmax Jacobian", stretch),
    ):
        said.append(f"{what} is largest in {WHERE[np.nanargmax(values)]}: {_each(values)}.")
    if not np.isnan(relative[4]):
        left, through = relative[4] / np.nanmax(relative), passed[4] / np.nanmax(passed)
        said.append(
            f"Near a single pattern (k = 1) the gradient, as a multiple of the mean of its head, "
            f"is {left:.0%} of the largest, and softmax lets {through:.0%} of the most through: it "
            f"{'vanishes' if left < VANISHED else 'falls, but does not vanish'}."
        )
    first = KINDS[np.nanargmax(entropy)]
    evenly = (
        "where states average" if first == "I" else f"in kind {first}, not where states average"
    )
    return [
        *said,
        f"The gradient is spread most evenly {evenly}; entropy over the keys, of the largest "
        f"possible: {_each(entropy)}.",
    ]


def _each(values: Array) -> str:
    return ", ".join(
        f"{value:.3g} ({kind})"
        for kind, value in zip(KINDS, values, strict=True)
        if not np.isnan(value)
    )


def _table(found: Gradients) -> Table:
    columns = {RELATIVE: found.of_kinds("score", relative=True)}
    columns |= {TITLES[measure]: found.of_kinds(measure) for measure in MEASURES}
    states = found.states.sum(0)
    rows = [
        [
            kind,
            int(states[number]),
            *(_with_interval(*(b[number] for b in column)) for column in columns.values()),
        ]
        for number, kind in enumerate(KINDS)
    ]
    return Table(["kind", "states", *columns], rows, "Means over the states of each kind.")


def _with_interval(mean: float, low: float, high: float) -> str:
    return "none" if np.isnan(mean) else f"{mean:.3g} ({low:.3g} to {high:.3g})"


def _rows(found: Gradients) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    whole = {measure: found.of_heads(measure) for measure in MEASURES}
    parts = {measure: found.mean(measure) for measure in MEASURES}
    names = [kind.replace("k = 1", "one") for kind in KINDS]
    for number, head in enumerate(found.heads):
        row: dict[str, object] = {"head": str(head), "layer": head.layer, "module": head.module}
        row |= {"number": head.head, "states": int(found.states[number].sum())}
        row |= {measure: float(values[number]) for measure, values in whole.items()}
        for place, name in enumerate(names):
            row[f"states_{name}"] = int(found.states[number, place])
            row |= {f"{m}_{name}": float(values[number, place]) for m, values in parts.items()}
        rows.append(row)
    return rows
