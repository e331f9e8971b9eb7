"""Looks at heads beyond their statistics, as parts of a report."""

from collections.abc import Callable, Collection
from typing import Any

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.heads.converge import converge
from hopfield.heads.corpus import Corpus
from hopfield.heads.flow import flow
from hopfield.heads.gradients import gradients
from hopfield.heads.memory import is_memory
from hopfield.heads.report import convergence
from hopfield.heads.report import flow as flows
from hopfield.heads.report import gradients as grads
from hopfield.heads.report import space as spaces
from hopfield.heads.report.analysis import Analysis
from hopfield.heads.source import Source
from hopfield.heads.space import space

MEMORY = "memory is not enough; a smaller batch_size or max_length is expected"
TITLES = {
    "convergence": convergence.TITLE,
    "gradients": grads.TITLE,
    "space": spaces.TITLE,
    "flow": flows.TITLE,
}


def further(
    names: Collection[str],
    source: Source,
    corpus: Corpus,
    *,
    seed: int,
    batch_size: int = 4,
    progress: bool = False,
) -> list[Analysis]:
    """Those looks that are asked for; where a model does not allow one, it says why.

    Args:
        names: of `TITLES`.
        source: the model.
        corpus: sequences; each look takes some.
        seed: of what is chosen at random.
        batch_size: sequences that go through the model at once; for gradients 4 at most.
        progress: whether to show it.

    Raises:
        ArgumentError: a name is unknown.
    """
    given = source.model, source.processor, corpus
    how: dict[str, Any] = {"seed": seed, "progress": progress}
    few = {**how, "batch_size": min(batch_size, 4)}
    looks: dict[str, Callable[[], Analysis]] = {
        "convergence": lambda: convergence.analysis(converge(*given, batch_size=batch_size, **how)),
        "gradients": lambda: grads.analysis(gradients(*given, **few)),
        "space": lambda: spaces.analysis(space(*given, batch_size=batch_size, **how)),
        "flow": lambda: flows.analysis(flow(*given, **how)),
    }
    check_names(names)
    found = []
    for name in dict.fromkeys(names):
        try:
            found.append(looks[name]())
        except (ArgumentError, MemoryError, RuntimeError) as error:
            if not isinstance(error, ArgumentError) and not is_memory(error):
                raise
            why = error if isinstance(error, ArgumentError) else MEMORY
            found.append(Analysis(name, TITLES[name], [f"Not looked at: {why}."], []))
    return found


def check_names(names: Collection[str]) -> None:
    """All of them are known.

    Raises:
        ArgumentError: one is not.
    """
    for name in names:
        _check.choice("a look", name, TITLES)
