"""Looks at heads beyond their statistics, as parts of a report."""

from collections.abc import Callable, Collection

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.heads.converge import converge
from hopfield.heads.corpus import Corpus
from hopfield.heads.flow import flow
from hopfield.heads.gradients import gradients
from hopfield.heads.report import convergence
from hopfield.heads.report import flow as flows
from hopfield.heads.report import gradients as grads
from hopfield.heads.report import space as spaces
from hopfield.heads.report.analysis import Analysis
from hopfield.heads.source import Source
from hopfield.heads.space import space

TITLES = {
    "convergence": convergence.TITLE,
    "gradients": grads.TITLE,
    "space": spaces.TITLE,
    "flow": flows.TITLE,
}


def further(
    names: Collection[str], source: Source, corpus: Corpus, *, seed: int, progress: bool
) -> list[Analysis]:
    """Those looks that are asked for; where a model does not allow one, it says why.

    Args:
        names: of `TITLES`.
        source: the model.
        corpus: sequences; each look takes some.
        seed: of what is chosen at random.
        progress: whether to show it.

    Raises:
        ArgumentError: a name is unknown.
    """
    given = source.model, source.processor, corpus
    looks: dict[str, Callable[[], Analysis]] = {
        "convergence": lambda: convergence.analysis(converge(*given, seed=seed, progress=progress)),
        "gradients": lambda: grads.analysis(gradients(*given, seed=seed, progress=progress)),
        "space": lambda: spaces.analysis(space(*given, seed=seed, progress=progress)),
        "flow": lambda: flows.analysis(flow(*given, seed=seed, progress=progress)),
    }
    check_names(names)
    found = []
    for name in dict.fromkeys(names):
        try:
            found.append(looks[name]())
        except ArgumentError as error:
            found.append(Analysis(name, TITLES[name], [f"Not looked at: {error}."], []))
    return found


def check_names(names: Collection[str]) -> None:
    """All of them are known.

    Raises:
        ArgumentError: one is not.
    """
    for name in names:
        _check.choice("a look", name, TITLES)
