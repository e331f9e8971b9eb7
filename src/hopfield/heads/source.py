"""A transformers model and what makes its inputs, from a folder or from the hub."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hopfield import _check
from hopfield._text import one_line
from hopfield.errors import ArgumentError, FileError

PROCESSORS = ("AutoTokenizer", "AutoImageProcessor", "AutoFeatureExtractor")


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
        FileError: there is no such model, or it cannot be read.
        ArgumentError: the dtype or the device does not exist.
        MissingExtraError: transformers is not installed.
    """
    transformers = _check.extra("transformers", "heads")
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise FileError(f"{folder} holds no config.json; a folder of a saved model is expected")
        name = folder
    elif str(name).startswith((".", "/", "~")) or folder.is_file():
        raise FileError(f"{name} is no folder; a folder of a saved model, or a name, is expected")
    if dtype != "auto" and not isinstance(getattr(torch, dtype, None), torch.dtype):
        raise ArgumentError(f"dtype is {dtype!r}; 'auto', 'float32', 'bfloat16' … is expected")
    given: dict[str, Any] = {"revision": revision, "trust_remote_code": trust_remote_code}
    try:
        config = transformers.AutoConfig.from_pretrained(name, **given)
        kind = getattr(transformers, (config.architectures or ["AutoModel"])[0], None)
        model = (kind or transformers.AutoModel).from_pretrained(name, dtype=dtype, **given)
    except Exception as error:  # whatever libraries below raise for what they cannot read
        raise FileError(
            f"{name} cannot be loaded as a model: {one_line(error)}; a folder with config.json and "
            f"weights is expected, or a name on the hub, which must be reachable or cached"
        ) from error
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        model = model.to(chosen).eval()
    except (RuntimeError, AssertionError) as error:
        raise ArgumentError(f"device is {device!r}: {one_line(error)}") from error
    return Source(str(name), model, _processor(name, given))


def _processor(name: str | Path, given: dict[str, Any]) -> Any:
    """The first of tokenizer, image processor and feature extractor that the model has."""
    transformers = _check.extra("transformers", "heads")
    reasons = []
    for kind in PROCESSORS:
        try:
            return getattr(transformers, kind).from_pretrained(name, **given)
        except Exception as error:  # as above
            reasons.append(one_line(error))
    raise FileError(
        f"{name} has no tokenizer, image processor or feature extractor: {reasons[0]}; save one "
        f"beside the model, or call hopfield.heads.probe(model, tokenizer, texts) from Python"
    )
