"""What tells one model, and one corpus, from another."""

import hashlib

import torch
from torch import Tensor, nn

from hopfield.heads.corpus import Corpus

LOOKED_AT = 4096  # weights of each parameter: bit for bit, since sums depend on the threads


def identity(model: nn.Module, corpus: Corpus) -> dict[str, str]:
    """A model by its class and some of its weights, a corpus by its length and its content.

    Settings of a folder that is to go on with the same.
    """
    weights, content = hashlib.sha256(), hashlib.sha256()
    for name, parameter in model.named_parameters():
        some = parameter.detach().flatten()[:: 1 + parameter.numel() // LOOKED_AT]
        weights.update(f"{name} {tuple(parameter.shape)}".encode() + _bytes(some))
    for one in corpus.sequences:
        content.update(_bytes(one) if isinstance(one, Tensor) else repr(one).encode())
    return {
        "model": f"{type(model).__name__} {weights.hexdigest()[:16]}",
        "sequences": f"{len(corpus.sequences)} {content.hexdigest()[:16]}",
    }


def _bytes(tensor: Tensor) -> bytes:
    return tensor.contiguous().cpu().view(torch.uint8).numpy().tobytes()
