"""The patterns that claims are checked on: random ones, clusters, digits, sentences."""

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hopfield import _check
from hopfield.claims.claim import Setting
from hopfield.landscape import TradeOff
from hopfield.theory import on_sphere

SENTENCES, TOKENS, AT_ONCE = 2000, 64, 50


def random(seed: int) -> Tensor:
    """Patterns on the sphere of radius √19 in 20 dimensions, `(2000, 20)`."""
    return on_sphere(2000, 20, 19**0.5, torch.Generator().manual_seed(seed))


def clusters(seed: int) -> Tensor:
    """20 clusters of 20 patterns each, `(400, 32)`, about 5 long, in random order of clusters."""
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
    vectors = setting.part("sentence vectors", _vectors, setting)
    return torch.tensor(vectors, dtype=torch.float64)


def _vectors(setting: Setting) -> list[list[float]]:
    from hopfield.heads import load, read
    from hopfield.heads.fitting import places

    assert setting.model is not None
    source = load(setting.model)
    length = min(TOKENS, places(source.model) or TOKENS)
    corpus = read(source, text=setting.text, max_length=length, max_sequences=SENTENCES)
    found = []
    with torch.no_grad():
        for batch in corpus.batches(AT_ONCE):
            hidden = source.model(**batch.inputs, output_hidden_states=True).hidden_states[-1]
            there = batch.inputs["attention_mask"].unsqueeze(-1)
            found.append((hidden * there).sum(-2) / there.sum(-2))
    vectors = torch.cat(found).double()
    kept = normalize(vectors - vectors.mean(0), dim=-1).unique(dim=0)
    return [[round(value, 6) for value in vector] for vector in kept.tolist()]


def written(found: TradeOff) -> dict[str, Any]:
    """A grid as JSON has it, with four significant digits."""

    def short(value: float) -> float:
        return float(f"{value:.4g}")

    lists = {name: getattr(found, name) for name in found.__dataclass_fields__}
    return {
        name: value if not isinstance(value, Tensor) else _nested(value.tolist(), short)
        for name, value in lists.items()
    }


def _nested(values: Any, short: Any) -> Any:
    if isinstance(values, list):
        return [_nested(value, short) for value in values]
    return short(values) if isinstance(values, float) else values


def grid_of(data: dict[str, Any]) -> TradeOff:
    """The grid that was written."""
    fields: dict[str, Any] = {
        name: torch.tensor(value) if isinstance(value, list) else value
        for name, value in data.items()
    }
    return TradeOff(**fields)
