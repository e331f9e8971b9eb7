"""`read`: sequences that fit a model, from text, a dataset or images."""

from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from hopfield.errors import ArgumentError
from hopfield.heads.corpus import Corpus, read_dataset, read_images, read_texts
from hopfield.heads.fitting import sequences_for
from hopfield.heads.source import Source

READS = {"input_ids": "text", "pixel_values": "images"}


def read(
    source: Source,
    *,
    text: str | Path | None = None,
    dataset: str | None = None,
    images: str | Path | None = None,
    max_length: int | None = None,
    max_sequences: int | None = None,
    progress: bool = False,
) -> Corpus:
    """The sequences that a model is looked at with, from one of text, dataset and images.

    Args:
        source: the model, and what makes its inputs.
        text: a text file, or a folder of .txt files; each file is a document.
        dataset: `NAME[:SPLIT[:COLUMN]]` of the `datasets` library; each row is a document.
        images: a folder of images.
        max_length: tokens of a sequence; see `tokenized`.
        max_sequences: how many are taken at most; None for all.
        progress: whether to show it.

    Raises:
        ArgumentError: not one of the three is given, or the model reads something else.
        FileError: there is nothing to read.
    """
    given = [one for one in (text, dataset, images) if one is not None]
    if len(given) != 1:
        raise ArgumentError(f"{len(given)} of text, dataset and images are given; give one")
    kind = "text" if images is None else "images"
    wanted = str(getattr(source.model, "main_input_name", "input_ids"))
    if READS.get(wanted) != kind:
        raise ArgumentError(
            f"{source.name} reads {READS.get(wanted, wanted)}, not {kind}; give what it reads"
        )
    if images is not None:
        return read_images(images, source.processor, max_sequences)
    texts: Iterable[str] = read_dataset(dataset) if dataset is not None else read_texts(given[0])
    with tqdm(texts, "reading", unit=" documents", disable=not progress) as shown:
        return sequences_for(source.model, source.processor, shown, max_length, max_sequences)
