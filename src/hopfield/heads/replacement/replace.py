"""`replace`: which heads of a model can go, by what, and the smaller model."""

import copy
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.files.claim import claim
from hopfield.files.ledger import Ledger
from hopfield.files.whole import written_whole
from hopfield.heads.corpus import LONGEST, Corpus
from hopfield.heads.fitting import places, sequences_for
from hopfield.heads.identity import identity
from hopfield.heads.observer import Call, HeadsObserver
from hopfield.heads.replacement.candidates import KINDS, candidates_of
from hopfield.heads.replacement.choice import Choice, choose
from hopfield.heads.replacement.correlation import correlate
from hopfield.heads.replacement.damage import Damage
from hopfield.heads.replacement.distil import distil
from hopfield.heads.replacement.gaussian import GaussianAttention
from hopfield.heads.replacement.install import Plan, replace_heads, replaced
from hopfield.heads.replacement.measure import measure_of
from hopfield.heads.replacement.page import page
from hopfield.heads.replacement.parts import parted
from hopfield.heads.replacement.prune import prune
from hopfield.heads.replacement.saving import save_replaced
from hopfield.heads.replacement.scores import HeadScore, estimate, score_heads
from hopfield.heads.replacement.smaller import Smaller
from hopfield.heads.replacement.speed import compare_speed
from hopfield.heads.replacement.statistics import gather
from hopfield.heads.source import Source

SETTINGS, MEASURED, FOUND, PAGE = (
    "replacement.settings.json",
    "replacement.measured.jsonl",
    "replacement.json",
    "report.html",
)


