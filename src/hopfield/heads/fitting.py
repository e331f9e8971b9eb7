"""What of a corpus a model can take: how long sequences may be, and which tokens it knows."""

from collections.abc import Iterable
from typing import Any

from torch import nn

from hopfield.errors import ArgumentError
from hopfield.heads.corpus import LONGEST, Corpus, tokenized


def sequences_for(
    model: nn.Module,
    processor: Any,
    texts: Iterable[str] | Corpus,
    max_length: int | None,
    max_sequences: int | None = None,
) -> Corpus:
    """Texts as sequences that the model can take.

    Args:
        model: of transformers.
        processor: its tokenizer; not looked at for a `Corpus`.
        texts: documents, or sequences that are ready.
        max_length: see `tokenized`; by default no more than the model has places for, too.
        max_sequences: of texts; None for all.

    Raises:
        ArgumentError: the texts are empty, or the model cannot take them.
    """
    if isinstance(texts, Corpus):
        check_fits(model, texts)
        return texts
    if max_length is None:
        limits = (LONGEST, getattr(processor, "model_max_length", None), places(model))
        max_length = min(limit for limit in limits if limit is not None)
    corpus = tokenized(texts, processor, max_length, max_sequences)
    check_fits(model, corpus)
    return corpus


def check_fits(model: nn.Module, corpus: Corpus) -> None:
    """The model has places for the longest sequence, and knows all tokens.

    Raises:
        ArgumentError: it has not, or does not.
    """
    longest, most, known = corpus.longest, places(model), vocabulary(model)
    if longest is None:
        return
    if most is not None and longest > most:
        raise ArgumentError(
            f"sequences have up to {longest} tokens, but the model has {most} positions; "
            f"max_length={most} or less is expected"
        )
    highest = max(map(max, corpus.sequences))
    if known is not None and highest >= known:
        raise ArgumentError(
            f"the sequences have token {highest}, but the model knows the tokens 0 to {known - 1}; "
            f"the tokenizer of this model is expected"
        )


def places(model: nn.Module) -> int | None:
    """Tokens for which a model has positions; None: there is no limit, or it is not known."""
    count: int | None = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    if count is None:
        return None
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            # RoBERTa and its like count from the number of the padding token on
            skipped = 0 if module.padding_idx is None else module.padding_idx + 1
            count = min(count, module.num_embeddings - skipped)
    return count


def vocabulary(model: nn.Module) -> int | None:
    """How many tokens a model knows; None: it takes none, or does not say."""
    try:
        embedding = model.get_input_embeddings()  # type: ignore[operator]
    except (AttributeError, NotImplementedError):
        return None
    return getattr(embedding, "num_embeddings", None)
