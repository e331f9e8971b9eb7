"""Replacements are fine-tuned: the model learns to give what it gave before."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from tqdm import tqdm

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.heads.replacement.gaussian import GaussianAttention
from hopfield.heads.replacement.install import replaced_heads, unreplaced
from hopfield.heads.replacement.measure import last_hidden
from hopfield.huggingface.recording import in_eval_mode


def distil(
    model: nn.Module,
    batches: Sequence[Mapping[str, Tensor]],
    *,
    epochs: int = 3,
    rate: float = 0.01,
    progress: bool = False,
) -> list[float]:
    """Fine-tune the replacements of a model, and nothing else of it, by Adam.

    The loss is the squared distance of the last hidden states from those that the model has without
    replacements, as a share of their variance over the batch.

    Args:
        model: with replaced heads, before `prune`; their parameters are changed.
        batches: text.
        epochs: how often all of it is seen.
        rate: the step of Adam at first, which falls to 0 like a cosine; of the centre of a
            Gaussian in units of its σ, so that one that looks at a single key keeps it in sight.
        progress: whether to show it.

    Returns:
        The mean loss of each epoch.

    Raises:
        ArgumentError: no replaced head has parameters, or an argument is bad.
    """
    epochs, rate = _check.positive_int("epochs", epochs), _check.positive("rate", rate)
    heads = [one for by_head in replaced_heads(model).values() for one in by_head.values()]
    learned = [parameter for head in heads for parameter in head.parameters()]
    gaussians = [head for head in heads if isinstance(head, GaussianAttention)]
    if not learned:
        raise ArgumentError(
            "no replaced head of the model has parameters: 'gaussian' and 'mean' have"
        )
    wanted = {parameter: parameter.requires_grad for parameter in model.parameters()}
    optimizer = torch.optim.Adam(learned, rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(batches))
    losses = []
    try:
        for parameter in wanted:
            parameter.requires_grad_(any(parameter is one for one in learned))
        with in_eval_mode(model), torch.enable_grad():
            for epoch in range(epochs):
                total = 0.0
                for inputs in tqdm(batches, f"fine-tuning {epoch + 1}", disable=not progress):
                    loss = _loss(model, inputs)
                    optimizer.zero_grad()
                    loss.backward()
                    with _in_sigmas(gaussians):
                        optimizer.step()
                    schedule.step()
                    total += loss.item()
                losses.append(total / len(batches))
    finally:
        for parameter, wants in wanted.items():
            parameter.requires_grad_(wants)
    return losses


@contextmanager
@torch.no_grad()
def _in_sigmas(heads: Iterable[GaussianAttention]) -> Iterator[None]:
    """Each μ moves by σ times as much as it does inside."""
    before = [(head, head.mu.clone(), head.log_sigma.exp()) for head in heads]
    yield
    for head, mu, sigma in before:
        head.mu.copy_(torch.lerp(mu, head.mu, sigma))


def _loss(model: nn.Module, inputs: Mapping[str, Tensor]) -> Tensor:
    with torch.no_grad(), unreplaced(model):
        before, real = last_hidden(model, inputs)
    now, _ = last_hidden(model, inputs)
    apart = ((now - before).square() * real).sum()
    middle = (before * real).sum((0, 1)) / real.sum()
    return apart / ((before - middle).square() * real).sum()
