"""Sentences 7 and 8: what layers store, and which mechanisms they provide."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, one_hot
from tqdm import tqdm

import hopfield
from hopfield import Hopfield, HopfieldLayer, HopfieldPooling, _check
from hopfield.claims.claim import Claim, Finding, Measured, Setting, Verdict
from hopfield.demo.digits import (
    Digits,
    choose_beta,
    complete,
    load_digits,
    nearest_neighbour,
    pixel_error,
)

SEEDS = {True: 2, False: 5}
POOLED = "features of a bag of digits are stored and pooled by HopfieldPooling; AUC"
LEARNS = 0.9  # accuracy or AUC from which a layer counts as learning its task
WIDTH, BAGS, TARGET = 64, 200, 9
PAIRS, KEY, CLASSES = 12, 8, 8  # of the recall task
RECALLS, BATCH = {True: 300, False: 800}, 128


def check_stores(setting: Setting) -> Finding:
    """Raw data, intermediate results and learned prototypes, each on digits."""
    tasks: dict[str, Callable[[int], float]] = {
        "raw data: the training digits are stored, nothing is learned; accuracy": _raw,
        POOLED: _pooled,
        "learned prototypes: 100 stored patterns are learned; accuracy": _prototypes,
    }
    numbers = [
        _over_seeds(setting, name, task, SEEDS[setting.quick]) for name, task in tasks.items()
    ]
    good = sum(found.low is not None and found.low >= LEARNS for found in numbers)
    verdict = (Verdict.DOES_NOT, Verdict.PARTLY, Verdict.PARTLY, Verdict.REPRODUCES)[good]
    return Finding(
        verdict,
        f"{good} of 3 kinds of content can be stored and used, on handwritten digits. Numbers are "
        f"means of {SEEDS[setting.quick]} seeds with their range.",
        numbers,
    )


def check_mechanisms(setting: Setting) -> Finding:
    """Pooling, memory and association, each beside a network that lacks the layer."""
    seeds = SEEDS[setting.quick]
    steps = RECALLS[setting.quick]
    pooling, mean = (
        _over_seeds(setting, name, task, seeds)
        for name, task in (
            (POOLED, _pooled),
            ("the same with the mean of the bag", partial(_pooled, make=_Mean)),
        )
    )
    memory, nearest = (
        _over_seeds(setting, name, task, seeds)
        for name, task in (
            ("memory, half-hidden digits: pixel error (0 to 16) of retrieval", _completed),
            ("the same by the nearest stored digit", _nearest),
        )
    )
    association, *plain = (
        _over_seeds(setting, name, partial(_recall, make, steps), seeds)
        for name, make in (
            ("association, recall of one of 12 pairs: accuracy of Hopfield", _Recall),
            ("the same by a fully-connected network", _Dense),
            ("the same by a convolutional network", _Convolutional),
            ("the same by an LSTM", _Recurrent),
        )
    )
    wins = {
        "pooling": _above(pooling, mean),
        "memory": _above(nearest, memory),
        "association": all(_above(association, other) for other in plain),
    }
    good = [name for name, won in wins.items() if won]
    verdict = Verdict.DOES_NOT
    if good:
        verdict = Verdict.REPRODUCES if len(good) == len(wins) else Verdict.PARTLY
    reason = (
        f"{len(good)} of 3 mechanisms do better than what they are compared with"
        f"{': ' + ', '.join(good) if good else ''}. That attention is provided, the fourth, is the "
        f"claim `attention`. Numbers are means of {seeds} seeds with their range."
    )
    numbers = [pooling, mean, memory, nearest, association, *plain]
    return Finding(verdict, reason, numbers)


def _over_seeds(setting: Setting, name: str, task: Callable[[int], float], seeds: int) -> Measured:
    """The mean over seeds, and how far they reach."""
    found = []
    for seed in tqdm(range(seeds), desc=name[:40], disable=not setting.progress, leave=False):
        own = setting.seed + seed
        found.append(setting.shared(f"{name}, seed {own}", task, own))
    return Measured(name, float(np.mean(found)), min(found), max(found))


def _above(one: Measured, other: Measured) -> bool:
    """Whether every seed of one is above every seed of the other."""
    return one.low is not None and other.high is not None and one.low > other.high


def _raw(seed: int) -> float:
    digits, beta = _digits(seed)
    state = nn.functional.normalize(digits.test_pixels - digits.mean, dim=-1)
    classes = one_hot(digits.stored_label, 10).float()
    answer = hopfield.update(state, digits.stored, classes, beta=beta).argmax(-1)
    return _right(answer, digits.test_label)


def _prototypes(seed: int) -> float:
    digits, _ = _digits(seed)
    torch.manual_seed(seed)
    layer = HopfieldLayer(64, quantity=100, projection="learned", num_heads=1, output_size=10)
    x = digits.stored

    def batch(generator: torch.Generator) -> tuple[tuple[Tensor], Tensor]:
        rows = torch.randint(len(x), (BATCH,), generator=generator)
        return (x[rows, None],), digits.stored_label[rows]

    _train(layer, batch, 600, seed, lambda y, target: cross_entropy(y[:, 0], target))
    test = nn.functional.normalize(digits.test_pixels - digits.mean, dim=-1)
    with torch.no_grad():
        return _right(layer(test[:, None])[:, 0].argmax(-1), digits.test_label)


def _completed(seed: int) -> float:
    digits, beta = _digits(seed)
    memory = digits.stored, digits.stored_label, digits.mean
    return pixel_error(complete(digits.test_pixels, *memory, beta).image, digits.test_pixels)


def _nearest(seed: int) -> float:
    digits = load_digits(seed)
    return pixel_error(nearest_neighbour(digits).image, digits.test_pixels)


def _digits(seed: int) -> tuple[Digits, float]:
    digits = load_digits(seed)
    return digits, choose_beta(digits, seed)


def _hopfield_pooling() -> nn.Module:
    return HopfieldPooling(WIDTH, num_heads=4, hidden_size=32)


def _pooled(seed: int, make: Callable[[], nn.Module] = _hopfield_pooling) -> float:
    """AUC on bags of digits, positive if a 9 is among them; features are learned."""
    digits = load_digits(seed)
    torch.manual_seed(seed)
    features = nn.Sequential(nn.Linear(64, WIDTH), nn.ReLU(), nn.Dropout(0.1))
    model = _Bags(features, make(), nn.Linear(WIDTH, 1))
    generator = torch.Generator().manual_seed(seed)
    learned, tested = (
        _bags(pixels / 16, label, generator)
        for pixels, label in (
            (digits.pixels, digits.stored_label),
            (digits.test_pixels, digits.test_label),
        )
    )

    def batch(draw: torch.Generator) -> tuple[tuple[Tensor, Tensor], Tensor]:
        rows = torch.randint(BAGS, (16,), generator=draw)
        return (learned[0][rows], learned[1][rows]), learned[2][rows]

    _train(model, batch, 260, seed, binary_cross_entropy_with_logits)
    with torch.no_grad():
        score = model.eval()(*tested[:2])
    return float(_check.extra("sklearn.metrics", "learn").roc_auc_score(tested[2], score))


def _bags(pixels: Tensor, label: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Bags of 5 to 15 digits, padded, `(B, 15, 64)`; where padding is; whether a 9 is there."""
    sizes = torch.randint(5, 16, (BAGS,), generator=generator)
    chosen = torch.randint(len(pixels), (BAGS, 15), generator=generator)
    padding = torch.arange(15) >= sizes[:, None]
    positive = ((label[chosen] == TARGET) & ~padding).any(-1)
    return pixels[chosen].masked_fill(padding[..., None], 0.0), padding, positive.float()


