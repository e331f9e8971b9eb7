"""A claim, what was found of it, and what is handed to the function that checks it."""

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from scipy import stats

from hopfield.errors import FileError
from hopfield.files.ledger import Ledger
from hopfield.report import Figure


class Verdict(StrEnum):
    """What a check came to."""

    REPRODUCES = "reproduces"
    PARTLY = "partly"
    DOES_NOT = "does not"
    NOT_TESTABLE = "not testable here"


@dataclass(frozen=True)
class Measured:
    """A number with its interval.

    Attributes:
        name: what it is, with its unit.
        value: it.
        low: lower end of its 95 % interval, or of the range that the name speaks of; None where
            there is none, or no end.
        high: upper end.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        for end in ("low", "high"):
            value = getattr(self, end)
            if value is not None and not math.isfinite(value):
                object.__setattr__(self, end, None)


@dataclass(frozen=True)
class Rows:
    """A table of a finding.

    Attributes:
        caption: what it shows.
        columns: a name for each.
        rows: of numbers and text.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[float | str]]


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        verdict: by the criterion of the claim.
        reason: why, in words.
        numbers: what was measured; the first ones are those of the criterion.
        data: what pictures are drawn of, as JSON has it.
        tables: more of what was found.
    """

    verdict: Verdict
    reason: str
    numbers: Sequence[Measured] = ()
    data: dict[str, Any] = field(default_factory=dict)
    tables: Sequence[Rows] = ()


@dataclass(frozen=True)
class Setting:
    """How claims are checked.

    Attributes:
        quick: whether in a small form that takes seconds.
        seed: of all that is random.
        model: a transformers model, as a folder or a name of the hub; None: claims on heads are not
            testable.
        text: a file or folder of text for it.
        progress: whether to show progress.
        ledger: keeps the parts of checks and how long they took.
        name: of the claim that is being checked.
        asked: the parts that it asked for.
    """

    quick: bool
    seed: int
    model: str | None
    text: Path | None
    progress: bool
    ledger: Ledger
    name: str
    asked: set[str] = field(default_factory=set)

    def part(self, name: str, find: Callable[..., Any], *arguments: Any) -> Any:
        """A part of a check, as JSON has it: found now, or kept from a run that was stopped."""
        return self.shared(f"{self.name}: {name}", find, *arguments)

    def shared(self, name: str, find: Callable[..., Any], *arguments: Any) -> Any:
        """The same, for all claims that ask for it by this name."""
        self.asked.add(name)
        if name not in self.ledger:
            begun = time.perf_counter()
            found = find(*arguments)
            self.ledger[name] = {"found": found, "seconds": time.perf_counter() - begun}
        kept = self.ledger[name]
        if not isinstance(kept, dict) or kept.keys() != {"found", "seconds"}:
            raise FileError(
                f"{self.ledger.path} is damaged at {name!r}; remove it, and what it held is "
                f"checked again"
            )
        return copy.deepcopy(kept["found"])  # what is kept stays as it is

    def seconds(self) -> float:
        """How long the parts that this claim asked for took, in whichever run."""
        return sum(self.ledger[name]["seconds"] for name in self.asked)


@dataclass(frozen=True)
class Claim:
    """A statement of the paper, and how it is checked.

    Attributes:
        name: by which it is called.
        source: where the paper says it.
        says: what it says, in our words.
        criterion: when it counts as reproduced, fixed before any run.
        check: finds out.
        draw: the pictures of a finding, by name.
    """

    name: str
    source: str
    says: str
    criterion: str
    check: Callable[[Setting], Finding]
    draw: Callable[[Finding], Mapping[str, Figure]] = lambda finding: {}


def share(name: str, successes: int, trials: int) -> Measured:
    """A share with the exact interval of Clopper and Pearson."""
    bounds = stats.binomtest(successes, trials).proportion_ci(method="exact")
    return Measured(name, successes / trials, float(bounds.low), float(bounds.high))


def median(name: str, values: Sequence[float]) -> Measured:
    """A median with the interval that order statistics give, whatever the distribution."""
    ranked, count = sorted(values), len(values)
    low, high = (int(stats.binom.ppf(tail, count, 0.5)) for tail in (0.025, 0.975))
    middle = (ranked[(count - 1) // 2] + ranked[count // 2]) / 2
    return Measured(name, middle, ranked[max(low - 1, 0)], ranked[min(high, count - 1)])
