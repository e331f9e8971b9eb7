"""Handwritten digits of which one half is hidden, retrieved from digits that are stored.

They are those that scikit-learn carries: 1 797 images of 8 × 8 pixels from 0 to 16. They are
centred on the mean of the stored ones and normalised: all patterns lie on the unit sphere.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from hopfield import _check
from hopfield.retrieval import Retrieval, retrieve

SIDE = 8
HIDDEN = torch.arange(SIDE * SIDE) >= SIDE * SIDE // 2  # the lower half of the image
CANDIDATES = (4.0, 8.0, 16.0, 32.0, 64.0, 128.0)


@dataclass(frozen=True)
class Digits:
    """The data.

    Attributes:
        stored: `(N, 64)`, centred and normalised.
        stored_label: `(N,)`.
        pixels: `(N, 64)`, as they were, 0 to 16.
        test_pixels: `(T, 64)`.
        test_label: `(T,)`.
        mean: `(64,)`, of the stored digits' pixels.
    """

    stored: Tensor
    stored_label: Tensor
    pixels: Tensor
    test_pixels: Tensor
    test_label: Tensor
    mean: Tensor

    def in_pixels(self, patterns: Tensor) -> Tensor:
        """Centred patterns as images again; one of length 1 gets the mean contrast of a digit."""
        contrast = (self.pixels - self.mean).norm(dim=-1).mean()
        return (self.mean + contrast * patterns).clamp(0, 16)


def load_digits(seed: int) -> Digits:
    """A fifth of the digits for testing, the others stored; each label in proportion."""
    datasets = _check.extra("sklearn.datasets", "learn")
    selection = _check.extra("sklearn.model_selection", "learn")
    data = datasets.load_digits()
    parts = selection.train_test_split(
        data.data, data.target, test_size=0.2, random_state=seed, stratify=data.target
    )
    pixels, test_pixels, label, test_label = (torch.from_numpy(part) for part in parts)
    pixels, test_pixels = pixels.float(), test_pixels.float()
    mean = pixels.mean(0)
    stored = normalize(pixels - mean, dim=-1)
    return Digits(stored, label.long(), pixels, test_pixels, test_label.long(), mean)


@dataclass(frozen=True)
class Completion:
    """Half-hidden digits, retrieved.

    Attributes:
        image: `(T, 64)`, in pixels: the visible half as it was, the hidden one as retrieved.
        label: `(T,)`, as read out.
        retrieval: what `retrieve` returned; None where it was not used.
    """

    image: Tensor
    label: Tensor
    retrieval: Retrieval | None


def complete(
    pixels: Tensor, stored: Tensor, label: Tensor, mean: Tensor, beta: float, **more: Any
) -> Completion:
    """Hide the lower half of images, retrieve from what is left, read out image and label."""
    visible = (pixels - mean).masked_fill(HIDDEN, 0.0)
    state = normalize(visible, dim=-1)
    classes = one_hot(label, 10).to(stored.dtype)
    result = retrieve(state, stored, classes, beta=beta, steps=2001, tol=1e-5, **more)
    image = (_with_hidden_half(visible, result.state) + mean).clamp(0, 16)
    return Completion(image, result.readout.argmax(-1), result)


def _with_hidden_half(visible: Tensor, retrieved: Tensor) -> Tensor:
    """Fill the hidden half from a retrieved pattern, scaled to fit the visible half."""
    seen = retrieved.masked_fill(HIDDEN, 0.0)
    scale = (visible * seen).sum(-1, keepdim=True) / seen.square().sum(-1, keepdim=True)
    return torch.where(HIDDEN, scale * retrieved, visible)


def pixel_error(image: Tensor, pixels: Tensor) -> float:
    """Root mean square error of the hidden pixels; a pixel goes from 0 to 16."""
    return (image - pixels)[:, HIDDEN].square().mean().sqrt().item()


def choose_beta(digits: Digits, seed: int) -> float:
    """The β that best retrieves half-hidden stored digits from the others; test digits stay out."""
    order = torch.randperm(len(digits.stored), generator=torch.Generator().manual_seed(seed))
    held, rest = order[:300], order[300:]

    def error(beta: float) -> float:
        stored, label = digits.stored[rest], digits.stored_label[rest]
        done = complete(digits.pixels[held], stored, label, digits.mean, beta)
        return pixel_error(done.image, digits.pixels[held])

    return min(CANDIDATES, key=error)


def nearest_neighbour(digits: Digits) -> Completion:
    """What a user would pick instead: the stored digit nearest to the visible half."""
    visible = (digits.test_pixels - digits.mean).masked_fill(HIDDEN, 0.0)
    state = normalize(visible, dim=-1)
    seen = normalize(digits.stored.masked_fill(HIDDEN, 0.0), dim=-1)
    nearest = (state @ seen.T).argmax(-1)
    image = (_with_hidden_half(visible, digits.stored[nearest]) + digits.mean).clamp(0, 16)
    return Completion(image, digits.stored_label[nearest], None)
