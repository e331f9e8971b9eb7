"""Heads of a sentence embedder replaced: the cosine of embeddings to those of the whole model.

python -m benchmarks.replacement

Texts are English paragraphs of files that Python and its packages bring, one of 256 tokens at most
from each document; what is fitted is fitted on 200 documents and measured on 120 others. Rows are
layers: their heads in class I, and all of them. Each figure is kept in docs/heads_replacement.json
as soon as it is there, so that this may be stopped and goes on; the tables in
docs/heads_replacement.md are written from it.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from examples.english import documents
from torch import Tensor

from benchmarks import minilm
from hopfield.heads.corpus import Corpus, tokenized
from hopfield.heads.few import interval
from hopfield.heads.replacement import (
    GaussianAttention,
    LayerStatistics,
    MeanOutput,
    Replacement,
    Uniform,
    Zero,
    distil,
    fit_gaussian,
    gather,
    measure_of,
    replaced,
)
from hopfield.heads.replacement.damage import Damage
from hopfield.huggingface.attention import Heads
from hopfield.huggingface.recording import watched
from hopfield.network import DenseNetwork

DOCS = Path(__file__).parent.parent / "docs"
FOUND, PAGE = DOCS / "heads_replacement.json", DOCS / "heads_replacement.md"
START, END = "<!-- cosines -->", "<!-- /cosines -->"
FILES, FITTED, HELD_OUT, LONGEST, SHORTEST = 6000, 200, 120, 256, 400
KINDS = ("gaussian", "gaussian, fine-tuned", "gaussian, moments", "uniform", "mean", "zero")
EPOCHS = 2

Plan = dict[str, dict[int, Replacement]]


def texts() -> list[str]:
    """A passage of each of some documents, in an order of their own."""
    found = [" ".join(paragraphs) for _, paragraphs in documents(FILES)]
    found = [text for text in found if len(text) >= SHORTEST]
    random.Random(0).shuffle(found)
    return [text[: 8 * LONGEST] for text in found[: FITTED + HELD_OUT]]


def batches(corpus: Corpus, documents: range) -> list[Mapping[str, Tensor]]:
    """The first window of each document."""
    first = {}
    for number, document in enumerate(corpus.document):
        first.setdefault(document, number)
    numbers = sorted((first[one] for one in documents), key=lambda n: -len(corpus.sequences[n]))
    return [corpus.batch(numbers[start : start + 8]).inputs for start in range(0, len(numbers), 8)]


def moments(model: torch.nn.Module, given: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Of each layer the sums over queries of 1, Σ_j w_j (j − i) and of its square, `(3, H, P)`."""
    names = {module: name for name, module in model.named_modules()}
    found: dict[str, Tensor] = {}

    def note(module: torch.nn.Module, heads: Heads) -> None:
        weights = DenseNetwork(heads.association, None, heads.stored).weights(heads.state)
        places = torch.arange(weights.shape[-1])
        ahead = (places - places[:, None]).float()
        mask = heads.association.mask
        real = torch.ones(len(weights), len(places)) if mask is None else mask[:, 0].any(1)
        each = [torch.ones_like(weights[..., 0])]
        each += [(weights * ahead**power).sum(-1) for power in (1, 2)]
        own = torch.stack([(one * real[:, None]).sum(0) for one in each])
        whole = found.setdefault(names[module], torch.zeros(3, own.shape[1], LONGEST))
        whole[..., : own.shape[-1]] += own

    with torch.no_grad(), watched(model, note):
        for inputs in given:
            model(**inputs)
    return found


def by_moments(sums: Tensor, head: int) -> GaussianAttention:
    """Mean and standard deviation of the weights at each place, as those of the Gaussian."""
    count, first, second = sums[:, head]
    first, second = first / count.clamp(min=1), second / count.clamp(min=1)
    deviation = (second - first**2).clamp(min=0.3**2).sqrt()
    return GaussianAttention.of(torch.arange(LONGEST) + first, deviation)


def main() -> None:
    """Measure what is not there yet, and write the tables."""
    kept = json.loads(FOUND.read_text()) if FOUND.exists() else {}
    source = minilm.model()
    model = source.model
    corpus = tokenized(texts(), source.processor, LONGEST)
    calibration = batches(corpus, range(FITTED))
    held_out = batches(corpus, range(FITTED, FITTED + HELD_OUT))
    statistics = gather(model, calibration, progress=True)
    measured = cache(lambda: moments(model, calibration))
    damage_of = Damage(model, held_out, measure_of(model))
    fitted = cache(
        lambda layer: [fit_gaussian(statistics[layer], head, LONGEST) for head in range(12)]
    )
    make: dict[str, Callable[[str, int], Replacement]] = {
        "gaussian": lambda layer, head: fitted(layer)[head],
        "gaussian, moments": lambda layer, head: by_moments(measured()[layer], head),
        "uniform": lambda layer, head: Uniform(),
        "mean": lambda layer, head: MeanOutput(statistics[layer].mean_readout()[head]),
        "zero": lambda layer, head: Zero(),
    }
    for layer, (name, own) in enumerate(statistics.items()):
        for rows, heads in sets(own).items():
            for kind in KINDS:
                key = f"{layer} | {rows} | {kind}"
                if key in kept or not heads:
                    continue
                tuned = kind.endswith("fine-tuned")
                chosen = make[kind.removesuffix(", fine-tuned")]
                plan = {name: {head: chosen(name, head) for head in heads}}
                if tuned:
                    with replaced(model, plan):
                        distil(model, calibration, epochs=EPOCHS, progress=True)
                    fitted.cache_clear()
                kept[key] = {"heads": heads, "damage": damage_of(plan)}
                FOUND.write_text(json.dumps(kept, ensure_ascii=False) + "\n")
                print(key, shown(kept[key]["damage"]), flush=True)
    write(table(kept))


def sets(own: LayerStatistics) -> dict[str, list[int]]:
    """The heads of a layer that are replaced together."""
    shares = own.median_k90()
    averaging = (shares > 0.5).nonzero().squeeze(-1).tolist()
    return {"class I": averaging, "all": list(range(own.layer.heads))}


def shown(damage: Sequence[float]) -> str:
    """The mean cosine, and its interval of 95 % over documents."""
    values = 1 - np.array(damage)
    low, high = interval(values, np.ones_like(values))
    return f"{values.mean():.4f} ({float(low):.4f} to {float(high):.4f})"


def table(kept: dict) -> str:
    """The table of the page."""
    lines = [f"| layer | heads | {' | '.join(KINDS)} |", "|--:|---|" + "--:|" * len(KINDS)]
    for row in dict.fromkeys(key.rpartition(" | ")[0] for key in kept):
        layer, heads = row.split(" | ")
        cells = [kept.get(f"{row} | {kind}") for kind in KINDS]
        there = [cell for cell in cells if cell]
        named = heads if heads == "all" else f"{heads} ({len(there[0]['heads'])})"
        figures = " | ".join(shown(cell["damage"]) if cell else "" for cell in cells)
        lines.append(f"| {layer} | {named} | {figures} |")
    return "\n".join(lines) + "\n"


def write(found: str) -> None:
    """Put the table into the documentation."""
    before, _, rest = PAGE.read_text().partition(START)
    PAGE.write_text(f"{before}{START}\n{found}{END}{rest.partition(END)[2]}")
    print(found)


if __name__ == "__main__":
    main()
