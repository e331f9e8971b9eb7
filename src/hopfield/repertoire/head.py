"""`fit_head`: the linear answer that training starts with, from what the seeded states pool."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import linear

from hopfield.repertoire.tasks import Task, Tasks

PENALTIES = (0.01, 0.1, 1.0, 100.0)  # on the squared weights

Known = tuple[Float[Tensor, "R k"], Float[Tensor, "R T"]]  # what is pooled, and the labels


def fit_head(tasks: Tasks, train: Known, validation: Known) -> tuple[Tensor, Tensor]:
    """Weight `(outputs, k)` and bias `(outputs,)` of a head, fit to what is pooled.

    Each target gets the penalty with which its validation rows are predicted best. The largest
    leaves little but a constant, so that what only chance chose is not believed.

    Args:
        tasks: the targets.
        train: k columns, and the labels of T tasks, NaN where there is none.
        validation: the same of other repertoires; may be none.
    """
    weights, biases = [], []
    for task, labels, others in zip(tasks.tasks, train[1].T, validation[1].T, strict=True):
        fits = [_fit(task, train[0], labels.to(train[0].device), each) for each in PENALTIES]
        outputs = (linear(validation[0], *fit) for fit in fits)
        others = others.to(train[0].device)
        losses = torch.stack([task.losses(one, others).sum() for one in outputs])
        weight, bias = fits[int(losses.argmin())]  # the first where none validates
        weights.append(weight)
        biases.append(bias)
    return torch.cat(weights), torch.cat(biases)


@torch.enable_grad()
def _fit(
    task: Task, columns: Float[Tensor, "R k"], labels: Float[Tensor, " R"], penalty: float
) -> tuple[Tensor, Tensor]:
    weight = columns.new_zeros(task.outputs, columns.shape[1], requires_grad=True)
    bias = columns.new_zeros(task.outputs, requires_grad=True)
    solver = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> float:
        solver.zero_grad()
        loss = task.losses(linear(columns, weight, bias), labels).mean()
        loss = loss + penalty * weight.square().sum()
        loss.backward()
        return float(loss.detach())

    solver.step(closure)
    return weight.detach(), bias.detach()
