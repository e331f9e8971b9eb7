"""How far the matrices of attention move while a model learns: ‖ΔW‖/‖W‖ between two steps."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from hopfield import _check
from hopfield.errors import ArgumentError, FileError
from hopfield.files.whole import written_whole
from hopfield.heads.growing import read_rows

COLUMNS = ("step", "since", "layer", "module", "weight", "change")
Weights = dict[str, Tensor]


def attention_weights(model: nn.Module, modules: Iterable[str]) -> Weights:
    """Copies of the matrices of modules that attend, and of what they read out through.

    Args:
        model: that holds them.
        modules: their names. The block around a module named `attention.self` is taken, which has
            the matrix after the read-out.

    Returns:
        By "LAYER MODULE WEIGHT", on the CPU; WEIGHT is a name within MODULE, such as "self.query".
    """
    found: Weights = {}
    for layer, name in enumerate(dict.fromkeys(_block(module) for module in modules)):
        for weight, parameter in model.get_submodule(name).named_parameters():
            if parameter.dim() == 2:
                key = f"{layer} {name} {weight.removesuffix('.weight')}"
                found[key] = parameter.detach().to("cpu", copy=True)
    return found


def _block(module: str) -> str:
    """The module that holds all matrices of an attention."""
    parent, _, own = module.rpartition(".")
    inner = own in ("self", "attention") and parent.rpartition(".")[2] == "attention"
    return parent if inner else module


def changes(before: Weights, after: Weights, since: int, step: int) -> list[dict[str, object]]:
    """Rows of the table: ‖W(step) − W(since)‖ / ‖W(since)‖, Frobenius norms, of each matrix.

    Raises:
        ArgumentError: the matrices are others.
    """
    shapes = [{key: one.shape for key, one in own.items()} for own in (before, after)]
    if shapes[0] != shapes[1]:
        raise ArgumentError(
            f"the models of step {since} and step {step} have other matrices of attention; "
            f"checkpoints of one model are expected"
        )
    rows: list[dict[str, object]] = []
    for key, new in after.items():
        layer, module, weight = key.split(" ")
        old = before[key].double()
        change = (new.double() - old).norm() / old.norm()
        named = {"layer": layer, "module": module, "weight": weight}
        rows.append({"step": step, "since": since, **named, "change": f"{change.item():.6g}"})
    return rows


@dataclass(frozen=True)
class WeightChanges:
    """How far W matrices moved up to each of T steps, since the step before in this table.

    Attributes:
        step: `(T,)`, rising.
        layer: `(W,)`, of each matrix, from 0.
        module: of each matrix, the name of the module that has it.
        weight: its name within the module, such as "self.query".
        change: `(T, W)`, ‖ΔW‖/‖W‖.
    """

    step: NDArray[np.int64]
    layer: NDArray[np.int64]
    module: tuple[str, ...]
    weight: tuple[str, ...]
    change: NDArray[np.float64]

    @classmethod
    def read(cls, path: str | Path) -> "WeightChanges":
        """Read the table that `HeadClassCallback` or `watch` wrote; it may have no rows yet.

        Raises:
            FileError: the file is no such table, or lacks some matrix at some step.
        """
        rows = sorted(read_rows(Path(path), COLUMNS), key=lambda row: int(row["step"]))
        steps = sorted({int(row["step"]) for row in rows})
        matrices = [(row["layer"], row["module"], row["weight"]) for row in rows]
        count = len(set(matrices))
        if matrices != matrices[:count] * len(steps):
            raise FileError(f"{path} does not hold the same matrices at each step")
        try:
            change = np.array([float(row["change"]) for row in rows])
            layer = np.array([int(layer) for layer, _, _ in matrices[:count]], np.int64)
        except ValueError as error:
            raise FileError(f"{path} is damaged: {error}") from error
        modules = tuple(module for _, module, _ in matrices[:count])
        weights = tuple(weight for _, _, weight in matrices[:count])
        change = change.reshape(len(steps), count)
        return cls(np.array(steps, np.int64), layer, modules, weights, change)


class Snapshots:
    """Weights of the last two steps at which they were kept, for a run that goes on.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, step: int, weights: Weights) -> None:
        """Keep the weights of a step."""
        files = _check.extra("safetensors.torch", "heads")
        with written_whole(self._path(step)) as part:
            files.save_file(weights, part)
        for file in self._files()[:-2]:
            file.unlink()

    def load(self, step: int) -> Weights | None:
        """The weights of a step; None if they are not kept.

        Raises:
            FileError: they cannot be read.
        """
        files = _check.extra("safetensors.torch", "heads")
        path = self._path(step)
        if not path.exists():
            return None
        try:
            return dict(files.load_file(path))
        except Exception as error:  # the library has errors of its own
            raise FileError(f"{path} cannot be read ({error}); remove it") from error

    def forget_from(self, step: int) -> None:
        """Delete those of that step and of later ones."""
        for file in self._files():
            if _step_of(file) >= step:
                file.unlink()

    def _path(self, step: int) -> Path:
        return self.folder / f"weights-{step}.safetensors"

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("weights-*.safetensors"), key=_step_of)


def _step_of(file: Path) -> int:
    return int(file.stem.removeprefix("weights-"))
