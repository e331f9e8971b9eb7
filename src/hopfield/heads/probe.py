"""`probe`: the statistics of a model's heads over a corpus."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from tqdm import tqdm

from hopfield import _check
from hopfield.errors import ArgumentError, FileError
from hopfield.files.arrays import load_arrays
from hopfield.files.claim import claim
from hopfield.files.whole import written_whole
from hopfield.heads.corpus import Batch, Corpus
from hopfield.heads.fitting import sequences_for
from hopfield.heads.identity import identity
from hopfield.heads.memory import is_memory
from hopfield.heads.statistics import HeadStatistics, arrays_of, tallies_of
from hopfield.heads.tally import Tally
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
    on the size of batches, padding included, beyond rounding; where memory is not enough for a
    batch, its halves are looked at.

    Args:
        model: any that calls attention through transformers' interface, or has PyTorch's attention
            or layers of this library (see `modules`). It comes back as it was.
        processor: its tokenizer; not looked at for a `Corpus`.
        texts: documents, or sequences that are ready, such as `Corpus.of_tensors`.
        mode: "side", "exact" or "sample", see `Watcher`; by default "exact", and "sample" for more
            than 200 000 tokens.
        sample: states of each sequence that are looked at, in mode "sample".
        batch_size: sequences that go through the model at once.
        max_length: tokens of a sequence; see `tokenized`. By default the model has places for
            them, too.
        seed: of the choice of states, and of the bootstrap.
        out: a folder that keeps what was seen; the same call goes on where it was stopped.
        progress: whether to show it.

    Raises:
        ArgumentError: texts are empty, the model cannot be looked at, memory is not enough for
            one sequence, or `out` holds something else; the message says what to do.
        FileError: what `out` keeps is damaged.
    """
    batch_size = _check.positive_int("batch_size", batch_size)
    if mode is not None:
        _check.choice("mode", mode, Mode.__args__)  # type: ignore[attr-defined]
    sample = _check.positive_int("sample", sample)
    corpus = sequences_for(model, processor, texts, max_length)
    tokens = 0 if corpus.longest is None else sum(map(len, corpus.sequences))
    chosen: Mode = mode or ("sample" if tokens > MANY else "exact")
    watcher = Watcher(model, mode=chosen, sample=sample, seed=seed)
    folder = None if out is None else Path(out)
    if folder is not None:
        settings = identity(model, corpus) | {"mode": chosen, "sample": sample, "seed": seed}
        if folder.is_dir() and [file.name for file in folder.iterdir()] == [SETTINGS]:
            (folder / SETTINGS).unlink()  # of a probe that came to nothing
        claim(folder, SETTINGS, settings, "probe")
        if (folder / STATE).exists():
            watcher.tallies, watcher.done = _load(folder / STATE)
    total = len(corpus.sequences)
    shown = tqdm(
        None, "probing", total, unit="sequence", disable=not progress, initial=watcher.done
    )
    saved = time.monotonic()
    try:
        for batch in corpus.batches(batch_size, skip=watcher.done):
            _run(watcher, corpus, batch)
            shown.update(len(batch.group))
            if folder is not None and time.monotonic() - saved > SAVED_EVERY:
                _save(folder, watcher)
                saved = time.monotonic()
    finally:
        shown.close()
        if folder is not None and watcher.whole and watcher.done:
            _save(folder, watcher)
    return HeadStatistics.of(watcher.tallies, seed)


def _run(watcher: Watcher, corpus: Corpus, batch: Batch) -> None:
    """A batch; where memory is not enough for it, its halves."""
    try:
        watcher.run(batch)
        return
    except (MemoryError, RuntimeError) as error:
        if not is_memory(error):
            raise
    # outside, so that the error no longer holds what filled the memory
    assert batch.number is not None
    numbers = batch.number.tolist()
    if len(numbers) == 1:
        shape = _check.shape_of(next(iter(batch.inputs.values())))
        raise ArgumentError(
            f"memory is not enough for one sequence, of shape {shape}; a smaller max_length, or "
            f"mode='sample', is expected"
        )
    half = len(numbers) // 2
    for some in (numbers[:half], numbers[half:]):
        _run(watcher, corpus, corpus.batch(some))


def _save(folder: Path, watcher: Watcher) -> None:
    with written_whole(folder / STATE) as part, part.open("wb") as file:
        kept = arrays_of(watcher.tallies) | {"done": np.array(watcher.done)}
        np.savez_compressed(file, allow_pickle=False, **kept)


def _load(path: Path) -> tuple[list[Tally], int]:
    """What `_save` kept."""
    try:
        arrays = load_arrays(path)
        return tallies_of(arrays), int(arrays["done"])
    except (FileError, IndexError, KeyError, TypeError, ValueError) as error:
        raise FileError(
            f"{path} is damaged, or is no state of a probe; remove it to begin anew"
        ) from error
