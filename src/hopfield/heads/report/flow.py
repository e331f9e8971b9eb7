"""The part of a report about which part of a model wrote what its heads read."""

from functools import partial

import numpy as np

from hopfield.heads.flow import MEASURES, Flow
from hopfield.heads.report.analysis import Analysis
from hopfield.heads.report.figures import Picture
from hopfield.plot.grids import grid
from hopfield.report import Table

TITLE = "Who wrote what heads read"
METHOD = (
    "The values that a head reads are a sum of what the embedding and each layer's attention and "
    "MLP wrote, with norms on the way taken as the linear maps that they are at the scale of each "
    "token; the sum was checked against the values themselves. The share of a writer is its "
    "projection onto the sum, Σ v_w·v / Σ v·v over tokens: it may be negative, and shares sum to "
    "1. Varying: the same without what all tokens have in common. Norm: Σ‖v_w‖, as a share of the "
    "sum of these over writers. Means over {sequences} sequences."
)


def analysis(found: Flow) -> Analysis:
    """What `flow` found, as a part of a report."""
    layers = [str(layer) for layer in range(len(found.modules))]
    writers = [*found.writers[:-3], found.writers[-1]]
    titles = {"share": "Who wrote what heads read", "varying": "Who wrote what varies"}
    captions = {
        "share": "The share of the values of a layer's heads that each part of the model wrote, by "
        "projection onto the whole. Rows sum to 1.",
        "varying": "The same without what all tokens have in common.",
    }
    pictures = {}
    for measure, title in titles.items():
        mean = np.delete(found.of_layers(measure)[0], [-3, -2], 1)  # the last layer writes for none
        for layer, row in enumerate(mean):
            row[1 + 2 * layer : -1] = np.nan
        draw = partial(grid, mean, layers, writers, title, "written by", "layer of the head")
        pictures[f"flow_{measure}"] = Picture(draw, captions[measure])
    method = METHOD.format(sequences=len(found.values))
    return Analysis(
        "flow", TITLE, _sentences(found), [method], [_table(found)], pictures, _rows(found)
    )


def _sentences(found: Flow) -> list[str]:
    """Do the heads of the last layer collect what lower layers made?"""
    last = len(found.modules) - 1
    if last < 2:
        return ["There are too few layers to ask what the last one collects from lower ones."]
    shares = found.from_layers("share")
    mean = shares.mean(1)
    own = mean[last]
    before = np.mean([mean[layer, layer] for layer in range(1, last)])
    old = shares[last, :, 0]
    most, least = int(old.argmax()), int(old.argmin())
    return [
        f"Of what the heads of the last layer ({last}) read, the layer below wrote "
        f"{own[last]:.0%}, the layers below that {own[1:last].sum():.0%}, and the embedding "
        f"{own[0]:.0%}. In the layers before it, the layer below wrote {before:.0%} on average, "
        f"and the embedding {mean[last - 1, 0]:.0%} of what layer {last - 1} reads. So the last "
        f"layer collects {'more' if own[last] < before else 'no more'} of what was made far below "
        f"it than others do.",
        f"Its heads differ: the embedding wrote from {old[least]:.0%} ({last}.{least}) to "
        f"{old[most]:.0%} ({last}.{most}) of what they read.",
    ]


def _table(found: Flow) -> Table:
    mean = found.from_layers("share").mean(1)
    below = [f"layer {layer}" for layer in range(len(mean) - 1)]
    rows = [
        [layer, *(value if n <= layer else "" for n, value in enumerate(row[:-1])), row[-1]]
        for layer, row in enumerate(mean.tolist())
    ]
    return Table(
        ["layer of the head", "embedding", *below, "biases"],
        rows,
        "Share of what the heads of a layer read, by what wrote it; means over heads.",
        3,
    )


def _rows(found: Flow) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    means = {measure: found.mean(measure) for measure in MEASURES}
    for layer, module in enumerate(found.modules):
        for head in range(means["share"].shape[1]):
            row: dict[str, object] = {"head": f"{layer}.{head}", "layer": layer, "module": module}
            row["number"] = head
            for measure, values in means.items():
                each = zip(found.writers, values[layer, head], strict=True)
                row |= {f"{measure}: {writer}": float(value) for writer, value in each}
            rows.append(row)
    return rows
