"""What tells one model, and one corpus, from another."""

import hashlib
import json
from typing import Any

import torch
from torch import Tensor, nn

from hopfield.heads.corpus import Corpus

LOOKED_AT = 4096  # weights of each parameter: bit for bit, since sums depend on the threads
NO_MATTER = {"_name_or_path", "transformers_version", "architectures"}  # of a config


def identity(model: nn.Module, corpus: Corpus) -> dict[str, str]:
    """A model by its class, its config and some of its weights, a corpus by all that it has.

    Settings of a folder that is to go on with the same.
    """
    weights, content = hashlib.sha256(_config(model).encode()), hashlib.sha256()
    for name, parameter in model.named_parameters():
        some = parameter.detach().flatten()[:: 1 + parameter.numel() // LOOKED_AT]
        weights.update(f"{name} {tuple(parameter.shape)}".encode() + _bytes(some))
    kind = corpus.name, corpus.batch_dim, corpus.special, corpus.padding, [*corpus.document]
    content.update(repr(kind).encode())
    for one in corpus.sequences:
        if isinstance(one, Tensor):
            content.update(f"{one.dtype} {tuple(one.shape)}".encode() + _bytes(one))
        else:
            content.update(repr([*one]).encode())
    return {
        "model": f"{type(model).__name__} {weights.hexdigest()[:16]}",
        "sequences": f"{len(corpus.sequences)} {content.hexdigest()[:16]}",
    }


def _config(model: nn.Module) -> str:
    """What a model of transformers does with its weights."""
    config: Any = getattr(model, "config", None)
    known = config.to_dict() if hasattr(config, "to_dict") else {}
    kept = {name: value for name, value in known.items() if name not in NO_MATTER}
    return json.dumps(kept, sort_keys=True, default=str)


def _bytes(tensor: Tensor) -> bytes:
    return tensor.contiguous().cpu().view(torch.uint8).numpy().tobytes()
