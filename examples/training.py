"""What the examples share: the command line, one way of training, and how pictures are kept."""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from tqdm import tqdm

torch.set_num_threads(1)  # with batches this small, several threads only wait for each other

Batch = tuple[tuple[Tensor, ...], Tensor]  # inputs of the model, and targets


def arguments(description: str, epochs: int, seeds: int = 1) -> Namespace:
    """`--epochs`, `--seeds`, `--out` and `--quick`."""
    parser = ArgumentParser(
        description=description, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--epochs", type=int, default=epochs, help=f"default {epochs}")
    parser.add_argument("--seeds", type=int, default=seeds, help=f"runs; default {seeds}")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    parser.add_argument("--quick", action="store_true", help="little data, one epoch, one seed")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.epochs = chosen.seeds = 1
    return chosen


def shuffled(inputs: tuple[Tensor, ...], target: Tensor, size: int) -> Iterable[Batch]:
    """Batches of that size in random order."""
    for rows in torch.randperm(len(target)).split(size):
        yield tuple(tensor[rows] for tensor in inputs), target[rows]


def train(
    model: nn.Module,
    batches: Callable[[], Iterable[Batch]],
    epochs: int,
    name: str,
    *,
    lr: float,
    weight_decay: float = 0.01,
    loss: Callable[[Tensor, Tensor], Tensor] = binary_cross_entropy_with_logits,
    test: Callable[[], float] | None = None,
    every: int = 8,
) -> dict[int, float]:
    """Train with AdamW; the learning rate rises to `lr` and falls to 0, over all epochs.

    Args:
        model: from inputs to logits; in evaluation mode afterwards.
        batches: draws those of one epoch.
        epochs: how many.
        name: shown beside the progress.
        lr: the highest learning rate.
        weight_decay: of AdamW.
        loss: of logits and targets.
        test: called now and then.
        every: how many batches lie between two tests.

    Returns:
        What the tests found, by the number of batches before them.
    """
    found: dict[int, float] = {}
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=weight_decay)
    steps = epochs * sum(1 for _ in batches())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps)
    with tqdm(total=steps, desc=name, leave=False, mininterval=0.5) as progress:
        for _ in range(epochs):
            for inputs, target in batches():
                model.train()
                optimiser.zero_grad()
                loss(model(*inputs), target).backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimiser.step()
                schedule.step()
                progress.update()
                if test is not None and progress.n % every == 0:
                    found[progress.n] = test()
    model.eval()
    return found


@torch.no_grad()
def accuracy(model: nn.Module, inputs: tuple[Tensor, ...], target: Tensor) -> float:
    """The share of right answers: by the sign of one logit, or by the largest of several."""
    model.eval()
    logits = model(*inputs)
    answer = logits > 0 if logits.dim() == 1 else logits.argmax(-1)
    return (answer == target).double().mean().item()


def save(figure: Any, folder: Path, name: str) -> None:
    """Keep a picture as a PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    figure.savefig(path, dpi=120)
    print(f"picture: {path}")
