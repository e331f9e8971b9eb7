"""A transformer whose attention is exchanged for Hopfield layers, at one step and at three.

The task is associative recall: the model sees 16 pairs of a key and a value, then one of the keys,
and names its value. `hopfield.replace_attention` changes any model with
`torch.nn.MultiheadAttention`. At one step nothing changes, to rounding. At three steps the states
are first updated twice among the keys: the trained model was not made for that, and loses
accuracy; trained with them, the model solves the task as well, a little later.

The picture shows the learning curves, and how many of the patterns that a head sees hold 90 % of
its weight (k90), for the question's own state. A seed takes about 70 s.
"""

from copy import deepcopy

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from hopfield import plot, replace_attention
from hopfield.plot.theme import COLOURS
from training import accuracy, arguments, save, shuffled, train

KEYS, VALUES, PAIRS = 32, 16, 16
NO_VALUE = VALUES  # stands beside the key that is asked for
WIDTH, HEADS, LAYERS = 32, 4, 2
TESTED = 2048


def recall(count: int, seed: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Keys and values, `(count, 17)` each, the question last; and the values it asks for."""
    draw = torch.Generator().manual_seed(seed)
    key = torch.rand(count, KEYS, generator=draw).argsort(-1)[:, :PAIRS]
    value = torch.randint(VALUES, (count, PAIRS), generator=draw)
    asked = torch.randint(PAIRS, (count, 1), generator=draw)
    keys = torch.cat([key, key.gather(1, asked)], 1)
    values = torch.cat([value, torch.full((count, 1), NO_VALUE)], 1)
    return (keys, values), value.gather(1, asked).squeeze(1)


class Recall(nn.Module):
    """A transformer over pairs, each the sum of what stands for its key and for its value."""

    def __init__(self) -> None:
        super().__init__()
        self.key, self.value = nn.Embedding(KEYS, WIDTH), nn.Embedding(VALUES + 1, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.logits = nn.Linear(WIDTH, VALUES)

    def forward(self, key: Tensor, value: Tensor) -> Tensor:
        return self.logits(self.encoder(self.key(key) + self.value(value))[:, -1])


def exchanged(model: nn.Module, steps: int) -> nn.Module:
    """A copy of the model with Hopfield layers."""
    return replace_attention(deepcopy(model), steps=steps)


@torch.no_grad()
def sizes(model: Recall, inputs: tuple[Tensor, Tensor]) -> Tensor:
    """k90 of the question in each head of each layer, `(layers · heads,)`, mean over sequences."""
    found = []
    pattern = model.key(inputs[0]) + model.value(inputs[1])
    for layer in model.encoder.layers:
        found.append(layer.self_attn.hopfield.phase(pattern).k90[..., -1].float().mean(0))
        pattern = layer(pattern)
    return torch.cat(found)


Curve = dict[int, float]


def run(seed: int, epochs: int, learned: int) -> tuple[dict[str, nn.Module], dict[str, Curve]]:
    """Train with attention and with Hopfield layers; all models, and test accuracy by batches."""
    sequences, (inputs, target) = recall(learned, 2 * seed), recall(TESTED, 2 * seed + 1)

    def trained(name: str, model: nn.Module) -> Curve:
        return train(
            model,
            lambda: shuffled(*sequences, 64),
            epochs,
            name,
            lr=3e-3,
            loss=cross_entropy,
            test=lambda: accuracy(model, inputs, target),
            every=max(4, epochs * learned // 64 // 32),
        )

    torch.manual_seed(seed)
    attention = Recall()
    models: dict[str, nn.Module] = {
        "attention": attention,
        "trained, 1 step": exchanged(attention, 1),
        "trained, 3 steps": exchanged(attention, 3),
    }
    curves = {name: trained(name, model) for name, model in models.items()}
    models |= {"exchanged, 1 step": exchanged(attention, 1)}
    models |= {"exchanged, 3 steps": exchanged(attention, 3)}
    return models, curves


def main() -> None:
    chosen = arguments(__doc__, epochs=6)
    for seed in range(chosen.seeds):
        models, curves = run(seed, chosen.epochs, 512 if chosen.quick else 8192)
        inputs, target = recall(TESTED, 2 * seed + 1)
        print(f"seed {seed}, test accuracy (chance: {1 / VALUES:.3f})")
        for name, model in models.items():
            print(f"  {name:18} {accuracy(model, inputs, target):.3f}")
        with torch.no_grad():
            change = models["attention"](*inputs) - models["exchanged, 1 step"](*inputs)
        print(f"  the exchange at 1 step changes outputs by at most {change.abs().max():.1e}")
        if seed == 0:
            save(picture(models, curves, inputs), chosen.out, "attention_replaced.png")


def picture(
    models: dict[str, nn.Module], curves: dict[str, Curve], inputs: tuple[Tensor, Tensor]
) -> Figure:
    """Learning curves, and k90 of every head."""
    with plot.theme():
        figure = Figure(figsize=(9.0, 3.6))
        left, right = figure.subplots(1, 2)
        for (name, curve), colour in zip(curves.items(), COLOURS.values(), strict=False):
            left.plot(*zip(*curve.items(), strict=True), color=colour, label=name)
        left.set(title="Learning", xlabel="batches of 64", ylabel="test accuracy")
        names = ("exchanged, 1 step", "exchanged, 3 steps", "trained, 3 steps")
        for bar, (name, colour) in enumerate(zip(names, COLOURS.values(), strict=False)):
            k90 = sizes(models[name], inputs).numpy()
            place = [head + 0.25 * (bar - 1) for head in range(len(k90))]
            right.bar(place, k90, width=0.25, color=colour, label=name)
        right.set(
            title="How many patterns the question sees",
            xticks=range(LAYERS * HEADS),
            xlabel="heads of the first layer (0 to 3) and the second (4 to 7)",
            ylabel=f"k90, of {PAIRS + 1} patterns",
        )
        for drawn in (left, right):
            drawn.legend(fontsize=8)
    return figure


if __name__ == "__main__":
    main()
