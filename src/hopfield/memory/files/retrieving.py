"""`retrieve_file`: retrieval from states in a file, which may be larger than memory."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from hopfield import _check
from hopfield.errors import ArgumentError, ConvergenceWarning, FileError
from hopfield.memory.files.results import beside, check_results, write_results
from hopfield.memory.files.vectors import Vectors, located, read_states
from hopfield.memory.index.probe import Probe
from hopfield.memory.memory import Memory

STATES_AT_ONCE = 1024
NUMBERS_AT_ONCE = 2**24
SHOWN = 20
MOST_STEPS = 2**31 - 1
NAMES = (
    *("readout", "labels", "label_weights", "state", "steps", "converged", "change"),
    *("bound", "interval"),
    *("ids", "weights", "left_out"),
)


@dataclass(frozen=True)
class Retrieved:
    """What was retrieved.

    Attributes:
        states: how many there were.
        steps: the most associations that one of them took.
        converged: how many converged, which is told here and by no warning; None without `tol`.
        bound: the largest proved bound on a read-out; None where none is proved.
        files: where the results are.
        rows: state by state, where there are few: what is one number of each, and the heaviest
            patterns.
    """

    states: int
    steps: int
    converged: int | None
    bound: float | None
    files: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]

    def __str__(self) -> str:
        told = [f"{self.states} states", f"at most {self.steps} steps"]
        if self.converged is not None:
            told.append(f"{self.converged} converged")
        if self.bound is not None:
            told.append(f"read-outs within {self.bound:.3g} of exact ones")
        lines = [", ".join(told)]
        if self.rows:
            names = [*self.rows[0]]
            cells = [["", *names]]
            for number, row in enumerate(self.rows):
                cells.append([str(number), *(_cell(value) for value in row.values())])
            widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
            for line in cells:
                padded = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
                lines.append("  ".join(padded))
        return "\n".join([*lines, *self.files])


def retrieve_file(
    memory: Memory,
    path: str | PathLike[str],
    *,
    column: str | None = None,
    steps: int = 1,
    tol: float | None = None,
    rtol: float | None = None,
    index: Probe | None = None,
    k: int | None = None,
    out: str | PathLike[str] | None = None,
    progress: bool = False,
) -> Retrieved:
    """Retrieve from the states of a file, batch by batch.

    Args:
        memory: what is retrieved from.
        path: of states `(S, d)`, in a format of `read_vectors`.
        column: of the states; by default "patterns", or the only one that holds vectors.
        steps: as for `Memory.retrieve`.
        tol: as for `Memory.retrieve`.
        rtol: as for `Memory.retrieve`.
        index: as for `Memory.retrieve`.
        k: also the patterns that each state rests on most in the end, so many.
        out: a file for what was found, in a format of `write_results`: "readout" where there are
            values, "labels" and "label_weights" where these are labels; "state"; with `tol`
            "steps", "converged" and "change"; with scan="int8" the proved "bound"; with `index` the
            "interval" of the read-out; with `k` "ids", "weights" and "left_out".
        progress: show it on stderr.

    Raises:
        HopfieldError: as for `read_vectors`, `Memory.retrieve` and `write_results`; a note of the
            error says where.
        OSError: a file cannot be read or written.
    """
    states = read_states(path, column=column)
    if _check.positive_int("steps", steps) > MOST_STEPS:
        raise ArgumentError(f"steps is {steps}; {MOST_STEPS} at most is expected")
    if k is not None:
        _check.positive_int("k", k)
    if out is not None:
        _check_out(Path(out), memory, states)
    few = len(states) <= SHOWN
    kept: list[dict[str, Tensor]] = []

    def results() -> Iterator[dict[str, Tensor]]:
        rows = max(1, min(STATES_AT_ONCE, NUMBERS_AT_ONCE // states.dim))
        with tqdm(
            total=len(states), desc="retrieving", unit=" states", disable=not progress
        ) as bar:
            for batch in states.batches(rows):
                with located(batch, states):
                    memory.form.states(batch.patterns)
                found = _retrieved(memory, batch.patterns, steps, tol, rtol, index)
                heaviest = _heaviest(memory, found["state"], k or 1, index) if k or few else {}
                kept.append({name: one for name, one in found.items() if one.dim() == 1} | heaviest)
                bar.update(len(batch))
                yield found | (heaviest if k else {})

    files: tuple[Path, ...] = ()
    if out is None:
        for _ in results():
            pass
    else:
        files = write_results(out, len(states), results())
    joined = {name: torch.cat([one[name] for one in kept]) for name in kept[0]}
    rows = [
        {name: one[number].tolist() for name, one in joined.items()}
        for number in range(len(states) if few else 0)
    ]
    return Retrieved(
        states=len(states),
        steps=int(joined["steps"].max()) if tol is not None and len(states) else steps,
        converged=int(joined["converged"].sum()) if tol is not None else None,
        bound=joined["bound"].max().item() if "bound" in joined and len(states) else None,
        files=tuple(map(str, files)),
        rows=tuple(rows),
    )


def _check_out(out: Path, memory: Memory, states: Vectors) -> None:
    check_results(out)
    written = {out.resolve(), *(beside(out, name).resolve() for name in NAMES)}
    if states.path.resolve() in written:
        raise FileError(f"{out} is what is read here; write to another file")
    if memory.path is not None and out.resolve().parent == memory.path.resolve():
        raise FileError(f"{out} lies in the folder of the memory; write to another one")


def _retrieved(
    memory: Memory,
    noisy: Tensor,
    steps: int,
    tol: float | None,
    rtol: float | None,
    index: Probe | None,
) -> dict[str, Tensor]:
    with warnings.catch_warnings():  # how many converged is part of the result
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = memory.retrieve(noisy, steps=steps, tol=tol, rtol=rtol, index=index)
    results = {}
    if found.classes is not None:
        results["labels"] = found.labels
        results["label_weights"] = found.readout.amax(-1)
    elif memory.info().values is not None:
        results["readout"] = found.readout
    results["state"] = found.state
    if found.converged is not None and found.change is not None:
        results |= {"steps": found.steps, "converged": found.converged, "change": found.change}
    if found.certificate is not None:
        results["bound"] = found.certificate.bound.float()
    if found.interval is not None:
        results["interval"] = found.interval.error
    return results


def _heaviest(memory: Memory, state: Tensor, k: int, index: Probe | None) -> dict[str, Tensor]:
    found = memory.associate(state, k, index=index)
    return {"ids": found.ids, "weights": found.weights, "left_out": found.left_out}


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(_cell, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
