"""A trained model on disk: tensors in safetensors, all else in JSON; nothing that can run."""

import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hopfield.errors import FileError
from hopfield.repertoire import kmers
from hopfield.repertoire.classifier import RepertoireClassifier, best_device
from hopfield.repertoire.model import Architecture, RepertoireNetwork
from hopfield.repertoire.repertoire import ALPHABET, LOCI
from hopfield.repertoire.screen import Screen
from hopfield.repertoire.tasks import Task, Tasks
from hopfield.repertoire.training import History

FORMAT = 1  # raised when older readers cannot read it any more
TENSORS, REST = "model.safetensors", "model.json"


def save(classifier: RepertoireClassifier, folder: Path) -> Path:
    """Write `model.safetensors` and `model.json`, each whole or not at all; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {k: v.cpu().contiguous() for k, v in classifier.network_.state_dict().items()}
    history = classifier.history_
    described = {
        "format": FORMAT,
        "what": "hopfield repertoire classifier; for research use only",
        "versions": {name: version(name) for name in ("hopfield", "torch")},
        "alphabet": ALPHABET,
        "junctions": "amino acids with their anchors (IMGT junction)",
        "locus": classifier.locus_,
        "architecture": asdict(classifier.network_.architecture),
        "tasks": [asdict(task) for task in classifier.tasks_.tasks],
        "settings": classifier.get_params(),
        "data": classifier.digest_,
        "screens": [
            {
                "k-mers": [kmers.name(feature) for feature in one.features],
                "t": one.t.tolist(),
                "rates": one.rates.tolist(),
                "rows": one.rows,
            }
            for one in classifier.screens_
        ],
        "history": {
            "training": _numbers(history.training),
            "validation": _numbers(history.validation),
            "best": history.best,
        },
    }
    for name in (TENSORS, REST):
        beside = folder / f"{name}.part"
        if name == TENSORS:
            save_file(tensors, beside)
        else:
            beside.write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n", "utf-8")
        beside.replace(folder / name)
    return folder


def load(folder: Path) -> RepertoireClassifier:
    """The classifier that `save` wrote, on the device that its settings name.

    Raises:
        FileError: there is none, or it is damaged, or of a later version.
    """
    described = _described(folder)
    try:
        screens = [
            Screen(
                np.array([kmers.feature(name) for name in one["k-mers"]], np.int64),
                np.array(one["t"], np.float64),
                np.array(one["rates"], np.float64),
                int(one["rows"]),
            )
            for one in described["screens"]
        ]
        classifier = RepertoireClassifier(**described["settings"])
        network = RepertoireNetwork(Architecture(**_tuples(described["architecture"])))
        network.load_state_dict(load_file(folder / TENSORS))
        classifier.tasks_ = Tasks(tuple(Task(**_tuples(task)) for task in described["tasks"]))
        classifier.locus_ = {locus: locus for locus in LOCI}[described["locus"]]
        classifier.digest_ = described["data"]
        classifier.screens_ = tuple(screens)
        classifier.history_ = History(
            training=_floats(described["history"]["training"]),
            validation=_floats(described["history"]["validation"]),
            best=described["history"]["best"],
        )
    except (KeyError, TypeError, ValueError, RuntimeError, OSError, SafetensorError) as error:
        raise FileError(
            f"{folder} holds a model that cannot be read ({type(error).__name__}: {error}); it is "
            f"damaged, or was changed by hand"
        ) from error
    classifier.network_ = network.to(best_device(classifier.device)).eval()
    return classifier


def _described(folder: Path) -> dict[str, Any]:
    """What `model.json` says, if it is a model that this version can read."""
    try:
        described: Any = json.loads((folder / REST).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FileError(
            f"{folder} holds no model: {REST} cannot be read ({error}); give the folder that "
            f"`hopfield repertoire train` wrote, for example run/model"
        ) from error
    written = described.get("format") if isinstance(described, dict) else None
    if written != FORMAT or described.get("alphabet") != ALPHABET:
        raise FileError(
            f"{folder} holds a model of format {written!r}; this version of hopfield reads format "
            f"{FORMAT}"
        )
    return described


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}


def _numbers(values: tuple[float, ...]) -> list[float | None]:
    """JSON has no NaN."""
    return [value if np.isfinite(value) else None for value in values]


def _floats(values: list[float | None]) -> tuple[float, ...]:
    """The inverse of `_numbers`."""
    return tuple(float("nan") if value is None else value for value in values)