def replace(
    source: Source,
    texts: Iterable[str] | Corpus,
    folder: str | Path,
    *,
    budget: float,
    measure: str = "auto",
    kinds: Sequence[str] = tuple(KINDS),
    epochs: int = 0,
    batch_size: int = 8,
    max_length: int | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Smaller:
    """Replace as many heads of a model as a budget of harm allows, and save the smaller model.

    The texts are parted by documents: replacements are fitted on half of them, each head is scored
    and heads are chosen on a quarter (see `score_heads` and `choose`), and the choice is measured
    on the rest. What was measured is kept in the folder, so that the same call goes on where it was
    stopped; one with another budget starts from the scores that are there.

    Args:
        source: the model, as `load` gives it; it comes back as it is.
        texts: documents, or sequences as `read` gives them.
        folder: for the model, its tokenizer, replacement.json and report.html; new, empty, or of
            an earlier call.
        budget: the largest mean damage of all replacements together, in units of the measure.
        measure: see `measure_of`.
        kinds: of replacements to try: "gaussian", "uniform", "mean", "zero".
        epochs: of fine-tuning the chosen replacements on the text that they were fitted on, where
            they have parameters.
        batch_size: sequences that go through the model at once.
        max_length: tokens of a sequence.
        seed: of the parts.
        progress: whether to show it.

    Raises:
        ArgumentError: an argument is bad, there is too little text, the folder holds something
            else, the model's attention cannot be replaced, or no head fits the budget.
        MissingExtraError: matplotlib or safetensors is not installed.
    """
    for library in ("matplotlib", "safetensors"):
        _check.extra(library, "heads")  # before the work, not after it
    budget, seed = _check.positive("budget", budget), _check.seed("seed", seed)
    batch_size = _check.positive_int("batch_size", batch_size)
    kinds = list(dict.fromkeys(kinds))
    _check_tried(kinds, epochs)
    model, folder = source.model, Path(folder)
    corpus = sequences_for(model, source.processor, texts, max_length)
    parts = parted(corpus, seed)
    calibrating, validating, testing = (part.sequences for part in parts)
    how = measure_of(model, source.processor, measure)
    settings = identity(model, corpus) | {
        "measure": how.name,
        "kinds": kinds,
        "batch_size": batch_size,
        "seed": seed,
    }
    claim(folder, SETTINGS, settings, "choice of heads to replace")
    asked = _Asked(model)
    calibration, validation, test = (
        [asked.inputs(batch) for batch in part.batches(batch_size)] for part in parts
    )
    statistics = gather(model, calibration, progress)
    candidates = candidates_of(statistics, kinds, _positions(model, corpus, max_length))
    ledger = Ledger(folder / MEASURED)
    scores = score_heads(model, candidates, validation, how, ledger=ledger, progress=progress)
    choice = choose(
        model, candidates, scores, validation, how, budget, ledger=ledger, progress=progress
    )
    _check_some(choice, scores)
    losses: list[float] = []
    validated = choice.damage
    learns = any(list(one.parameters()) for own in choice.plan.values() for one in own.values())
    if epochs and learns:
        with replaced(model, choice.plan):
            losses = distil(model, calibration, epochs=epochs, progress=progress)
        validated = estimate(np.array([Damage(model, validation, how)(choice.plan)]))[0]
    tested = estimate(np.array([Damage(model, test, how)(choice.plan)]))[0]
    smaller = copy.deepcopy(model)
    replace_heads(smaller, choice.plan)
    left = prune(smaller, {name: one.layer for name, one in statistics.items()}, test[0])
    k90 = {
        (name, head): float(share)
        for name, one in statistics.items()
        for head, share in enumerate(one.median_k90())
    }
    result = Smaller(
        name=source.name,
        folder=folder,
        model=smaller,
        measure=how.name,
        scores=tuple(scores),
        k90=k90,
        correlations=tuple(correlate(scores, k90)),
        choice=choice,
        losses=tuple(losses),
        validation=validated,
        test=tested,
        sequences=(len(calibrating), len(validating), len(testing)),
        parameters=(_parameters(model), _parameters(smaller)),
        left=left,
        speed=compare_speed(smaller, model, test[0]),
    )
    _write(result, source.processor)
    return result


def _check_tried(kinds: Sequence[str], epochs: int) -> None:
    """Kinds are known, and epochs are what they may be."""
    for kind in kinds:
        _check.choice("a kind", kind, KINDS)
    if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 0:
        raise ArgumentError(f"epochs is {epochs!r}; a whole number from 0 is expected")
    if epochs and torch.is_inference_mode_enabled():
        raise ArgumentError("fine-tuning needs gradients; call it outside torch.inference_mode()")


def _check_some(choice: Choice, scores: Sequence[HeadScore]) -> None:
    """There are heads to replace."""
    if not choice.heads:
        least = min(scores, key=lambda one: one.damage.mean)
        raise ArgumentError(
            f"no head fits the budget of {choice.budget:g}: the least damage of one alone is "
            f"{least.damage.mean:.3g}, of head {least.head} of {least.layer} by {least.kind!r}"
        )


def _write(result: Smaller, processor: Any) -> None:
    """The model, what is known of it, and its page."""
    save_replaced(result.model, result.folder, _shortened(processor, result.choice.plan))
    with written_whole(result.folder / FOUND) as part:
        part.write_text(json.dumps(result.as_json(), indent=1, ensure_ascii=False) + "\n", "utf-8")
    page(result).save(result.folder / PAGE)


class _Asked(HeadsObserver):
    """Knows what a model is called with."""

    def see(self, call: Call) -> Tensor | None:
        return None


def _positions(model: nn.Module, corpus: Corpus, max_length: int | None) -> int | None:
    """The longest sequence that replacements are for; None: those of images are alike."""
    if corpus.longest is None:
        return None
    known = places(model)
    usual = LONGEST if known is None else min(LONGEST, known)
    return max(corpus.longest, usual if max_length is None else max_length)


def _shortened(processor: Any, plan: Plan) -> Any:
    """A tokenizer that truncates to what the replacements take."""
    lengths = [
        one.positions
        for heads in plan.values()
        for one in heads.values()
        if isinstance(one, GaussianAttention)
    ]
    if not lengths or not hasattr(processor, "model_max_length"):
        return processor
    processor = copy.deepcopy(processor)
    processor.model_max_length = min(processor.model_max_length, *lengths)
    return processor


def _parameters(model: nn.Module) -> int:
    return sum(one.numel() for one in model.parameters())
