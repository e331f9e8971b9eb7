"""A transformers model and what makes its inputs, from a folder or from the hub."""

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hopfield import _check
from hopfield._text import one_line
from hopfield.errors import ArgumentError, DataWarning, FileError

PROCESSORS = {  # by what a model takes; else a tokenizer
    "pixel_values": "AutoImageProcessor",
    "input_values": "AutoFeatureExtractor",
    "input_features": "AutoFeatureExtractor",
}
NAMES = {
    "AutoTokenizer": "tokenizer",
    "AutoImageProcessor": "image processor",
    "AutoFeatureExtractor": "feature extractor",
}
DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
INNER = re.compile(r"\.\d+\.|embed")  # weights of layers and embeddings


@dataclass(frozen=True)
class Source:
    """A model, ready to be looked at.

    Attributes:
        name: of a folder or of a model of the hub.
        model: in evaluation mode.
        processor: its tokenizer, or image processor, or feature extractor.
    """

    name: str
    model: nn.Module
    processor: Any


def load(
    name: str | Path,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str = "auto",
    trust_remote_code: bool = False,
) -> Source:
    """Load a model with the head that it was trained with, if its config names it.

    Weights are read from safetensors where there are any.

    Args:
        name: a folder, or the name of a model on the hub.
        revision: a branch, tag or commit of a model on the hub.
        dtype: of the weights, such as "float32"; "auto": as they are kept.
        device: "cpu", "cuda" …; "auto": a GPU where there is one.
        trust_remote_code: run code that comes with the model.

    Raises:
        FileError: there is no such model, it cannot be read, weights of its layers are missing, or
            there is no tokenizer, image processor or feature extractor.
        ArgumentError: the dtype or the device does not exist.
        MissingExtraError: transformers is not installed.

    Warns:
        DataWarning: weights after the last layer are missing.
    """
    transformers = _check.extra("transformers", "heads")
    folder = expanded(name)
    if folder.is_dir():
        if revision is not None:
            raise ArgumentError(
                f"revision is {revision!r}, but {folder} is a folder, which has none; with it a "
                f"name on the hub is expected"
            )
        if not (folder / "config.json").is_file():
            raise FileError(f"{folder} holds no config.json; a folder of a saved model is expected")
        name = folder
    elif str(name).startswith((".", "/", "~")) or folder.is_file():
        raise FileError(f"{name} is no folder; a folder of a saved model, or a name, is expected")
    if dtype != "auto" and getattr(torch, dtype, None) not in DTYPES:
        raise ArgumentError(f"dtype is {dtype!r}; 'auto', 'float32', 'bfloat16' … is expected")
    given: dict[str, Any] = {"revision": revision, "trust_remote_code": trust_remote_code}
    try:
        config = transformers.AutoConfig.from_pretrained(name, **given)
        if hasattr(config, "hopfield_replaced"):
            raise FileError(
                f"{name} holds a model with replaced heads, which are none to look at; "
                f"hopfield.heads.load_replaced loads it, to be used"
            )
        model, found = _kind(config).from_pretrained(
            name, dtype=dtype, output_loading_info=True, **given
        )
    except FileError:
        raise
    except Exception as error:  # whatever libraries below raise for what they cannot read
        raise FileError(
            f"{name} cannot be loaded as a model: {one_line(error)}; a folder with config.json and "
            f"weights is expected, or a name on the hub, which must be reachable or cached"
        ) from error
    _check_weights(name, model, found["missing_keys"])
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        if torch.device(chosen).type == "meta":
            raise RuntimeError("tensors there have no values")
        model = model.to(chosen).eval()
    except (RuntimeError, AssertionError) as error:
        raise ArgumentError(f"device is {device!r}: {one_line(error)}") from error
    return Source(str(name), model, _processor(name, model, given))


def expanded(name: str | Path) -> Path:
    """A path, with ~ as the home of a user.

    Raises:
        FileError: there is no such user.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise FileError(f"{name}: {error}; the path of a folder is expected") from error


def _kind(config: Any) -> Any:
    """The class of the model that the config names, or the one without a head."""
    transformers = _check.extra("transformers", "heads")
    kind: Any = getattr(transformers, (config.architectures or [""])[0], None)
    known = isinstance(kind, type) and issubclass(kind, transformers.PreTrainedModel)
    return kind if known and kind.config_class is not None else transformers.AutoModel


def _check_weights(name: str | Path, model: nn.Module, missing: Iterable[str]) -> None:
    """No weights but those of heads and poolers are missing, which would be random."""
    missing = sorted(missing)
    inner = [weight for weight in missing if INNER.search(weight)]
    if inner:
        raise FileError(
            f"{name} lacks {len(inner)} weights of a {type(model).__name__}, such as {inner[0]}; "
            f"the weights of this model are expected"
        )
    if missing:
        warnings.warn(
            f"{name} lacks {', '.join(missing[:3])}{' …' * (len(missing) > 3)}, which are random "
            f"now: what follows the last layer means nothing",
            DataWarning,
            stacklevel=3,
        )


def _processor(name: str | Path, model: nn.Module, given: dict[str, Any]) -> Any:
    """What makes the inputs of the model."""
    transformers = _check.extra("transformers", "heads")
    kind = PROCESSORS.get(str(model.main_input_name), "AutoTokenizer")
    try:
        processor = getattr(transformers, kind).from_pretrained(name, **given)
    except Exception as error:  # as above
        raise _no_processor(name, kind, one_line(error)) from error
    # without files, some tokenizers are made all the same, and know special tokens alone
    if kind == "AutoTokenizer" and len(processor.get_vocab()) <= len(processor.all_special_tokens):
        raise _no_processor(name, kind, "there is no vocabulary")
    return processor


def _no_processor(name: str | Path, kind: str, why: str) -> FileError:
    return FileError(
        f"{name} has no {NAMES[kind]} ({why}); save one beside the model, or call "
        f"hopfield.heads.probe(model, processor, texts) from Python"
    )
