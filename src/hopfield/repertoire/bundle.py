"""A trained model on disk: tensors in safetensors, all else in JSON; nothing that can run."""

import hashlib
import json
import os
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

from hopfield._text import one_line
from hopfield.errors import FileError
from hopfield.repertoire import kmers
from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.device import best_device
from hopfield.repertoire.model import Architecture, RepertoireNetwork
from hopfield.repertoire.repertoire import ALPHABET, LOCI
from hopfield.repertoire.screen import Screen
from hopfield.repertoire.seeding import Seeds
from hopfield.repertoire.tasks import Task, Tasks
from hopfield.repertoire.training import History

FORMAT = 1  # raised when older readers cannot read it any more
DAMAGE = (
    *(ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, SafetensorError),
    *(TypeError, ValueError),
)
TENSORS, REST = "model.safetensors", "model.json"


def save(classifier: RepertoireClassifier, folder: Path) -> Path:
    """Write `model.safetensors` and `model.json`, each whole or not at all; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    state = classifier.network_.state_dict()
    tensors = safetensors.torch.save({k: v.cpu().contiguous() for k, v in state.items()})
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
        "tensors": hashlib.sha256(tensors).hexdigest(),
        "settings": classifier.get_params() | {"device": "auto"},
        "data": classifier.digest_,
        "depths": classifier.depths_,
        "screens": [
            {
                "k-mers": [kmers.name(feature) for feature in one.features],
                "t": one.t.tolist(),
                "rates": one.rates.tolist(),
                "rows": one.rows,
            }
            for one in classifier.screens_
        ],
        "clones": classifier.clones_,
        "seeds": asdict(classifier.seeds_),
        "classes": classifier.classes_.tolist(),
        "history": {
            "training": _numbers(history.training),
            "validation": _numbers(history.validation),
            "best": history.best,
        },
    }
    text = json.dumps(described, indent=1, ensure_ascii=False) + "\n"
    for name, content in ((TENSORS, tensors), (REST, text.encode())):
        beside = folder / f"{name}.{os.getpid()}.part"  # several processes may write the same
        beside.write_bytes(content)
        beside.replace(folder / name)
    return folder


def load(folder: Path, device: str = "auto") -> RepertoireClassifier:
    """The classifier that `save` wrote, on a device; "auto" is a GPU where there is one.

    Raises:
        FileError: there is none, or it is damaged, or of a later version.
    """
    described = _described(folder)
    try:
        tensors = (folder / TENSORS).read_bytes()
        if hashlib.sha256(tensors).hexdigest() != described["tensors"]:
            raise ValueError(f"{TENSORS} is not the one that {REST} was written with")
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
        architecture = Architecture(**_tuples(described["architecture"]))
        parameters = safetensors.torch.load(tensors)
        if strange := [name for name, one in parameters.items() if not _sound(one)]:
            raise ValueError(f"{strange[0]} is no tensor of finite float32 numbers")
        for name, shape in architecture.sizes.items():  # before memory is taken for them
            if parameters[name].shape != shape:
                raise ValueError(f"{name} has shape {tuple(parameters[name].shape)}, not {shape}")
        network = RepertoireNetwork(architecture)
        network.load_state_dict(parameters)
        classifier.training()
        classifier.tasks_ = Tasks(tuple(Task(**_tuples(task)) for task in described["tasks"]))
        if classifier.tasks_.outputs != network.architecture.outputs:
            raise ValueError("the tasks are not those of the architecture")
        classifier.locus_ = {locus: locus for locus in LOCI}[described["locus"]]
        classifier.digest_ = described["data"]
        fewest, most = map(int, described["depths"])
        classifier.depths_ = fewest, most
        classifier.screens_ = tuple(screens)
        classifier.clones_ = tuple(
            tuple((junction, v, j) for junction, v, j in found) for found in described["clones"]
        )
        classifier.classes_ = np.array(described["classes"])
        if classifier.classes_.shape != (len(classifier.tasks_.tasks[0].classes),):
            raise ValueError("the classes are not those of the first task")
        began = described["seeds"]
        classifier.seeds_ = Seeds(
            tuple((str(text), float(rate)) for text, rate in began["kmers"]),
            tuple(str(junction) for junction in began["clones"]),
        )
        classifier.history_ = History(
            training=_floats(described["history"]["training"]),
            validation=_floats(described["history"]["validation"]),
            best=int(described["history"]["best"]),
        )
    except DAMAGE as error:
        raise FileError(
            f"{folder} holds a model that cannot be read ({type(error).__name__}: "
            f"{one_line(error)}); it is damaged, or was changed by hand"
        ) from error
    classifier.network_ = network.to(best_device(device)).eval()
    return classifier


def _described(folder: Path) -> dict[str, Any]:
    """What `model.json` says, if it is a model that this version can read."""
    try:
        described: Any = json.loads((folder / REST).read_text("utf-8"))
        json.dumps(described, ensure_ascii=False).encode()  # half a character can be read alone
    except (OSError, ValueError, RecursionError) as error:
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


def _sound(tensor: torch.Tensor) -> bool:
    """Whether a network can have such parameters."""
    return tensor.dtype == torch.float32 and bool(tensor.isfinite().all())


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}


def _numbers(values: tuple[float, ...]) -> list[float | None]:
    """JSON has no NaN."""
    return [value if np.isfinite(value) else None for value in values]


def _floats(values: list[float | None]) -> tuple[float, ...]:
    """The inverse of `_numbers`."""
    return tuple(float("nan") if value is None else float(value) for value in values)
