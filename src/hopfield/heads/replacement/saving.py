"""Models with replaced heads, in the usual form: config.json, safetensors, tokenizer."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from hopfield import _check
from hopfield._text import one_line
from hopfield.errors import ArgumentError, FileError
from hopfield.files.whole import make_folder
from hopfield.heads.replacement.attention import HELD
from hopfield.heads.replacement.candidates import KINDS
from hopfield.heads.replacement.install import replace_heads, replaced_heads
from hopfield.heads.replacement.prune import SomeRows, some_rows
from hopfield.heads.replacement.replacement import Replacement

ENTRY = "hopfield_replaced"  # of config.json
WEIGHTS = "model.safetensors"


def save_replaced(model: nn.Module, folder: str | Path, processor: Any = None) -> None:
    """Save a model with replaced heads; `load_replaced` loads it.

    The entry `hopfield_replaced` of its config says which heads are replaced by what, and which
    projections have fewer rows.

    Args:
        model: of transformers.
        folder: new, or there already; files of a model in it are written over.
        processor: its tokenizer or image processor, to be saved beside it.

    Raises:
        ArgumentError: no head is replaced, or a file is in the place of the folder.
        MissingExtraError: safetensors is not installed.
    """
    safetensors = _check.extra("safetensors.torch", "heads")
    plan = replaced_heads(model)
    if not plan:
        raise ArgumentError(
            "no head of the model is replaced; hopfield.heads.replace_heads does it"
        )
    folder = Path(folder)
    make_folder(folder)
    config: Any = model.config
    config.architectures, config.dtype = [type(model).__name__], model.dtype
    setattr(
        config,
        ENTRY,
        {
            "heads": {
                layer: {str(head): one.kind for head, one in by_head.items()}
                for layer, by_head in plan.items()
            },
            "some_rows": [n for n, module in model.named_modules() if isinstance(module, SomeRows)],
        },
    )
    config.save_pretrained(folder)
    if getattr(model, "generation_config", None) is not None:
        model.generation_config.save_pretrained(folder)  # type: ignore[union-attr, operator]
    safetensors.save_model(model, str(folder / WEIGHTS), metadata={"format": "pt"})
    if processor is not None:
        processor.save_pretrained(folder)


def load_replaced(folder: str | Path, device: str | torch.device = "cpu") -> nn.Module:
    """Load a model that `save_replaced` saved, in evaluation mode.

    Args:
        folder: of the model.
        device: where to put it.

    Raises:
        FileError: the folder holds no such model, or it is damaged.
        MissingExtraError: transformers is not installed.
    """
    transformers = _check.extra("transformers", "heads")
    safetensors = _check.extra("safetensors.torch", "heads")
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise FileError(f"{folder} holds no config.json; a folder of a saved model is expected")
    try:
        config = transformers.AutoConfig.from_pretrained(folder)
        entry = getattr(config, ENTRY, None)
        if entry is None:
            raise FileError(f"{folder} holds a model without replaced heads; transformers loads it")
        state = safetensors.load_file(folder / WEIGHTS)
        kind = getattr(transformers, config.architectures[0])
        model: nn.Module = kind._from_config(config, dtype=config.dtype)
        for name in entry["some_rows"]:
            parent, _, own = name.rpartition(".")
            whole = getattr(model.get_submodule(parent), own)
            setattr(model.get_submodule(parent), own, some_rows(whole, state[f"{name}.kept"]))
        replace_heads(model, _plan(entry["heads"], state))
        safetensors.load_model(model, folder / WEIGHTS)
    except FileError:
        raise
    except Exception as error:  # whatever libraries below raise for what they cannot read
        raise FileError(
            f"{folder} cannot be loaded as a model with replaced heads: {one_line(error)}"
        ) from error
    if (folder / "generation_config.json").is_file():
        own_config = transformers.GenerationConfig.from_pretrained(folder)
        model.generation_config = own_config
    return model.to(device).eval()


def _plan(
    heads: dict[str, dict[str, str]], state: dict[str, torch.Tensor]
) -> dict[str, dict[int, Replacement]]:
    """Replacements with the shapes of the saved ones, their parameters still to be loaded."""
    plan: dict[str, dict[int, Replacement]] = {}
    for layer, by_head in heads.items():
        for head, kind in by_head.items():
            prefix = f"{layer}.{HELD}.by_head.{head}."
            own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            plan.setdefault(layer, {})[int(head)] = KINDS[kind].shaped(own)
    return plan
