"""The demonstration: its figures, its pictures and its page."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from hopfield import _check, plot, theory
from hopfield.demo.digits import (
    HIDDEN,
    SIDE,
    Completion,
    Digits,
    choose_beta,
    complete,
    load_digits,
    nearest_neighbour,
    pixel_error,
)
from hopfield.demo.experiments import SWEEP, OneUpdate, Sweep, sweep_beta, update_once
from hopfield.errors import ArgumentError
from hopfield.phases import FixedPoints, PhaseLabel, fixed_points
from hopfield.report import Figure, Report, Section, Table, cell

FOLLOWED = 200  # digits that are followed through β
SHOWN = 10  # digits in a row of pictures
THROUGH = (0.1, 6.0, 10.0, 16.0, 25.0, 100.0)


@dataclass(frozen=True)
class Demo:
    """What the run found.

    Attributes:
        rows: each figure: its name and value.
        report: the page.
    """

    rows: list[tuple[str, object]]
    report: Path

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self.rows)
        lines = [f"{name:<{width}}  {cell(value)}" for name, value in self.rows]
        return "\n".join([*lines, "", f"report: {self.report}"])


@dataclass(frozen=True)
class Findings:
    """The results of all parts."""

    digits: Digits
    beta: float
    completed: Completion
    neighbour: Completion
    swept: Sweep
    storing: float
    once: OneUpdate
    attractors: FixedPoints


def demo(out: str | Path = "demo", *, seed: int = 0, progress: bool = False) -> Demo:
    """Run the demonstration on handwritten digits, and write its page and pictures.

    Args:
        out: folder to write to; made if it is missing.
        seed: of the split into stored and test digits, and of the noise.
        progress: whether to show a progress bar.

    Returns:
        A `Demo`.

    Raises:
        MissingExtraError: scikit-learn or Matplotlib is not installed.
        ArgumentError: a seed that cannot be one.
    """
    _check.extra("matplotlib", "plot,learn")  # before the work, not after it
    if not 0 <= seed < 2**32:
        raise ArgumentError(f"seed is {seed}; a whole number from 0 to 2³² − 1 is expected")
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    found = _run(seed, progress)
    rows = _rows(found)
    pictures = _pictures(found)
    for name, picture in pictures.items():
        (out / f"{name}.png").write_bytes(picture.light)
    return Demo(rows, _report(found, rows, pictures).save(out / "report.html"))


def _run(seed: int, progress: bool) -> Findings:
    with tqdm(total=len(SWEEP) + 4, disable=not progress, desc="digits", unit="part") as bar:
        digits = load_digits(seed)
        beta = choose_beta(digits, seed)
        bar.update()
        memory = digits.stored, digits.stored_label, digits.mean
        completed = complete(digits.test_pixels, *memory, beta, trajectory=True)
        neighbour = nearest_neighbour(digits)
        bar.update()
        swept = sweep_beta(digits.stored, digits.stored[:FOLLOWED], bar)
        storing = theory.storing_beta(digits.stored, 1e-3, 0.9).beta
        once = update_once(digits.stored, [*SWEEP.tolist(), storing], seed)
        bar.update()
        attractors = fixed_points(digits.stored, beta=beta)
        bar.update()
    return Findings(digits, beta, completed, neighbour, swept, storing, once, attractors)


def _rows(found: Findings) -> list[tuple[str, object]]:
    digits, once = found.digits, found.once
    retrieval = found.completed.retrieval
    assert retrieval is not None
    assert retrieval.trajectory is not None

    def right(label: Tensor) -> float:
        return (label == digits.test_label).double().mean().item()

    def error(image: Tensor) -> float:
        return pixel_error(image, digits.test_pixels)

    rise = retrieval.trajectory.energy.diff(dim=0).max().item()
    used = (once.error[-1] / once.bound[-1]).max().item()
    count = found.attractors.count
    return [
        ("digits stored", len(digits.stored)),
        ("digits half hidden", len(digits.test_pixels)),
        ("β, chosen on stored digits", found.beta),
        ("pixel error: mean image", error(digits.mean.expand_as(digits.test_pixels))),
        ("pixel error: nearest neighbour", error(found.neighbour.image)),
        ("pixel error: retrieval", error(found.completed.image)),
        ("label right: nearest neighbour", right(found.neighbour.label)),
        ("label right: retrieval", right(found.completed.label)),
        ("associations until still, median", retrieval.steps.double().median().item()),
        ("largest rise of energy in an update", rise),
        ("attractors: single patterns", count(PhaseLabel.FIXED_POINT)),
        ("attractors: metastable", count(PhaseLabel.METASTABLE)),
        ("attractors: global", count(PhaseLabel.GLOBAL)),
        ("β that stores 90 % to within 1e-3", found.storing),
        ("at that β, retrieved from noise in ONE update", once.retrieved[-1].item()),
        ("at that β, guaranteed to be stored", once.guaranteed[-1].item()),
        ("at that β, largest error as a share of its bound", used),
        ("states of the sweep that did not converge", found.swept.unconverged),
    ]


def _pictures(found: Findings) -> dict[str, Figure]:
    return {
        **_pictures_of_retrieval(found),
        **_pictures_of_phases(found),
        **_pictures_of_theorems(found),
    }


def _pictures_of_retrieval(found: Findings) -> dict[str, Figure]:
    digits, completed = found.digits, found.completed
    assert completed.retrieval is not None
    assert completed.retrieval.trajectory is not None
    energy = completed.retrieval.trajectory.energy[:13, :60]
    tested = digits.test_pixels[:SHOWN]
    completion = {
        "digit": tested,
        "half hidden": torch.where(HIDDEN, digits.mean, tested),
        "retrieved": completed.image[:SHOWN],
        "nearest": found.neighbour.image[:SHOWN],
    }
    return {
        "completed": Figure.drawn(
            lambda: plot.images(_as_images(completion), "Half of each digit is hidden"),
            "Test digits, which are not stored: the lower half is retrieved from the upper one.",
            "Rows of digits: whole, half hidden, retrieved, and completed by nearest neighbour.",
        ),
        "energy": Figure.drawn(
            lambda: plot.energies(energy, f"Energy along retrieval, β = {found.beta:g}"),
            "No update raises the energy: 60 half-hidden digits on their way.",
            "Falling curves of energy against updates.",
        ),
    }


def _pictures_of_phases(found: Findings) -> dict[str, Figure]:
    digits, swept = found.digits, found.swept
    first = [int((digits.stored_label[:FOLLOWED] == label).nonzero()[0]) for label in range(SHOWN)]
    nearest = [int((SWEEP - beta).abs().argmin()) for beta in THROUGH]
    through = {"stored": digits.pixels[first]} | {
        f"β = {SWEEP[i].item():.2g}": digits.in_pixels(swept.state[i, first]) for i in nearest
    }
    return {
        "phases": Figure.drawn(
            lambda: plot.phase_shares(SWEEP, swept.label, "Three phases"),
            f"{FOLLOWED} stored digits, retrieved to convergence at each β: first all of them go "
            "to one global average, then to families of digits, then each to itself.",
            "Stacked shares of global, metastable and fixed-point states against β.",
        ),
        "through_beta": Figure.drawn(
            lambda: plot.images(_as_images(through), "The same digits through β"),
            "Where retrieval from each digit ends: the average, a family, the digit itself.",
            "Rows of retrieved digits, one row for each β.",
        ),
        "jacobian": Figure.drawn(
            lambda: plot.band(
                SWEEP,
                {"norm": swept.stretch},
                "How much an update stretches",
                "inverse temperature β",
                "norm of the Jacobian at fixed points",
                (1.0, "no contraction above"),
            ),
            "Median and middle half over the states. It is largest where families form, and next "
            "to nothing at single patterns.",
            "Norm of the Jacobian against β, with a peak between the phases.",
        ),
    }


def _pictures_of_theorems(found: Findings) -> dict[str, Figure]:
    once = found.once
    sweep = once.beta[:-1]
    shares = {
        "retrieved within 1e-3": once.retrieved[:-1],
        "guaranteed to be stored": once.guaranteed[:-1],
    }
    return {
        "one_update": Figure.drawn(
            lambda: plot.band(
                sweep,
                shares,
                "Retrieved in ONE update",
                "inverse temperature β",
                "share of stored digits",
            ),
            "From noise of length Δ/(4M): the share that one update brings within 1e-3, and the "
            "share that the storage theorem guarantees to be stored at all.",
            "Two rising curves of shares against β.",
        ),
        "bound": Figure.drawn(
            lambda: plot.error_bounds(
                once.delta, once.error[-1], once.bound[-1], f"One update, β = {found.storing:.3g}"
            ),
            "Every stored digit, from noise of length Δ/(4M): the error of one update falls "
            "exponentially with the separation Δ, under the theorem's bound.",
            "Errors below their bounds, on a logarithmic axis, against separation.",
        ),
    }


def _as_images(rows: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: row.reshape(-1, SIDE, SIDE) for name, row in rows.items()}


def _report(found: Findings, rows: list[tuple[str, object]], pictures: dict[str, Figure]) -> Report:
    def section(title: str, text: str, *names: str) -> Section:
        return Section(title, [text], figures=[pictures[name] for name in names])

    return Report(
        "Modern Hopfield networks on handwritten digits",
        f"{len(found.digits.stored)} digits are stored as they are; nothing is trained. A state "
        "moves by the update ξ → X softmax(β Xᵀξ) until it stands still.",
        [
            section(
                "Retrieval",
                "The upper half of a test digit is the state; its fixed point completes the lower "
                "half, and reads out the label. β was chosen on stored digits. Nearest neighbour, "
                "beside it, is what one would use instead.",
                "completed",
                "energy",
            ),
            section(
                "Phases",
                "The same network has three kinds of minima, and β chooses between them.",
                "phases",
                "through_beta",
                "jacobian",
            ),
            section(
                "Theorems",
                "With separated patterns one update is enough, with exponentially small error.",
                "one_update",
                "bound",
            ),
            Section("Figures", tables=[Table(["figure", "value"], rows, "All that was measured.")]),
        ],
    )
