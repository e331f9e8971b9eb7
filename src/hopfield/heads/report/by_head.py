"""The part of a page that is about each head by itself."""

from collections.abc import Sequence

import numpy as np

from hopfield.heads.distance import by_distance
from hopfield.heads.examples import Example
from hopfield.heads.report.report import HeadReport
from hopfield.heads.statistics import Head
from hopfield.report import Bars, Detail, Marked, Section, Table

ORDINALS = ("heaviest", "second", "third", "fourth", "fifth")
MEANING = {  # of the attributes of `Head` that are numbers
    "k": "k: the fewest patterns that hold 90 % of the weight, median",
    "visible": "N: how many patterns a state sees, mean",
    "share": "k / N, median",
    "share_content": "k / N without special tokens, median",
    "one": "share of states with k = 1",
    "heaviest": "weight of the heaviest pattern",
    "entropy": "entropy of the weights, in nats",
    "entropy_share": "entropy, as a share of the largest possible",
    "kl": "divergence from uniform weights, in nats",
    "jacobian": "‖diag p − p pᵀ‖, norm of the softmax Jacobian",
    "jacobian_beta": "the same times β",
    "beta": "β",
    "log_partition": "log-partition of the scores",
    "energy": "energy",
    "special": "weight of special tokens",
    "first": "weight of the first pattern",
    "own": "weight of the state's own pattern",
    "previous": "weight of the pattern before",
    "induction": "weight of what followed the same token",
    "induction_chance": "the same, if weights were uniform",
}


def name_of(head: Head) -> str:
    """What links to a head lead to."""
    return f"head-{head.layer}-{head.head}"


def layer_of(report: HeadReport, layer: int, short: bool = False) -> Section:
    """The heads of a layer, each to be unfolded; `short`: without all of their numbers."""
    examples = report.examples[layer] if report.examples else None
    return Section(
        f"Layer {layer}: {report.statistics.tallies[layer].module}",
        details=[
            _detail(report, head, examples[head.head] if examples else [], short)
            for head in report.statistics.layers[layer]
        ],
    )


def _detail(report: HeadReport, head: Head, examples: Sequence[Example], short: bool) -> Detail:
    numbers = [
        [round(value) if name == "k" else value, meaning]
        for name, meaning in MEANING.items()
        if not np.isnan(value := getattr(head, name))
    ]
    tables = [
        Table(["value", "statistic"], numbers, "Means over states, where not said otherwise.")
    ]
    if short:
        tables = []
    if examples:
        tables.insert(0, _read(head, examples))
    return Detail(
        name_of(head),
        f"{head.name}: class {head.head_class.name}, {head.kind}, k = {head.k:.0f} of "
        f"{head.visible:.0f}",
        bars=_bars(report, head),
        tables=tables,
    )


def _bars(report: HeadReport, head: Head) -> list[Bars]:
    counts = report.statistics.histogram(head)
    bars = [Bars([*map(float, counts)], ["0", "N/2", "N"], "How often k is what share of N.")]
    distances, weights = by_distance(report.statistics, head)
    if not np.isnan(weights).all():
        labels = [distances[0], "0", distances[-1]]
        most = f"{np.nanmax(weights):.3g}"
        caption = f"Mean weight by distance; the highest bar is {most} times the uniform weight."
        bars.append(Bars([*map(float, weights)], labels, caption))
    return bars


def _read(head: Head, examples: Sequence[Example]) -> Table:
    """Some states in their context, and what they read."""
    rows = []
    for example in examples:
        read = [
            Marked("", one.token, f" {_where(head, one.place, example.place)}: {one.weight:.3f}")
            for one in example.reads
        ]
        state = Marked(f"{example.before} ", example.token, f" {example.after}")
        rows.append([state, *read, *[""] * (len(ORDINALS) - len(read))])
    return Table(
        ["state, in its context", *ORDINALS],
        rows,
        "The patterns with most weight: token, distance and weight."
        if not head.cross
        else "The patterns with most weight, in the other sequence: token, place and weight.",
    )


def _where(head: Head, place: int, own: int) -> str:
    """The distance of a pattern; in another sequence its place."""
    return f"at {place}" if head.cross else f"{place - own:+d}".replace("-", "−").replace("+0", "0")
