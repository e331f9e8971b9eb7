"""Pictures of heads over the steps of their learning."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hopfield.heads.history import History
from hopfield.heads.weight_change import WeightChanges
from hopfield.plot import theme
from hopfield.plot.heads_learning import (
    changes_over_steps,
    classes_over_steps,
    jacobians_over_steps,
    k_ridges,
)

Array = NDArray[np.float64]


def figures(
    history: History, changes: WeightChanges, loss: tuple[Array, Array] | None = None
) -> dict[str, Any]:
    """All pictures, by name; call it inside `hopfield.plot.theme()`.

    Args:
        history: of the heads, at two steps or more.
        changes: of the matrices; without any there is no picture of them.
        loss: steps and losses; by default those that the history has.
    """
    if loss is None:
        known = ~np.isnan(history.loss)
        loss = history.step[known].astype(float), history.loss[known]
    step, layer = history.step, history.layer
    found = {
        "k": k_ridges(
            step, layer, history.counts, history.head_class, "How many patterns hold 90 %"
        ),
        "classes": classes_over_steps(
            step, history.class_counts(), "Classes of heads", loss if len(loss[0]) else None
        ),
        "jacobian": jacobians_over_steps(
            step, layer, history.mean["jacobian"], "Jacobian of softmax, without β"
        ),
    }
    if len(changes.step):
        found["weights"] = changes_over_steps(
            changes.step, changes.layer, changes.weight, changes.change, "How far matrices moved"
        )
    return found


def draw(folder: str | Path) -> list[Path]:
    """Draw the tables of a folder of `HeadClassCallback` or `watch`, beside them, as PNG.

    Returns:
        The pictures.

    Raises:
        FileError: a table is missing, or is another one.
    """
    folder = Path(folder)
    history = History.read(folder / "heads.csv")
    changes = WeightChanges.read(folder / "weights.csv")
    with theme():
        drawn = {folder / f"{name}.png": it for name, it in figures(history, changes).items()}
        for path, figure in drawn.items():
            figure.savefig(path)
    return list(drawn)
