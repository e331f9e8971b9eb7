"""The page and the pictures of heads over the steps of their learning."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hopfield.heads.history import History
from hopfield.heads.report.figures import Picture, save
from hopfield.heads.weight_change import WeightChanges
from hopfield.plot.heads_learning import (
    changes_over_steps,
    classes_over_steps,
    jacobians_over_steps,
    k_ridges,
)
from hopfield.report import Report, Section, Table

Array = NDArray[np.float64]

PAGE = "report.html"


def pictures(
    history: History, changes: WeightChanges, loss: tuple[Array, Array] | None = None
) -> dict[str, Picture]:
    """All pictures, by name.

    Args:
        history: of the heads.
        changes: of the matrices; without any there is no picture of them.
        loss: steps and losses; by default those that the history has.
    """
    if loss is None:
        known = ~np.isnan(history.loss)
        loss = history.step[known].astype(float), history.loss[known]
    step, layer = history.step, history.layer
    counts, classes, norm = history.counts, history.head_class, history.mean["jacobian"]
    over = loss if len(loss[0]) else None
    found = {
        "k": Picture(
            partial(k_ridges, step, layer, counts, classes, "How many patterns hold 90 %"),
            "How k, the fewest patterns that hold 90 % of the weight, is distributed over states, "
            "for each head (a column for each layer) at some steps, the first one on top. Colours "
            "are classes by the median of k; N is how many patterns a state sees.",
        ),
        "classes": Picture(
            partial(classes_over_steps, step, history.class_counts(), "Classes of heads", over),
            "How many heads are in each class, and the loss where it is known.",
        ),
        "jacobian": Picture(
            partial(jacobians_over_steps, step, layer, norm, "Jacobian of softmax, without β"),
            "The mean norm of diag p − p pᵀ over states, of each head (thin) and each layer.",
        ),
    }
    if len(changes.step):
        moved = changes.step, changes.layer, changes.weight, changes.change
        found["weights"] = Picture(
            partial(changes_over_steps, *moved, "How far matrices moved"),
            "‖ΔW‖ / ‖W‖ of the matrices of attention from one noted step to the next, by layer.",
        )
    return found


def write(folder: str | Path) -> Path:
    """Write `report.html` and `figures/` beside the tables of `HeadClassCallback` or `watch`.

    Returns:
        The page.

    Raises:
        FileError: a table is missing, or is another one.
    """
    folder = Path(folder)
    history = History.read(folder / "heads.csv")
    drawn = pictures(history, WeightChanges.read(folder / "weights.csv"))
    save(drawn, folder / "figures")
    titles = {"k": "Heads", "classes": "Classes", "jacobian": "Gradient", "weights": "Matrices"}
    sections = [Section(titles[name], figures=[one.figure]) for name, one in drawn.items()]
    first, *rest = history.said()
    found = Section("What was found", rest, [_switches(history)])
    Report("Heads while a model learns", first, [found, *sections]).save(folder / PAGE)
    return folder / PAGE


def _switches(history: History) -> Table:
    rows = [[layer, ", ".join(steps)] for layer, steps in history.switches().items()]
    caption = "The step from which on each head of a layer has its last class."
    return Table(["layer", "steps"], rows, caption)
