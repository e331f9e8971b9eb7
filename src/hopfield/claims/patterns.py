"""The patterns that claims are checked on: random ones, clusters, digits, sentences."""

from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hopfield import _check
from hopfield.claims.claim import Setting
from hopfield.claims.model import TOKENS, load_model, read_text
from hopfield.theory import on_sphere

SENTENCES, AT_ONCE = 2000, 50


def sets(setting: Setting) -> dict[str, Tensor]:
    """Random patterns, digits and, where a model is given, sentences."""
    found = {"random": scattered(setting.seed), "digits": digits()}
    vectors = sentences(setting)
    return found if vectors is None else found | {"sentences": vectors}


def scattered(seed: int) -> Tensor:
    """Random patterns on the sphere of radius √19 in 20 dimensions, `(2000, 20)`."""
    return on_sphere(2000, 20, 19**0.5, torch.Generator().manual_seed(seed))


def clusters(seed: int) -> Tensor:
    """20 clusters of 20 patterns each, `(400, 32)`, about 5 long."""
    generator = torch.Generator().manual_seed(seed)
    centres = on_sphere(20, 32, 5.0, generator)[:, None]
    spread = 0.15 * torch.randn(20, 20, 32, generator=generator, dtype=torch.float64)
    return (centres + spread).flatten(0, 1)


@cache
def digits() -> Tensor:
    """Scikit-learn's digits, centred and normalised, `(1797, 64)`, without duplicates."""
    datasets = _check.extra("sklearn.datasets", "learn")
    pixels = torch.from_numpy(datasets.load_digits().data).double()
    return normalize(pixels - pixels.mean(0), dim=-1).unique(dim=0)


def sentences(setting: Setting) -> Tensor | None:
    """Centred and normalised vectors of pieces of the text by the model; None without a model."""
    if setting.model is None or setting.text is None:
        return None
    return torch.tensor(setting.shared("sentence vectors", _vectors, setting), dtype=torch.float64)


def _vectors(setting: Setting) -> list[list[float]]:
    assert setting.model is not None
    assert setting.text is not None
    source = load_model(setting.model)
    corpus = read_text(setting.model, setting.text, TOKENS, SENTENCES)
    found = []
    with torch.no_grad():
        for batch in corpus.batches(AT_ONCE):
            hidden = source.model(**batch.inputs, output_hidden_states=True).hidden_states[-1]
            there = batch.inputs["attention_mask"].unsqueeze(-1)
            found.append((hidden * there).sum(-2) / there.sum(-2))
    vectors = torch.cat(found).double()
    kept = normalize(vectors - vectors.mean(0), dim=-1).unique(dim=0)
    return [[round(value, 6) for value in vector] for vector in kept.tolist()]