class _Bags(nn.Module):
    """Features of each digit, pooled, and a logit."""

    def __init__(self, features: nn.Module, pool: nn.Module, logit: nn.Module) -> None:
        super().__init__()
        self.features, self.pool, self.logit = features, pool, logit

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        return self.logit(self.pool(self.features(x), padding_mask=padding)).flatten()


class _Mean(nn.Module):
    """The mean of a bag."""

    def forward(self, x: Tensor, padding_mask: Tensor) -> Tensor:
        there = ~padding_mask[..., None]
        return (x * there).sum(-2) / there.sum(-2)


class _Recall(nn.Module):
    """The key asked for is the state, the keys are stored, their classes read out."""

    def __init__(self) -> None:
        super().__init__()
        self.hopfield = Hopfield(KEY, KEY, CLASSES, hidden_size=16, output_size=CLASSES)

    def forward(self, key: Tensor, value: Tensor, asked: Tensor) -> Tensor:
        return self.hopfield(asked[:, None], key, value)[:, 0]


class _Dense(nn.Module):
    """All pairs and the question, side by side."""

    def __init__(self) -> None:
        super().__init__()
        wide = PAIRS * (KEY + CLASSES) + KEY
        self.layers = nn.Sequential(
            nn.Linear(wide, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, CLASSES)
        )

    def forward(self, key: Tensor, value: Tensor, asked: Tensor) -> Tensor:
        return self.layers(torch.cat([key.flatten(1), value.flatten(1), asked], -1))


