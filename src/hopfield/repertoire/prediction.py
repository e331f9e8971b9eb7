"""`predict`: what a model says of repertoires in files."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from hopfield.errors import DataWarning
from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.dataset import RepertoireDataset
from hopfield.repertoire.gather import COPIES, counted
from hopfield.repertoire.reading import Reading
from hopfield.repertoire.repertoire import Repertoire

FAR = 2.0  # times, by which a repertoire is deeper or less deep than those learned from
NOTABLE = 0.1  # share of receptors with genes that the model does not know, from which it is noted


def predict(
    model: RepertoireClassifier | str | Path,
    data: RepertoireDataset | str | Path,
    *,
    progress: bool = False,
    **how: Any,
) -> pl.DataFrame:
    """What a model says of repertoires; for research use only.

    Args:
        model: that was fit, or the folder of one.
        data: repertoires, or metadata, a folder, or one file of receptors.
        progress: show bars.
        **how: how files are read; see `RepertoireDataset.from_metadata`. The locus is that of the
            model.

    Returns:
        A row for each repertoire: `repertoire_id`; for each target `predicted: NAME`, a class or a
        quantity, and `NAME: CLASS`, the probability of each class; how many `receptors` it has; and
        `notes` on what was dropped or is unknown. Repertoires that cannot be used come last, with
        the reason in their notes.

    Raises:
        ArgumentError, FileError: there is no model, or no repertoire can be used; see
            `RepertoireDataset.from_metadata`.

    Warns:
        DataWarning: repertoires are left out.
    """
    classifier = loaded(model)
    if not isinstance(data, RepertoireDataset):
        data = read_for(classifier, data, progress=progress, **how)
    tasks = classifier.tasks_
    outputs = torch.from_numpy(classifier.outputs(data, progress=progress))
    columns: dict[str, Any] = {"repertoire_id": data.ids}
    for task, part in zip(tasks.tasks, tasks.split(outputs), strict=True):
        found = task.predictions(part)
        if task.kind == "regression":
            columns[f"predicted: {task.name}"] = found
        else:
            columns[f"predicted: {task.name}"] = np.array(task.classes)[found.argmax(1)]
            columns |= {f"{task.name}: {c}": found[:, i] for i, c in enumerate(task.classes)}
    pairs = zip(data, data.readings, strict=True)
    columns["receptors"] = [len(repertoire) for repertoire in data]
    columns["notes"] = ["; ".join(_notes(classifier, *pair)) or None for pair in pairs]
    text = {"repertoire_id": pl.String, "notes": pl.String}
    known = pl.DataFrame(columns, schema_overrides=text)
    left_out = pl.DataFrame([(one.id, one.message) for one in data.problems], text, orient="row")
    return pl.concat([known, left_out], how="diagonal")


def loaded(model: RepertoireClassifier | str | Path, device: str = "auto") -> RepertoireClassifier:
    """A classifier, or that of a folder on a device."""
    if isinstance(model, RepertoireClassifier):
        return model
    return RepertoireClassifier.load(model, device)


def read_for(
    classifier: RepertoireClassifier, path: str | Path, *, locus: str | None = None, **how: Any
) -> RepertoireDataset:
    """Read repertoires as `RepertoireDataset.from_metadata`, by default at the model's locus.

    Of repertoires with the same content nothing is said, as that matters to learning alone.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", f".*{COPIES}", DataWarning)
        return RepertoireDataset.from_metadata(path, locus=locus or classifier.locus_, **how)


def _notes(
    classifier: RepertoireClassifier, repertoire: Repertoire, reading: Reading | None
) -> Iterator[str]:
    """What is to be known of a repertoire that was told."""
    if reading is not None:
        if reading.dropped:
            yield f"dropped: {counted(reading.dropped)}"
        yield from reading.notes
    fewest, most = classifier.depths_
    if not fewest / FAR <= len(repertoire) <= most * FAR:
        yield f"{len(repertoire)} receptors, where the model learned from {fewest} to {most} each"
    for kind in ("v", "j"):
        known = getattr(classifier.network_.architecture, f"{kind}_genes")
        unknown = torch.tensor([name not in known for name in getattr(repertoire, f"{kind}_genes")])
        share = float(unknown[getattr(repertoire, kind).long()].double().mean())
        if known and share >= NOTABLE:
            yield f"{share:.0%} of the receptors have {kind.upper()} genes unknown to the model"
