"""Families: stored patterns from which retrieval ends in one state together."""

from dataclasses import dataclass
from typing import Unpack

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hopfield import _check
from hopfield.functional import associate
from hopfield.phases import FixedPoints, PhaseLabel
from hopfield.settings import Settings


@dataclass(frozen=True)
class Family:
    """An attractor, and the stored patterns that belong to it.

    Attributes:
        state: `(d,)`, the attractor.
        label: its phase.
        energy: its energy.
        members: indices of the patterns from which retrieval ends here.
        holding: indices of the fewest patterns that hold 90 % of its weight, the heaviest first.
            Members and holders need not be the same.
        heaviest: the weight of the heaviest pattern, together with its duplicates.
    """

    state: Float[Tensor, " d"]
    label: PhaseLabel
    energy: float
    members: Int[Tensor, " n"]
    holding: Int[Tensor, " k"]
    heaviest: float


def families(
    points: FixedPoints,
    stored: Float[Tensor, "N d"],
    *,
    label: PhaseLabel | None = PhaseLabel.METASTABLE,
    **settings: Unpack[Settings],
) -> list[Family]:
    """The families among the attractors that `fixed_points` found, those with most members first.

    Args:
        points: what `fixed_points(stored, …)` returned.
        stored: the same patterns X, `(N, d)`.
        label: the phase of the attractors wanted, None for all.
        **settings: the same as for `fixed_points`.

    Raises:
        ShapeError, DtypeError, ArgumentError: arguments that do not fit.
    """
    if label is not None:
        _check.choice("label", label, PhaseLabel)
    stored = stored.to(points.state.dtype)
    found = []
    for attractor, of in enumerate(points.phase.label.tolist()):
        if label is not None and of != label:
            continue
        state = points.state[attractor]
        with torch.no_grad():
            weights = associate(state[None], stored, **settings)[0]
        heaviest = weights.argsort(descending=True, stable=True)
        found.append(
            Family(
                state,
                PhaseLabel(of),
                points.energy[attractor].item(),
                points.patterns_of(attractor),
                heaviest[: int(points.phase.k90[attractor])],
                points.phase.heaviest[attractor].item(),
            )
        )
    return found
