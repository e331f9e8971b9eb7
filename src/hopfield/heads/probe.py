"""`probe`: the statistics of a model's heads over a corpus."""

import hashlib
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from hopfield import _check
from hopfield.errors import ArgumentError
from hopfield.files.arrays import load_arrays
from hopfield.files.claim import claim
from hopfield.files.whole import written_whole
from hopfield.heads.corpus import Batch, Corpus, tokenized
from hopfield.heads.statistics import HeadStatistics, arrays_of, tallies_of
from hopfield.heads.watcher import Mode, Watcher

MANY = 200_000  # tokens, from which some states of each sequence are enough
SAVED_EVERY = 30.0  # seconds
SETTINGS, STATE = "probe.json", "probe.npz"


def probe(
    model: nn.Module,
    processor: Any,
    texts: Iterable[str] | Corpus,
    *,
    mode: Mode | None = None,
    sample: int = 32,
    batch_size: int = 8,
    max_length: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    progress: bool = False,
) -> HeadStatistics:
    """What each head of a transformers model does, seen as retrieval, over texts.

    Memory does not grow with the number of texts, nor with that of layers. Results do not depend
    on the size of batches, padding included, beyond rounding.

    Args:
        model: any that calls attention through transformers' interface. It comes back as it was.
        processor: its tokenizer; not looked at for a `Corpus`.
        texts: documents, or sequences that are ready.
        mode: "side", "exact" or "sample", see `Watcher`; by default "exact", and "sample" for more
            than 200 000 tokens.
        sample: states of each sequence that are looked at, in mode "sample".
        batch_size: sequences that go through the model at once.
        max_length: tokens of a sequence; see `tokenized`.
        seed: of the choice of states, and of the bootstrap.
        out: a folder that keeps what was seen; the same call goes on where it was stopped.
        progress: whether to show it.

    Raises:
        ArgumentError: texts are empty, the model cannot be looked at, memory is not enough for
            one sequence, or `out` holds something else; the message says what to do.
    """
    batch_size = _check.positive_int("batch_size", batch_size)
    if mode is not None:
        _check.choice("mode", mode, Mode.__args__)  # type: ignore[attr-defined]
    sample = _check.positive_int("sample", sample)
    corpus = texts if isinstance(texts, Corpus) else tokenized(texts, processor, max_length)
    check_fits(model, corpus)
    tokens = 0 if corpus.longest is None else sum(map(len, corpus.sequences))
    chosen: Mode = mode or ("sample" if tokens > MANY else "exact")
    width = corpus.longest or _patches(model)
    watcher = Watcher(model, mode=chosen, sample=sample, width=width, seed=seed)
    done = 0
    folder = None if out is None else Path(out)
    if folder is not None:
        settings = {
            "model": f"{type(model).__name__} {_checksum(model)}",
            "sequences": f"{len(corpus.sequences)} {_digest(corpus)}",
            "mode": chosen,
            "sample": sample,
            "batch_size": batch_size,
            "seed": seed,
        }
        claim(folder, SETTINGS, settings, "probe")
        if (folder / STATE).exists():
            arrays = load_arrays(folder / STATE)
            done = int(arrays["done"])
            watcher.tallies = tallies_of(arrays)
    total = -(-len(corpus.sequences) // batch_size)
    shown = tqdm(total=total, initial=done, desc="probing", unit="batch", disable=not progress)
    saved = time.monotonic()
    try:
        for number, batch in enumerate(corpus.batches(batch_size, skip=done), done):
            _run(watcher, batch, number)
            done += 1
            shown.update()
            if folder is not None and time.monotonic() - saved > SAVED_EVERY:
                _save(folder, watcher, done)
                saved = time.monotonic()
    finally:
        shown.close()
        if folder is not None and watcher.tallies:
            _save(folder, watcher, done)
    return HeadStatistics.of(watcher.tallies, seed)


def _run(watcher: Watcher, batch: Batch, number: int) -> None:
    """A batch; where memory is not enough for it, its halves."""
    try:
        watcher.run(batch, number)
    except (MemoryError, RuntimeError) as error:
        if not _is_memory(error):
            raise
        size = len(batch.group)
        if size == 1:
            length = next(iter(batch.inputs.values())).shape[-1]
            raise ArgumentError(
                f"memory is not enough for one sequence of {length}; a smaller max_length, or "
                f"mode='sample', is expected"
            ) from error
        for half in (slice(size // 2), slice(size // 2, None)):
            special = None if batch.special is None else batch.special[half]
            inputs = {name: tensor[half] for name, tensor in batch.inputs.items()}
            _run(watcher, Batch(inputs, batch.group[half], special), number)


def _is_memory(error: Exception) -> bool:
    """Whether memory ran out: PyTorch has an error of its own on a GPU alone."""
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "not enough memory" in str(error)


def _save(folder: Path, watcher: Watcher, done: int) -> None:
    with written_whole(folder / STATE) as part, part.open("wb") as file:
        kept = arrays_of(watcher.tallies) | {"done": np.array(done)}
        np.savez_compressed(file, allow_pickle=False, **kept)


def check_fits(model: nn.Module, corpus: Corpus) -> None:
    """The model has places for the longest sequence."""
    places = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    if corpus.longest is not None and places is not None and corpus.longest > places:
        raise ArgumentError(
            f"sequences have up to {corpus.longest} tokens, but the model has {places} positions; "
            f"max_length={places} or less is expected"
        )


def _patches(model: nn.Module) -> int:
    """The most patterns that an image becomes."""
    config: Any = model.config
    config = getattr(config, "vision_config", config)
    return (int(config.image_size) // int(config.patch_size)) ** 2 + 8


def _checksum(model: nn.Module) -> str:
    """Tells models apart by their weights."""
    sums = [parameter.detach().double().sum().item() for parameter in model.parameters()]
    return hashlib.sha256(repr(sums).encode()).hexdigest()[:16]


def _digest(corpus: Corpus) -> str:
    """Tells corpora apart."""
    whole = hashlib.sha256()
    for one in corpus.sequences:
        whole.update(one.numpy().tobytes() if isinstance(one, torch.Tensor) else repr(one).encode())
    return whole.hexdigest()[:16]
