"""`Question`: the class or the quantity that is explained."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.repertoire.attribution import Attribution
from hopfield.repertoire.tasks import Tasks


@dataclass(frozen=True)
class Question:
    """What is explained: a class or a quantity.

    Attributes:
        tasks: all that the network tells.
        place: of the task among them.
        output: the class, or the name of the quantity.
        weights: `(outputs,)`, of what the network says.
    """

    tasks: Tasks
    place: int
    output: str
    weights: Tensor

    @classmethod
    def of(cls, tasks: Tasks, place: int, output: str | None) -> "Question":
        """The logit of a class (of several, above the mean of all), or a quantity."""
        if place not in range(len(tasks.tasks)):
            names = ", ".join(repr(task.name) for task in tasks.tasks)
            raise ArgumentError(f"task is {place!r}; a number below {len(tasks.tasks)}: {names}")
        task = tasks.tasks[place]
        if output is None and task.kind == "regression":
            output = task.name
        elif output is None and task.kind == "binary":
            output = task.classes[1]
        _check.choice("output", output, task.classes or (task.name,))
        assert output is not None
        own = torch.ones(1)
        if task.kind == "multiclass":
            own = torch.tensor([float(name == output) for name in task.classes])
            own -= own.mean()
        elif task.kind == "binary" and output == task.classes[0]:
            own = -own
        weights = [torch.zeros(one.outputs) for one in tasks.tasks]
        weights[place] = own
        return cls(tasks, place, output, torch.cat(weights))

    def weight(self, found: Attribution) -> float:
        """Of the scores in a repertoire: the probability of the class; the unit of a quantity."""
        task = self.tasks.tasks[self.place]
        if task.kind == "regression":
            return task.spread
        told = task.predictions(self.tasks.split(found.outputs[None])[self.place])
        return float(told[0, task.classes.index(self.output)])

    def said(self, found: Attribution) -> dict[str, float]:
        """What the network says of a repertoire and its reference, in the unit of a quantity."""
        task = self.tasks.tasks[self.place]
        return {
            "output": found.output * task.spread + task.mean,
            "reference": found.reference * task.spread + task.mean,
            "gap": found.gap * task.spread,
        }
