"""Latch sequences: the first of 32 symbols decides the class, all others only distract.

An association reaches the first symbol in one step, so that each of the three layers has it within
one epoch; an LSTM has to carry it through 31 further symbols, and stays at chance. The task is that
of Hochreiter and Mozer 2001, in the form of the reference implementation of Ramsauer et al. 2020
(arXiv 2008.02217): 3072 sequences to learn from, 1024 to test on. A seed takes 4 s.

The picture shows the test accuracy along training.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from hopfield import Hopfield, HopfieldLayer, HopfieldPooling, plot
from hopfield.plot.theme import COLOURS, axes
from training import accuracy, arguments, save, shuffled, train

LENGTH, SYMBOLS = 32, 20


def latch_sequences(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Sequences `(count, 32, 20)`, one-hot, and their classes: 0 or 1, the first symbol."""
    draw = torch.Generator().manual_seed(seed)
    symbol = torch.randint(2, SYMBOLS, (count, LENGTH), generator=draw)
    symbol[:, 0] = torch.randint(2, (count,), generator=draw)
    return one_hot(symbol, SYMBOLS).float(), symbol[:, 0].float()


class Classifier(nn.Module):
    """A linear map of all that the layer returns."""

    def __init__(self, layer: nn.Module, width: int) -> None:
        super().__init__()
        self.layer, self.logit = layer, nn.Linear(width, 1)

    def forward(self, sequence: Tensor) -> Tensor:
        return self.logit(self.layer(sequence).flatten(1)).squeeze(1)


class LastState(nn.Module):
    """What an LSTM holds at the end of the sequence."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(SYMBOLS, width, batch_first=True)

    def forward(self, sequence: Tensor) -> Tensor:
        return self.lstm(sequence)[0][:, -1]


MODELS = {
    "Hopfield": lambda: Classifier(Hopfield(SYMBOLS), LENGTH * SYMBOLS),
    "HopfieldPooling": lambda: Classifier(HopfieldPooling(SYMBOLS), SYMBOLS),
    "HopfieldLayer": lambda: Classifier(HopfieldLayer(SYMBOLS, quantity=20), LENGTH * SYMBOLS),
    "LSTM": lambda: Classifier(LastState(4), 4),
}


def run(name: str, seed: int, epochs: int, learned: int) -> tuple[dict[int, float], float]:
    """Train a model: its test accuracy along the way, by batches, and at the end."""
    x, y = latch_sequences(learned + 1024, seed)
    test = (x[learned:],), y[learned:]
    torch.manual_seed(seed)
    model = MODELS[name]()
    curve = train(
        model,
        lambda: shuffled((x[:learned],), y[:learned], 32),
        epochs,
        name,
        lr=1e-2,
        test=lambda: accuracy(model, *test),
    )
    return curve, accuracy(model, *test)


def main() -> None:
    chosen = arguments(__doc__, epochs=1)
    with plot.theme():
        figure, drawn = axes("Latch sequences", "batches of 32", "test accuracy")
        for name, colour in zip(MODELS, COLOURS.values(), strict=True):
            for seed in range(chosen.seeds):
                curve, final = run(name, seed, chosen.epochs, 256 if chosen.quick else 3072)
                print(f"{name:16} seed {seed}: test accuracy {final:.3f}")
                label = None if seed else name
                drawn.plot(*zip(*curve.items(), strict=True), color=colour, label=label)
        drawn.set_ylim(0.4, 1.02)
        drawn.legend()
        save(figure, chosen.out, "latch_sequence.png")


if __name__ == "__main__":
    main()
