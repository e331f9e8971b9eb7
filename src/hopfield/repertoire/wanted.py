"""`as_targets`: labels in any form that a user has them in."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from hopfield.errors import ArgumentError
from hopfield.repertoire.targets import Target

Wanted = ArrayLike | pl.Series | Target | Sequence[Target]


def as_targets(
    wanted: Wanted,
    count: int,
    kind: str | None = None,
    classes: Sequence[str] | None = None,
) -> list[Target]:
    """What was asked for as targets of `count` repertoires."""
    if isinstance(wanted, Target):
        found = [wanted]
    elif isinstance(wanted, Sequence) and wanted and all(isinstance(w, Target) for w in wanted):
        found = list(wanted)  # type: ignore[arg-type]
    else:
        given = wanted if isinstance(wanted, pl.Series) else np.asarray(wanted)
        if given.shape != (count,):
            raise ArgumentError(
                f"the labels have shape {given.shape} for {count} repertoires; one for each is "
                f"expected (several labels are several targets)"
            )
        labels = given if isinstance(given, pl.Series) else pl.Series(given.tolist())
        found = [Target.of("label", labels, kind, classes=classes)]
    for target in found:
        if len(target) != count:
            raise ArgumentError(
                f"target {target.name!r} has {len(target)} labels for {count} repertoires"
            )
    return found


def classes_as_given(wanted: Wanted, target: Target) -> NDArray[Any]:
    """The classes of a target as its labels were given: numbers stay numbers."""
    names = np.array(target.classes)
    if isinstance(wanted, Target) or (isinstance(wanted, Sequence) and target in wanted):
        return names
    given = np.asarray(wanted)
    if not len(names) or given.dtype.kind not in "biuf":
        return names
    distinct = np.unique(given[~np.isnan(given)])
    places = Target.of(target.name, pl.Series(distinct), classes=target.classes).values
    return distinct[np.argsort(places)]
