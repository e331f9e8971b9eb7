"""How replaceable each head is: the harm that its replacement alone does on held-out text."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from hopfield.errors import ArgumentError, FileError
from hopfield.files.ledger import Ledger
from hopfield.heads.few import interval
from hopfield.heads.replacement.candidates import Candidates
from hopfield.heads.replacement.install import replaced
from hopfield.heads.replacement.measure import Measure
from hopfield.heads.replacement.reuse import Blocks
from hopfield.huggingface.recording import in_eval_mode

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean over texts with the interval of 95 % that a bootstrap over them gives."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class HeadScore:
    """What replacing one head does, the others left as they are.

    Attributes:
        layer: the name of its layer.
        head: its number.
        kind: of the replacement.
        damage: in units of the measure.
    """

    layer: str
    head: int
    kind: str
    damage: Estimate


def estimate(damage: Array) -> list[Estimate]:
    """Means over texts with their intervals, of `(C, n)` damages of n texts; n 1 or more."""
    low, high = interval(damage.T, np.ones_like(damage.T))
    return [Estimate(*map(float, one)) for one in zip(damage.mean(-1), low, high, strict=True)]


@torch.no_grad()
def score_heads(
    model: nn.Module,
    candidates: Candidates,
    batches: Sequence[Mapping[str, Tensor]],
    measure: Measure,
    *,
    ledger: Ledger | None = None,
    progress: bool = False,
) -> list[HeadScore]:
    """Replace each head alone, by each kind, and measure the harm.

    What lies below a head is computed once per batch, for all heads and kinds.

    Args:
        model: of transformers; it comes back as it is.
        candidates: what to try; layers in the order in which they run.
        batches: held-out text.
        measure: of harm.
        ledger: keeps what was measured, batch by batch.
        progress: whether to show it.

    Returns:
        A score for each candidate, in their order.

    Raises:
        ArgumentError: the model gives NaN.
        FileError: what the ledger kept is damaged.
    """
    ledger = Ledger() if ledger is None else ledger
    tried = [
        (layer, head, kind, replacement)
        for layer, heads in candidates.items()
        for head, kinds in heads.items()
        for kind, replacement in kinds.items()
    ]
    blocks = Blocks(model, candidates)
    shown = tqdm(total=len(batches) * len(tried), desc="scoring heads", disable=not progress)
    with shown, in_eval_mode(model):
        for number, inputs in enumerate(batches):
            name = f"scores of batch {number}"
            if name in ledger:
                shown.update(len(tried))
                continue
            with replaced(model, {}), blocks.noted():
                before = measure.answers(model, inputs)
            if not bool(before.isfinite().all()):
                raise ArgumentError(
                    "the model gives NaN or infinite numbers: its weights are damaged, or overflow "
                    "in their dtype; other weights, or dtype 'float32', are expected"
                )
            with replaced(model, {}), blocks.below(None):
                reused = torch.equal(measure.answers(model, inputs), before)
            found = []
            for layer, head, _, replacement in tried:
                below = blocks.below(layer) if reused else nullcontext()
                with replaced(model, {layer: {head: replacement}}), below:
                    now = measure.answers(model, inputs)
                found.append(measure.damage(now, before).tolist())
                shown.update()
            ledger[name] = found
    try:
        parts = [np.array(ledger[f"scores of batch {n}"], float) for n in range(len(batches))]
        damage = np.concatenate(parts, -1)
        if damage.shape[:-1] != (len(tried),):
            raise ValueError(f"numbers for {damage.shape[:-1]} heads and kinds")
    except (TypeError, ValueError) as error:
        raise FileError(
            f"{ledger.path} is damaged: it does not hold a number for each head and text; remove "
            f"it, and what it held is measured again"
        ) from error
    return [
        HeadScore(layer, head, kind, one)
        for (layer, head, kind, _), one in zip(tried, estimate(damage), strict=True)
    ]
