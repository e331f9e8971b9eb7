"""`watch`: the heads of a model over its published checkpoints."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from hopfield.errors import ArgumentError, FileError
from hopfield.files.claim import claim
from hopfield.heads import history, weight_change
from hopfield.heads.corpus import Corpus
from hopfield.heads.fitting import sequences_for
from hopfield.heads.growing import GrowingTable
from hopfield.heads.history import History
from hopfield.heads.probe import probe
from hopfield.heads.source import expanded, load
from hopfield.heads.watcher import Mode


def watch(
    name: str | Path,
    revisions: Sequence[str],
    texts: Iterable[str] | Corpus,
    out: str | Path,
    *,
    mode: Mode | None = None,
    batch_size: int = 8,
    max_length: int | None = None,
    dtype: str = "auto",
    device: str = "auto",
    trust_remote_code: bool = False,
    progress: bool = False,
) -> History:
    """What becomes of the heads of a model from checkpoint to checkpoint, on the same texts.

    It writes `heads.csv` and `weights.csv` as `HeadClassCallback` does. What was seen of each
    checkpoint is kept, so that a call that was stopped goes on, and one with more revisions looks
    at those alone.

    Args:
        name: of a model on the hub, or a folder.
        revisions: of the former branches, tags or commits; of the latter folders in it, such as
            "checkpoint-500", or elsewhere. Where each ends in another number, that is its step, and
            they are put in order; else steps count from 0 in the order given.
        texts: documents, or sequences that are ready.
        out: folder; new, or of the same call.
        mode: see `probe`.
        batch_size: sequences that go through the model at once.
        max_length: tokens of a sequence; see `tokenized`.
        dtype: of the weights; see `load`.
        device: likewise.
        trust_remote_code: likewise.
        progress: whether to show it.

    Raises:
        ArgumentError: there is no revision, one is given twice, or `out` holds something else.
        FileError: a checkpoint is missing or cannot be read.
    """
    steps = _steps(revisions)
    places = {step: _place(name, revision) for step, revision in steps.items()}
    folder = Path(out)
    claim(folder, "watch.json", {"model": str(name)}, "watch")
    heads, changes = [], []  # rows; written when all are there, so that nothing is lost before
    before: tuple[int, weight_change.Weights] | None = None
    for step in tqdm(steps, desc="checkpoints", disable=not progress):
        place, revision = places[step]
        source = load(
            place,
            revision=revision,
            dtype=dtype,
            device=device,
            trust_remote_code=trust_remote_code,
        )
        if not isinstance(texts, Corpus):  # of the first checkpoint, whose tokenizer serves all
            texts = sequences_for(source.model, source.processor, texts, max_length)
        found = probe(
            source.model,
            None,
            texts,
            mode=mode,
            batch_size=batch_size,
            out=folder / f"step-{step}",
            progress=progress,
        )
        heads += history.rows_at(step, None, found)
        modules = [tally.module for tally in found.tallies]
        now = weight_change.attention_weights(source.model, modules)
        if before is not None:
            changes += weight_change.changes(before[1], now, before[0], step)
        before = step, now
    for name, columns, rows in (
        ("heads.csv", history.COLUMNS, heads),
        ("weights.csv", weight_change.COLUMNS, changes),
    ):
        table = GrowingTable(folder / name, columns)
        table.go_on_from(0)
        table.add(rows)
    return History.read(folder / "heads.csv")


def _steps(revisions: Sequence[str]) -> dict[int, str]:
    """Revisions by their steps, in order."""
    if not revisions or not all(revisions) or len(set(revisions)) < len(revisions):
        raise ArgumentError(
            f"revisions are {', '.join(map(repr, revisions)) or 'none'}; one or more names, each "
            f"once, are expected"
        )
    numbers = [re.search(r"\d+$", revision) for revision in revisions]
    steps = [int(number[0]) for number in numbers if number]
    if len(set(steps)) < len(revisions):
        return dict(enumerate(revisions))
    return dict(sorted(zip(steps, revisions, strict=True)))


def _place(name: str | Path, revision: str) -> tuple[str | Path, str | None]:
    """Where a checkpoint is: folder or name, and revision."""
    folder = expanded(name)
    if not folder.is_dir():
        return name, revision
    for place in (folder / revision, expanded(revision)):
        if place.is_dir():
            return place, None
    there = sorted(file.name for file in folder.iterdir() if (file / "config.json").is_file())
    raise FileError(
        f"{folder} has no folder {revision}; {', '.join(there) or 'none'} with a model are there"
    )
