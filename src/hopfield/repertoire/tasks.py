"""`Task`: what a network learns of one target: its loss, and outputs as predictions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.repertoire.screen import Rows
from hopfield.repertoire.targets import KINDS, Kind, Target


@dataclass(frozen=True)
class Task:
    """A target as a network learns it.

    Attributes:
        name: of the target.
        kind: "binary", "multiclass" or "regression".
        classes: names of the classes.
        weights: of each class in the loss.
        mean: of a quantity; its outputs are standardised.
        spread: likewise.
    """

    name: str
    kind: Kind
    classes: tuple[str, ...] = ()
    weights: tuple[float, ...] = field(default=())
    mean: float = 0.0
    spread: float = 1.0

    @classmethod
    def of(cls, target: Target, rows: Rows, balanced: bool) -> "Task":
        """The task that some repertoires pose.

        Args:
            target: of all repertoires.
            rows: those to learn from.
            balanced: weigh classes by the inverse of their size, else alike.

        Raises:
            ArgumentError: the labels of these rows are all alike, or there are none.
        """
        values = target.values[rows]
        values = values[~np.isnan(values)]
        if len(np.unique(values)) < 2 or values.std() == 0:  # as squares of 1e-200 are 0
            raise ArgumentError(
                f"the {len(values)} training repertoires with a label of {target.name!r} are all "
                f"alike; at least two different labels are needed"
            )
        if target.kind == "regression":
            return cls(
                target.name, "regression", mean=float(values.mean()), spread=float(values.std())
            )
        sizes = np.bincount(values.astype(int), minlength=len(target.classes))
        weights = len(values) / (len(sizes) * np.maximum(sizes, 1)) if balanced else sizes * 0 + 1.0
        return cls(target.name, target.kind, target.classes, tuple(weights.tolist()))

    def __post_init__(self) -> None:
        _check.choice("kind", self.kind, KINDS)
        count = len(self.classes)
        fits = {"binary": count == 2, "multiclass": count > 1, "regression": count == 0}
        if not fits[self.kind]:
            raise ArgumentError(f"{self.name!r} is {self.kind} with {count} classes")
        texts = (self.name, *self.classes)
        if not all(isinstance(one, str) for one in texts) or len(set(self.classes)) < count:
            raise ArgumentError(
                f"{self.name!r} has the classes {self.classes}; different texts are expected"
            )
        if len(self.weights) != count:
            raise ArgumentError(f"{self.name!r} has {len(self.weights)} weights of {count} classes")
        numbers = (self.mean, self.spread, *self.weights)
        if not all(map(math.isfinite, numbers)) or min(numbers[1:]) <= 0:
            raise ArgumentError(
                f"{self.name!r} has the mean, spread and weights {numbers}; finite numbers are "
                f"expected, above 0 but for the mean"
            )

    @property
    def outputs(self) -> int:
        """How many numbers of the network tell it."""
        return len(self.classes) if self.kind == "multiclass" else 1

    def losses(self, outputs: Float[Tensor, "n outputs"], values: Float[Tensor, " n"]) -> Tensor:
        """The loss of each repertoire, `(n,)`; 0 where there is no label."""
        known = ~values.isnan()
        outputs, wanted = outputs[known], values[known]
        if self.kind == "regression":
            standard = (wanted - self.mean) / self.spread  # in the precision of the values
            found = (outputs[:, 0] - standard.to(outputs)).square()
        else:
            weights = outputs.new_tensor(self.weights)[wanted.long()]
            if self.kind == "binary":
                found = weights * binary_cross_entropy_with_logits(
                    outputs[:, 0], wanted.to(outputs), reduction="none"
                )
            else:
                found = weights * cross_entropy(outputs, wanted.long(), reduction="none")
        return outputs.new_zeros(len(values)).masked_scatter(known, found)

    def predictions(self, outputs: Float[Tensor, "n outputs"]) -> NDArray[np.float64]:
        """Probabilities of the classes `(n, C)`, or the quantity `(n,)`."""
        outputs = outputs.double()
        if self.kind == "regression":
            return (outputs[:, 0] * self.spread + self.mean).numpy()
        if self.kind == "binary":
            positive = outputs[:, 0].sigmoid()
            return torch.stack([1 - positive, positive], 1).numpy()
        return outputs.softmax(1).numpy()


@dataclass(frozen=True)
class Tasks:
    """All that a network learns: its outputs are those of the tasks, side by side."""

    tasks: tuple[Task, ...]

    @property
    def outputs(self) -> int:
        """How many numbers the network gives for a repertoire."""
        return sum(task.outputs for task in self.tasks)

    def losses(self, outputs: Float[Tensor, "n outputs"], values: Float[Tensor, "n T"]) -> Tensor:
        """The loss of each repertoire, summed over tasks, `(n,)`."""
        parts = zip(self.tasks, self.split(outputs), values.unbind(1), strict=True)
        return torch.stack([task.losses(part, of_task) for task, part, of_task in parts]).sum(0)

    def split(self, outputs: Float[Tensor, "n outputs"]) -> Sequence[Tensor]:
        """The outputs of each task."""
        return outputs.split([task.outputs for task in self.tasks], 1)
