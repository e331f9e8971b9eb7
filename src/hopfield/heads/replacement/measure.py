"""What harm does to a model, text by text: of its loss, or of its embedding."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, cross_entropy

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.heads.replacement.layers import call

MASKED = 0.15  # of the tokens, as BERT was trained
IGNORED = -100  # where cross entropy looks at no token


class Measure(ABC):
    """How much worse a changed model does on texts than the same model unchanged."""

    name: ClassVar[str]

    @abstractmethod
    def answers(self, model: nn.Module, inputs: Mapping[str, Tensor]) -> Float[Tensor, "B ..."]:
        """What is compared, for each sequence of a batch."""

    @abstractmethod
    def damage(
        self, now: Float[Tensor, "B ..."], before: Float[Tensor, "B ..."]
    ) -> Float[Tensor, " B"]:
        """How much worse answers are than those before; 0 where they are the same."""


class Embedding(Measure):
    """1 − the cosine of the mean last hidden state, padding left out, to what it was."""

    name = "1 − cosine of the embedding"

    def answers(self, model: nn.Module, inputs: Mapping[str, Tensor]) -> Float[Tensor, "B d"]:
        hidden, real = last_hidden(model, inputs)
        return (hidden.double() * real).sum(1) / real.sum(1)

    def damage(self, now: Float[Tensor, "B d"], before: Float[Tensor, "B d"]) -> Tensor:
        return 1 - cosine_similarity(now, before, dim=-1)


class _Loss(Measure):
    """The mean cross entropy of some tokens of a text, in nats."""

    def damage(self, now: Float[Tensor, " B"], before: Float[Tensor, " B"]) -> Tensor:
        return now - before

    @staticmethod
    def _of(logits: Tensor, wanted: Tensor) -> Tensor:
        """The mean over the tokens that count, `(B,)`; 0 for a text without."""
        each = cross_entropy(
            logits.float().mT, wanted.to(logits.device), ignore_index=IGNORED, reduction="none"
        )
        return each.double().sum(-1) / (wanted != IGNORED).sum(-1).clamp(min=1).to(logits.device)


class CausalLoss(_Loss):
    """The mean loss of the next token."""

    name = "loss of the next token (nats)"

    def answers(self, model: nn.Module, inputs: Mapping[str, Tensor]) -> Float[Tensor, " B"]:
        tokens = inputs["input_ids"]
        mask = inputs.get("attention_mask", torch.ones_like(tokens))
        wanted = tokens.masked_fill(mask == 0, IGNORED)[:, 1:]
        return self._of(call(model, inputs).logits[:, :-1], wanted)


class MaskedLoss(_Loss):
    """The mean loss of tokens that are masked: 15 % of each text, always the same ones.

    Args:
        mask_token: its number.
        special: numbers of tokens that are never masked.
    """

    name = "loss of masked tokens (nats)"

    def __init__(self, mask_token: int, special: Sequence[int]) -> None:
        self.mask_token, self.special = mask_token, torch.tensor(special, dtype=torch.int64)

    def answers(self, model: nn.Module, inputs: Mapping[str, Tensor]) -> Float[Tensor, " B"]:
        tokens = inputs["input_ids"].cpu()
        real = inputs.get("attention_mask", torch.ones_like(tokens)).cpu() != 0
        hidden = torch.stack([self._hidden(*one) for one in zip(tokens, real, strict=True)])
        given = {**inputs, "input_ids": tokens.masked_fill(hidden, self.mask_token)}
        return self._of(call(model, given).logits, tokens.masked_fill(~hidden, IGNORED))

    def _hidden(self, tokens: Tensor, real: Tensor) -> Tensor:
        """Which tokens of a text are masked: at least one that is real and not special."""
        may = real & ~torch.isin(tokens, self.special)
        text = torch.Generator().manual_seed(int(tokens[may].sum()))
        chance = torch.rand(int(may.sum()), generator=text)
        least = chance.topk(min(1, len(chance)), largest=False).values
        hidden = torch.zeros_like(may)
        hidden[may] = (chance < MASKED) | torch.isin(chance, least)
        return hidden


def measure_of(model: nn.Module, tokenizer: Any = None, name: str = "auto") -> Measure:
    """How harm to a model is measured.

    Args:
        model: of transformers.
        tokenizer: its tokenizer, for the loss of masked tokens.
        name: "causal", "masked" or "embedding"; "auto": the loss that the model was trained with
            if it has a head for it, told by the name of its class, and else the embedding.

    Raises:
        ArgumentError: the name is unknown, or the model or the tokenizer does not allow it.
    """
    kind = type(model).__name__
    _check.choice("measure", name, ["auto", "causal", "masked", "embedding"])
    if name == "auto":
        decoder = bool(getattr(model.config, "is_encoder_decoder", False))
        if decoder or model.get_output_embeddings() is None:  # type: ignore[operator]
            name = "embedding"
        elif kind.endswith(("ForMaskedLM", "ForPreTraining")):
            name = "masked"
        else:
            name = "causal"
    if name == "embedding":
        return Embedding()
    if model.get_output_embeddings() is None:  # type: ignore[operator]
        raise ArgumentError(
            f"measure is {name!r}, but {kind} predicts no tokens; 'embedding' is expected, or a "
            f"model with such a head"
        )
    if name == "causal":
        return CausalLoss()
    if getattr(tokenizer, "mask_token_id", None) is None:
        raise ArgumentError(
            "the tokenizer has no mask token, which the loss of masked tokens needs; measure="
            "'embedding' does without"
        )
    return MaskedLoss(tokenizer.mask_token_id, tokenizer.all_special_ids)


def last_hidden(model: nn.Module, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The last hidden state of a model without its head, and what of it is no padding.

    Returns:
        `(B, N, d)`, and 1 or 0, `(B, N, 1)`.

    Raises:
        ArgumentError: the model has no hidden state for each token.
    """
    output = call(getattr(model, "base_model", model), inputs)
    hidden = getattr(output, "last_hidden_state", None)
    if hidden is None or hidden.dim() != 3:
        raise ArgumentError(
            f"{type(model).__name__} has no last hidden state of tokens or patches; a part of it "
            f"that has, such as its vision_model, is expected"
        )
    name = "decoder_attention_mask" if "decoder_input_ids" in inputs else "attention_mask"
    mask = inputs.get(name)
    if mask is None or mask.shape != hidden.shape[:2]:
        return hidden, hidden.new_ones(*hidden.shape[:2], 1)
    return hidden, mask[..., None].to(hidden)