class _Convolutional(nn.Module):
    """Convolutions over the pairs, each beside the question, and the largest of what they say."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv1d(2 * KEY + CLASSES, 128, 3, padding=1), nn.ReLU()),
            *(nn.Conv1d(128, 128, 3, padding=1), nn.ReLU()),
        )
        self.read = nn.Linear(128, CLASSES)

    def forward(self, key: Tensor, value: Tensor, asked: Tensor) -> Tensor:
        beside = asked[:, None].expand_as(key)
        return self.read(self.layers(torch.cat([key, value, beside], -1).mT).amax(-1))


class _Recurrent(nn.Module):
    """The pairs one after the other, then the question."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(KEY + CLASSES, 64, batch_first=True)
        self.read = nn.Linear(64, CLASSES)

    def forward(self, key: Tensor, value: Tensor, asked: Tensor) -> Tensor:
        question = torch.cat([asked, asked.new_zeros(len(asked), CLASSES)], -1)[:, None]
        sequence = torch.cat([torch.cat([key, value], -1), question], -2)
        return self.read(self.lstm(sequence)[0][:, -1])


def _recall(make: Callable[[], nn.Module], steps: int, seed: int) -> float:
    """Accuracy of recall from new pairs."""

    def batch(generator: torch.Generator, count: int = BATCH) -> tuple[tuple[Tensor, ...], Tensor]:
        key = torch.randn(count, PAIRS, KEY, generator=generator)
        label = torch.randint(CLASSES, (count, PAIRS), generator=generator)
        place = torch.randint(PAIRS, (count,), generator=generator)
        rows = torch.arange(count)
        asked = key[rows, place] + 0.1 * torch.randn(count, KEY, generator=generator)
        return (key, one_hot(label, CLASSES).float(), asked), label[rows, place]

    torch.manual_seed(seed)
    model = make()
    _train(model, batch, steps, seed, cross_entropy)
    inputs, target = batch(torch.Generator().manual_seed(seed + 10**6), 2000)
    with torch.no_grad():
        return _right(model.eval()(*inputs).argmax(-1), target)


def _train(
    model: nn.Module,
    batch: Callable[[torch.Generator], tuple[Sequence[Tensor], Tensor]],
    steps: int,
    seed: int,
    loss: Callable[[Tensor, Tensor], Tensor],
) -> None:
    """AdamW on fresh batches; the learning rate rises to 1e-2 and falls to 0."""
    optimiser = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    model.train()
    for _ in range(steps):
        inputs, target = batch(generator)
        optimiser.zero_grad()
        loss(model(*inputs), target).backward()
        optimiser.step()
        schedule.step()
    model.eval()


def _right(answer: Tensor, label: Tensor) -> float:
    return (answer == label).double().mean().item()


STORES = Claim(
    "layers-store",
    "abstract, sentence 7; section 4",
    "As layers of deep networks, Hopfield networks store raw input data, intermediate results or "
    "learned prototypes, and give access to them.",
    f"On handwritten digits each of the three reaches {LEARNS:g} on test data with every seed: "
    f"accuracy by retrieval from the stored training set; AUC on bags whose features are stored "
    f"and pooled; accuracy of a layer whose stored patterns are learned. Partly: one or two of "
    f"them.",
    check_stores,
)
MECHANISMS = Claim(
    "mechanisms",
    "abstract, sentence 8; section 4",
    "Hopfield layers provide pooling, memory, association and attention, beyond fully-connected, "
    "convolutional and recurrent networks.",
    "Every seed of the Hopfield network does better than every seed of what it is compared with: "
    "pooling of bags beside their mean; completion of half-hidden digits beside the nearest stored "
    "one; recall of pairs beside a fully-connected and a convolutional network and an LSTM. "
    "Partly: some of them.",
    check_mechanisms,
)
