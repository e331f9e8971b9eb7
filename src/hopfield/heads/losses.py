"""Losses whose gradient heads see, where the user gives none."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from hopfield.errors import ArgumentError
from hopfield.heads.corpus import Batch

HIDDEN = 0.15  # of the tokens or patches: Devlin et al. 2019

# Of a model's output for a batch: a number, the sum over its sequences.
Loss = Callable[[Any, Batch], Tensor]


@dataclass(frozen=True)
class Task:
    """What a model is asked.

    Attributes:
        name: of the loss, in words.
        ask: from a batch makes the one that the model reads, and the loss of its output.
    """

    name: str
    ask: Callable[[Batch], tuple[Batch, Callable[[Any], Tensor]]]


def given(loss: Loss) -> Task:
    """The loss that a user gives, of what the model makes of batches as they are."""

    def ask(batch: Batch) -> tuple[Batch, Callable[[Any], Tensor]]:
        return batch, lambda output: loss(output, batch)

    return Task(getattr(loss, "__name__", type(loss).__name__), ask)


def by_default(
    model: nn.Module, processor: Any, run: Callable[[Batch], Any], seed: int = 0
) -> Task:
    """What the model was made for.

    A masked language model is to find 15 % of the tokens, which are masked; a causal one the next
    token. Any other model is to make of a sequence of which 15 % (tokens or patches) are hidden
    what it makes of the whole one: the mean squared difference of its last hidden states, or else
    of its logits. The loss of a sequence is a mean over its places, that of a batch the sum over
    sequences, so that results do not depend on the batches.

    Args:
        model: of transformers.
        processor: the tokenizer, which has the token that masks.
        run: the model in eval mode.
        seed: of the choice of what is hidden.
    """
    auto = _names()
    kind, config = type(model).__name__, getattr(model, "config", None)
    generator = torch.Generator().manual_seed(seed)
    if kind in auto["causal"]:
        return Task("next token, cross-entropy", _next_token)
    mask = getattr(processor, "mask_token_id", None)
    whole = getattr(config, "vision_config", config)
    patch = getattr(whole, "patch_size", None)

    def found(batch: Batch) -> tuple[Batch, Callable[[Any], Tensor]]:
        hidden, places = _hide(batch, generator, mask, patch)
        tokens = batch.inputs["input_ids"]
        return hidden, lambda output: _cross_entropy(output.logits, tokens, places)

    def alike(batch: Batch) -> tuple[Batch, Callable[[Any], Tensor]]:
        hidden, _ = _hide(batch, generator, mask, patch)
        with torch.no_grad():
            wanted = _made(run(batch))
        return hidden, lambda output: _difference(_made(output), wanted, batch)

    if kind in auto["masked"] and not getattr(config, "is_encoder_decoder", False):
        return Task("masked tokens, cross-entropy", found)
    return Task("what is made of the whole, from 85 % of it: squared difference", alike)


def _names() -> dict[str, set[str]]:
    """Classes of transformers that are language models."""
    from transformers.models.auto import modeling_auto

    masked = modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES.values()
    causal = modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()
    return {"masked": set(masked), "causal": set(causal)}


def _next_token(batch: Batch) -> tuple[Batch, Callable[[Any], Tensor]]:
    tokens = batch.inputs["input_ids"]
    there = batch.inputs["attention_mask"][:, 1:].bool()
    return batch, lambda output: _cross_entropy(output.logits[:, :-1], tokens[:, 1:], there)


def _cross_entropy(logits: Tensor, tokens: Tensor, there: Tensor) -> Tensor:
    """Of each sequence the mean over its places that are there, summed up."""
    tokens, there = tokens.to(logits.device), there.to(logits.device)
    each = functional.cross_entropy(logits.mT.float(), tokens, reduction="none")
    return ((each * there).sum(-1) / there.sum(-1).clamp(min=1)).sum()


def _made(output: Any) -> Tensor:
    """What a model makes of its input."""
    for name in ("last_hidden_state", "logits"):
        made = getattr(output, name, None)
        if isinstance(made, Tensor):
            return made
    raise ArgumentError(
        f"the model returns {type(output).__name__}, which has neither last_hidden_state nor "
        f"logits; a loss of your own is expected: loss=function of output and batch"
    )


def _difference(made: Tensor, wanted: Tensor, batch: Batch) -> Tensor:
    """Of each sequence the mean squared difference over its places, summed up."""
    each = (
        (made.float() - wanted.float()).square().flatten(2).mean(-1)
        if made.dim() > 2
        else (made.float() - wanted.float()).square()
    )
    mask = batch.inputs.get("attention_mask")
    if mask is None or mask.shape != each.shape:
        return each.mean(-1).sum()
    there = mask.to(each)
    return ((each * there).sum(-1) / there.sum(-1)).sum()


def _hide(
    batch: Batch, generator: torch.Generator, mask: int | None, patch: int | None
) -> tuple[Batch, Tensor]:
    """A batch of which some tokens or patches are hidden, and where, `(B, places)`."""
    inputs = dict(batch.inputs)
    if "input_ids" in inputs:
        if mask is None:
            raise ArgumentError(
                "the tokenizer has no token that masks; a loss of your own is expected: "
                "loss=function of output and batch"
            )
        tokens = inputs["input_ids"]
        content = inputs["attention_mask"].bool()
        if batch.special is not None:
            content = content & ~batch.special
        places = torch.stack([_chosen(own, generator) for own in content])
        inputs["input_ids"] = tokens.masked_fill(places, mask)
        return replace(batch, inputs=inputs), places
    if patch is None or "pixel_values" not in inputs:
        raise ArgumentError(
            f"what to hide of {', '.join(inputs)} is not known for this model; a loss of your own "
            f"is expected: loss=function of output and batch"
        )
    pixels = inputs["pixel_values"]
    high, wide = pixels.shape[-2] // patch, pixels.shape[-1] // patch
    grid = torch.ones(high * wide, dtype=torch.bool)
    places = torch.stack([_chosen(grid, generator) for _ in pixels])
    squares = places.view(-1, 1, high, wide).repeat_interleave(patch, -2)
    hidden = torch.zeros_like(pixels, dtype=torch.bool)
    hidden[..., : high * patch, : wide * patch] = squares.repeat_interleave(patch, -1)
    inputs["pixel_values"] = pixels.masked_fill(hidden, 0.0)
    return replace(batch, inputs=inputs), places


def _chosen(content: Tensor, generator: torch.Generator) -> Tensor:
    """Some of the places that have content, `(places,)`; padding does not change which."""
    where = content.nonzero()[:, 0]
    count = min(len(where), max(1, round(HIDDEN * len(where))))
    chosen = torch.zeros_like(content)
    chosen[where[torch.randperm(len(where), generator=generator)[:count]]] = True
    return chosen
