"""`Smaller`: what became of a model whose heads were replaced."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from hopfield.heads.replacement.choice import Choice
from hopfield.heads.replacement.correlation import Correlation
from hopfield.heads.replacement.scores import Estimate, HeadScore
from hopfield.heads.replacement.speed import Speed


@dataclass(frozen=True)
class Smaller:
    """A model with fewer heads, and how it was found.

    Attributes:
        name: of the model that it was made of.
        folder: where it was saved.
        model: the smaller model.
        measure: of damage, in words.
        scores: of each head alone, by each kind, on validation text.
        k90: the median share of the visible keys that hold 90 % of the weight of a head, by layer
            and head.
        correlations: of k90 with the damage, by kind.
        choice: the heads that were replaced.
        losses: the mean loss of each epoch of fine-tuning.
        validation: the damage to the text on which heads were chosen, after fine-tuning.
        test: the damage to other text.
        sequences: of text to fit on, to choose on and to test on.
        parameters: of the model that it was made of, and of this one.
        left: layers that keep rows of projections which nothing reads, and why.
        speed: its forward beside that of the model that it was made of.
    """

    name: str
    folder: Path
    model: nn.Module
    measure: str
    scores: tuple[HeadScore, ...]
    k90: Mapping[tuple[str, int], float]
    correlations: tuple[Correlation, ...]
    choice: Choice
    losses: tuple[float, ...]
    validation: Estimate
    test: Estimate
    sequences: tuple[int, int, int]
    parameters: tuple[int, int]
    left: Mapping[str, str]
    speed: Speed

    def said(self) -> list[str]:
        """What came out, in sentences with numbers."""
        kinds = Counter(
            one.kind for heads in self.choice.plan.values() for one in heads.values()
        ).most_common()
        by = ", ".join(f"{count} by {kind!r}" for kind, count in kinds)
        before, after = self.parameters
        fewer = 1 - after / before
        said = [
            f"{self.choice.heads} of {len(self.k90)} heads are replaced: {by}.",
            f"The damage, {self.measure}, is {shown(self.test)} on text that was not looked at "
            f"before; {shown(self.validation)} on the text on which heads were chosen, within a "
            f"budget of {self.choice.budget:g}.",
            f"The model has {after:,} parameters instead of {before:,}: {fewer:.1%} fewer. Its "
            f"forward takes {self.speed.ratio:.2f} times as long ({self.speed.low:.2f} to "
            f"{self.speed.high:.2f}) on {self.speed.device} with "
            f"{self.speed.threads} thread{'s' * (self.speed.threads != 1)}, for inputs of "
            f"{' × '.join(map(str, self.speed.shape))}.",
        ]
        if self.left:
            said.append(
                f"{len(self.left)} layers keep rows of projections that nothing reads: "
                + "; ".join(f"{name}: {why}" for name, why in self.left.items())
                + "."
            )
        for one in self.correlations:
            within = "" if math.isnan(one.within) else f", within layers {one.within:+.2f}"
            if not math.isnan(one.rho):
                said.append(
                    f"By {one.kind!r}, the rank correlation of the share of keys that a head rests "
                    f"on with the damage is {one.rho:+.2f} (p = {one.p:.2g}, {one.heads} heads)"
                    f"{within}."
                )
        return said

    def __str__(self) -> str:
        return "\n".join([*self.said(), str(self.folder)])

    def as_json(self) -> dict[str, Any]:
        """All of it but the model, as JSON has it."""
        replaced = {
            (layer, head): one.kind
            for layer, heads in self.choice.plan.items()
            for head, one in heads.items()
        }
        heads = []
        for (layer, head), share in self.k90.items():
            own = [one for one in self.scores if (one.layer, one.head) == (layer, head)]
            heads.append(
                {
                    "layer": layer,
                    "head": head,
                    "k90": share,
                    "replaced_by": replaced.get((layer, head)),
                    "damage": {one.kind: asdict(one.damage) for one in own},
                }
            )
        return {
            "model": self.name,
            "measure": self.measure,
            "budget": self.choice.budget,
            "damage": {"validation": asdict(self.validation), "test": asdict(self.test)},
            "sequences": dict(
                zip(("calibration", "validation", "test"), self.sequences, strict=True)
            ),
            "parameters": dict(zip(("before", "after"), self.parameters, strict=True)),
            "speed": asdict(self.speed),
            "fine_tuning": list(self.losses),
            "correlation": [asdict(one) for one in self.correlations],
            "rows_left": dict(self.left),
            "steps": [asdict(step) for step in self.choice.steps],
            "heads": heads,
        }


def shown(estimate: Estimate) -> str:
    """A mean with its interval."""
    return f"{estimate.mean:.4g} ({estimate.low:.4g} to {estimate.high:.4g})"
