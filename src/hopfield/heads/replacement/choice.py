"""Which heads can go: as many as a budget of harm allows, measured together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn
from tqdm import tqdm

from hopfield import _check
from hopfield.files.ledger import Ledger
from hopfield.heads.replacement.candidates import Candidates
from hopfield.heads.replacement.damage import Damage
from hopfield.heads.replacement.measure import Measure
from hopfield.heads.replacement.replacement import Replacement
from hopfield.heads.replacement.scores import Estimate, HeadScore, estimate

PATIENCE = 5  # heads in a row that are too much, before the rest is not tried


@dataclass(frozen=True)
class Step:
    """One trial of the choice.

    Attributes:
        added: the heads that were tried besides those chosen: layer, head and kind of each.
        heads: how many were replaced together, these included.
        damage: of all of them together.
        kept: whether they were chosen.
    """

    added: tuple[tuple[str, int, str], ...]
    heads: int
    damage: Estimate
    kept: bool


@dataclass(frozen=True)
class Choice:
    """The heads to replace.

    Attributes:
        plan: replacements by layer and head.
        damage: of all of them together, on the text on which they were chosen.
        steps: the trials, in order.
        budget: the damage that was allowed.
    """

    plan: dict[str, dict[int, Replacement]]
    damage: Estimate
    steps: tuple[Step, ...]
    budget: float

    @property
    def heads(self) -> int:
        """How many heads are replaced."""
        return sum(map(len, self.plan.values()))


def choose(
    model: nn.Module,
    candidates: Candidates,
    scores: Sequence[HeadScore],
    batches: Sequence[Mapping[str, Tensor]],
    measure: Measure,
    budget: float,
    *,
    ledger: Ledger | None = None,
    progress: bool = False,
) -> Choice:
    """Replace heads in the order of their scores, each by its best kind, while the budget lasts.

    Harm does not add up, so that what was chosen so far is measured together with what comes next.
    One head is tried first, and twice as many after each success; after a failure half of those,
    down to one, which is then left out for good; five of these in a row end it. A head that alone
    exceeds the budget is not tried.

    Args:
        model: of transformers; it comes back as it is.
        candidates: replacements by layer, head and kind.
        scores: of the candidates.
        batches: held-out text.
        measure: of harm.
        budget: the largest mean damage of all replacements together.
        ledger: keeps what was measured, set by set.
        progress: whether to show it.

    Raises:
        ArgumentError: the budget is no number above 0.
    """
    budget = _check.positive("budget", budget)
    ledger = Ledger() if ledger is None else ledger
    best: dict[tuple[str, int], HeadScore] = {}
    for score in sorted(scores, key=lambda score: score.damage.mean):
        best.setdefault((score.layer, score.head), score)
    waiting = [one for one in best.values() if one.damage.mean <= budget]
    chosen: list[HeadScore] = []
    reached, steps, size, failed = Estimate(0.0, 0.0, 0.0), [], 1, 0
    damage_of = Damage(model, batches, measure)
    with tqdm(total=len(waiting), desc="choosing heads", disable=not progress) as shown:
        while waiting and failed < PATIENCE:
            some = waiting[:size]
            damage = _together(chosen + some, candidates, damage_of, ledger)
            kept = damage.mean <= budget
            added = tuple((one.layer, one.head, one.kind) for one in some)
            steps.append(Step(added, len(chosen) + len(some), damage, kept))
            if kept:
                chosen, reached = chosen + some, damage
            failed = 0 if kept else failed + (len(some) == 1)
            if kept or len(some) == 1:
                waiting = waiting[len(some) :]
                shown.update(len(some))
            size = 2 * len(some) if kept else max(1, len(some) // 2)
            shown.set_postfix(heads=len(chosen), damage=f"{reached.mean:.4g}")
    return Choice(_plan(candidates, chosen), reached, tuple(steps), budget)


def _together(
    scores: Sequence[HeadScore], candidates: Candidates, damage_of: Damage, ledger: Ledger
) -> Estimate:
    """The damage of some heads together, unless it is known already."""
    heads = sorted(f"{one.layer} {one.head} {one.kind}" for one in scores)
    name = f"damage of {heads}"
    if name not in ledger:
        ledger[name] = damage_of(_plan(candidates, scores))
    return estimate(np.array([ledger[name]]))[0]


def _plan(candidates: Candidates, scores: Sequence[HeadScore]) -> dict[str, dict[int, Replacement]]:
    """The replacements of some scores."""
    plan: dict[str, dict[int, Replacement]] = {}
    for one in scores:
        plan.setdefault(one.layer, {})[one.head] = candidates[one.layer][one.head][one.kind]
    return plan
