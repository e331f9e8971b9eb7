"""Losses and predictions of targets."""

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from hopfield.errors import ArgumentError
from hopfield.repertoire.targets import Target
from hopfield.repertoire.tasks import Task, Tasks

NONE = np.nan
TARGETS = {
    "binary": Target("ill", "binary", np.array([0, 1, 0, NONE, 0]), ("no", "yes")),
    "multiclass": Target("type", "multiclass", np.array([0, 2, 1, NONE, 0]), ("a", "b", "c")),
    "regression": Target("age", "regression", np.array([20.0, 60, 40, NONE, 30]), ()),
}
ALL = np.arange(5)


def tensor(target):
    return torch.from_numpy(target.values)


@pytest.mark.parametrize("kind", TARGETS)
def test_a_missing_label_gives_no_loss_and_no_gradient(kind):
    target = TARGETS[kind]
    task = Task.of(target, ALL, balanced=True)
    outputs = torch.randn(5, task.outputs, requires_grad=True)
    losses = task.losses(outputs, tensor(target))
    assert losses.shape == (5,)
    assert losses[3] == 0
    assert (losses[[0, 1, 2, 4]] > 0).all()
    (gradient,) = torch.autograd.grad(losses.sum(), outputs)
    assert (gradient[3] == 0).all()
    assert (gradient[[0, 1, 2, 4]] != 0).any(1).all()
    none = task.losses(outputs, torch.full((5,), torch.nan))
    (gradient,) = torch.autograd.grad(none.sum(), outputs)
    assert (none == 0).all()
    assert (gradient == 0).all()


def test_losses_are_those_of_pytorch():
    known = [0, 1, 2, 4]
    for kind, target in TARGETS.items():
        task = Task.of(target, ALL, balanced=False)
        outputs, values = torch.randn(5, task.outputs), tensor(target)[known]
        wanted = {
            "binary": lambda o, v: binary_cross_entropy_with_logits(
                o[:, 0], v.float(), reduction="none"
            ),
            "multiclass": lambda o, v: cross_entropy(o, v.long(), reduction="none"),
            "regression": lambda o, v: (
                (o[:, 0] - (v.float() - 37.5) / np.std([20, 60, 40, 30])) ** 2
            ),
        }[kind](outputs[known], values)
        torch.testing.assert_close(task.losses(outputs, tensor(target))[known], wanted)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_classes_weigh_alike_where_balanced(kind):
    target = TARGETS[kind]
    task = Task.of(target, ALL, balanced=True)
    known = target.values[target.labelled].astype(int)
    weights = np.array(task.weights)
    per_class = [weights[known[known == c]].sum() for c in range(len(target.classes))]
    np.testing.assert_allclose(per_class, len(known) / len(target.classes))
    plain = Task.of(target, ALL, balanced=False)
    outputs = torch.randn(4, task.outputs)
    values = tensor(target)[torch.tensor([0, 1, 2, 4])]
    torch.testing.assert_close(
        task.losses(outputs, values),
        plain.losses(outputs, values) * torch.from_numpy(weights[known]).float(),
    )


def test_a_class_that_no_training_row_has_keeps_a_finite_weight():
    task = Task.of(TARGETS["multiclass"], np.array([0, 1]), balanced=True)
    assert np.isfinite(task.weights).all()
    assert task.outputs == 3


def test_only_the_rows_to_learn_from_count():
    task = Task.of(TARGETS["regression"], np.array([0, 1]), balanced=True)
    assert (task.mean, task.spread) == (40.0, 20.0)
    weights = Task.of(TARGETS["binary"], np.array([0, 1, 3]), balanced=True).weights
    assert weights == (1.0, 1.0)


@pytest.mark.parametrize("rows", [[0, 2, 3, 4], [3], []])
def test_labels_that_are_all_alike_are_an_error(rows):
    with pytest.raises(ArgumentError, match="'ill' are all alike"):
        Task.of(TARGETS["binary"], np.array(rows, int), balanced=True)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_probabilities_sum_to_one(kind):
    task = Task.of(TARGETS[kind], ALL, balanced=True)
    outputs = torch.randn(50, task.outputs) * 40
    found = task.predictions(outputs)
    assert found.shape == (50, len(task.classes))
    assert found.dtype == np.float64
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-12)
    chosen = found.argmax(1)
    wanted = outputs.argmax(1) if kind == "multiclass" else (outputs[:, 0] > 0).long()
    np.testing.assert_array_equal(chosen, wanted)


def test_a_quantity_comes_in_its_own_units():
    task = Task.of(TARGETS["regression"], ALL, balanced=True)
    found = task.predictions(torch.tensor([[0.0], [1.0], [-2.0]]))
    spread = np.std([20, 60, 40, 30])
    np.testing.assert_allclose(found, [37.5, 37.5 + spread, 37.5 - 2 * spread])


def test_large_quantities_keep_their_differences():
    days = Target("day", "regression", 1e9 + np.arange(5.0), ())
    task = Task.of(days, ALL, balanced=True)
    standard = torch.tensor((np.arange(5) - 2) / np.sqrt(2), dtype=torch.float32)
    losses = task.losses(standard[:, None], tensor(days))
    torch.testing.assert_close(losses, torch.zeros(5), atol=1e-6, rtol=0)


def test_tasks_lie_side_by_side():
    targets = [*TARGETS.values()]
    tasks = Tasks(tuple(Task.of(target, ALL, balanced=True) for target in targets))
    assert tasks.outputs == 1 + 3 + 1
    outputs = torch.randn(5, 5)
    parts = tasks.split(outputs)
    assert [part.shape[1] for part in parts] == [1, 3, 1]
    values = torch.stack([tensor(target) for target in targets], 1)
    alone = [
        task.losses(part, of_task)
        for task, part, of_task in zip(tasks.tasks, parts, values.unbind(1), strict=True)
    ]
    torch.testing.assert_close(tasks.losses(outputs, values), sum(alone))


@pytest.mark.parametrize(
    ("kind", "classes"),
    [("ordinal", ("a", "b")), ("binary", ("a",)), ("multiclass", ("a",)), ("regression", ("a",))],
)
def test_tasks_that_make_no_sense_are_errors(kind, classes):
    with pytest.raises(ArgumentError, match=r"kind|classes"):
        Task("label", kind, classes)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": 1},
        {"classes": ("a", "a")},
        {"classes": ("a", 1)},
        {"weights": (1.0,)},
        {"weights": (1.0, 0.0)},
        {"spread": 0.0},
        {"mean": NONE},
    ],
)
def test_tasks_with_wrong_parts_are_errors(wrong):
    parts = {"name": "ill", "kind": "binary", "classes": ("a", "b"), "weights": (1.0, 1.0)}
    Task(**parts)
    with pytest.raises(ArgumentError, match=r"expected|weights of 2 classes"):
        Task(**parts | wrong)


def test_quantities_too_small_to_be_told_apart_are_alike():
    with pytest.raises(ArgumentError, match="all alike"):
        Task.of(Target("size", "regression", np.array([1e-200, 2e-200]), ()), ALL[:2], True)
