"""What a model is looked at with: texts, images or other tensors, as sequences in batches."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hopfield import _check
from hopfield._text import one_line
from hopfield.errors import ArgumentError, FileError

LONGEST = 512  # tokens, where neither the user nor the tokenizer says less
SHORTEST = 32  # tokens of what is left of a document; shorter sequences cannot have class IV
IMAGES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")


@dataclass(frozen=True)
class Batch:
    """Some sequences of a corpus.

    Attributes:
        inputs: the keyword arguments of the model, `(B, …)` each; padding is at the end.
        group: of each sequence, `(B,)`, from 0: neighbours of one document share one.
        special: `(B, N)`, True at the tokenizer's special tokens; None where there are no tokens.
        number: of each sequence in its corpus, `(B,)`; None: they are of none.
    """

    inputs: dict[str, Tensor]
    group: Tensor
    special: Tensor | None = None
    number: Tensor | None = None


@dataclass(frozen=True)
class Corpus:
    """Sequences of one kind.

    Attributes:
        sequences: token numbers of each, special tokens included; or tensors.
        document: the number of the document that each comes from, rising.
        special: the numbers of special tokens.
        padding: the number of the token that fills up.
        name: of the argument of the model that takes them.
        batch_dim: the dimension of tensors along which a batch is stacked; None: none is.
    """

    sequences: Sequence[Any]
    document: Sequence[int]
    special: tuple[int, ...] = ()
    padding: int = 0
    name: str = "input_ids"
    batch_dim: int | None = 0

    def __post_init__(self) -> None:
        if not isinstance(self.sequences, Sequence) or isinstance(self.sequences, str):
            raise ArgumentError(
                f"sequences are a {type(self.sequences).__name__}; a list is expected, with a "
                f"sequence of token numbers, or a tensor, in each place"
            )
        if not self.sequences or not all(_has_tokens(one) for one in self.sequences):
            raise ArgumentError(
                "the corpus has no sequences, or an empty one; sequences with tokens are expected"
            )
        tensors = [isinstance(one, Tensor) for one in self.sequences]
        numbers = () if any(tensors) else (*self.sequences, self.special, (self.padding,))
        if any(tensors) != all(tensors) or not all(map(_whole, numbers)):
            raise ArgumentError(
                "a sequence of the corpus, or its special tokens or padding, is something else "
                "than whole numbers from 0; token numbers, or tensors alone, are expected"
            )
        if len(self.document) != len(self.sequences):
            raise ArgumentError(
                f"document has {len(self.document)} numbers for {len(self.sequences)} sequences; "
                f"one for each is expected"
            )

    @classmethod
    def of_tensors(
        cls, tensors: Iterable[Tensor], name: str, batch_dim: int | None = 0
    ) -> "Corpus":
        """Sequences that are tensors, such as `(N, d)`, images `(C, H, W)` or waves `(T,)`.

        Only tensors of the same shape share a batch, so that there is no padding.

        Args:
            tensors: one for each sequence, without a dimension for the batch.
            name: of the argument of the model that takes them, such as "src" for PyTorch's
                `TransformerEncoder` or "pixel_values" for transformers' models of images.
            batch_dim: where the model wants the batch: 0 first, 1 second, as PyTorch's layers
                without `batch_first`; None: it takes one sequence at a time, without a batch.

        Raises:
            ArgumentError: there are none, or something else.
        """
        tensors = list(tensors)
        for number, one in enumerate(tensors):
            if not isinstance(one, Tensor) or one.dim() == 0:
                raise ArgumentError(
                    f"sequence {number} is a {type(one).__name__} without dimensions; a tensor is "
                    f"expected for each sequence"
                )
        return cls(tensors, range(len(tensors)), name=name, batch_dim=batch_dim)

    @property
    def longest(self) -> int | None:
        """Tokens of the longest sequence; None where there are no tokens."""
        return None if self._of_tensors else max(map(len, self.sequences))

    @property
    def _of_tensors(self) -> bool:
        return isinstance(self.sequences[0], Tensor)

    def groups(self, count: int) -> Tensor:
        """At most `count` groups of neighbouring sequences, of almost equal size, `(n,)`."""
        n = len(self.sequences)
        return torch.arange(n) * min(count, n) // n

    def batches(self, size: int, groups: int = 50, skip: int = 0) -> Iterator[Batch]:
        """Batches, the longest sequences first.

        Args:
            size: sequences of a batch, at most.
            groups: how many there are at most.
            skip: sequences to leave out at the beginning.
        """
        size = 1 if self.batch_dim is None else size
        order = sorted(range(len(self.sequences)), key=self._order)
        for _, alike in groupby(order[skip:], key=self._shape):
            numbers = list(alike)
            for start in range(0, len(numbers), size):
                yield self.batch(numbers[start : start + size], groups)

    def batch(self, numbers: Sequence[int], groups: int = 50) -> Batch:
        """A batch of the sequences of these numbers; tensors have the same shape."""
        sequences = [self.sequences[n] for n in numbers]
        number = torch.as_tensor(numbers)
        group = self.groups(groups)[number]
        if self._of_tensors:
            dim = self.batch_dim
            stacked = sequences[0] if dim is None else torch.stack(sequences, dim)
            return Batch({self.name: stacked}, group, None, number)
        width = max(map(len, sequences))
        tokens = torch.full((len(sequences), width), self.padding)
        mask = torch.zeros(len(sequences), width, dtype=torch.long)
        for row, sequence in enumerate(sequences):
            tokens[row, : len(sequence)] = torch.tensor(sequence)
            mask[row, : len(sequence)] = 1
        special = torch.isin(tokens, torch.tensor(self.special, dtype=torch.long)) & mask.bool()
        return Batch({self.name: tokens, "attention_mask": mask}, group, special, number)

    def _shape(self, number: int) -> tuple[int, ...]:
        """What the sequences of a batch have in common: nothing, where there are tokens."""
        return tuple(self.sequences[number].shape) if self._of_tensors else ()

    def _order(self, number: int) -> tuple[int, ...]:
        """Rises from the longest sequence to the shortest."""
        one = self.sequences[number]
        return (-(one.numel() if self._of_tensors else len(one)), *self._shape(number))


def _has_tokens(sequence: Any) -> bool:
    return isinstance(sequence, (Sequence, Tensor)) and len(sequence) > 0


def _whole(tokens: Sequence[Any]) -> bool:
    """Whether all are whole numbers from 0."""
    return all(isinstance(token, Integral) and int(token) >= 0 for token in tokens)


def tokenized(
    texts: Iterable[str],
    tokenizer: Any,
    max_length: int | None = None,
    max_sequences: int | None = None,
) -> Corpus:
    """Texts as sequences of tokens, each cut into windows with special tokens of their own.

    What is left at the end of a cut text is dropped where it is shorter than 32 tokens.

    Args:
        texts: documents.
        tokenizer: of transformers.
        max_length: tokens of a sequence, special ones included; by default what the tokenizer
            says, 512 at most.
        max_sequences: how many are made at most; None for all.

    Raises:
        ArgumentError: there is no text in the texts, or the length or the number is bad.
    """
    if not hasattr(tokenizer, "all_special_ids"):
        raise ArgumentError(
            f"the processor is a {type(tokenizer).__name__}; texts need a tokenizer of "
            f"transformers (read_images makes sequences of images)"
        )
    if isinstance(texts, str):
        raise ArgumentError("texts is one string; a list of documents is expected: [text]")
    if max_length is None:
        max_length = min(LONGEST, tokenizer.model_max_length)
    max_length = _check.positive_int("max_length", max_length)
    max_sequences = _limit(max_sequences)
    before, after = _frame(tokenizer)
    room = max_length - len(before) - len(after)
    if room < 1:
        raise ArgumentError(
            f"max_length is {max_length}; the tokenizer adds {len(before) + len(after)} special "
            f"tokens, so that more is expected"
        )
    sequences: list[list[int]] = []
    document: list[int] = []
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise ArgumentError(f"text {number} is a {type(text).__name__}; a string is expected")
        body = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        for start in range(0, len(body), room):
            window = body[start : start + room]
            if start == 0 or len(window) >= min(SHORTEST, room):
                sequences.append([*before, *window, *after])
                document.append(number)
        if max_sequences is not None and len(sequences) >= max_sequences:
            break
    if not sequences:
        raise ArgumentError("the texts are empty; texts with words are expected")
    tells = {tokenizer.unk_token_id, tokenizer.mask_token_id}  # these stand for words
    special = tuple(one for one in tokenizer.all_special_ids if one not in tells)
    padding = 0 if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    return Corpus(sequences[:max_sequences], document[:max_sequences], special, padding)


def _limit(max_sequences: int | None) -> int | None:
    if max_sequences is None:
        return None
    return _check.positive_int("max_sequences", max_sequences)


def _frame(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The special tokens that a tokenizer puts before and after a text."""
    inner = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    for start in range(len(whole) - len(inner) + 1):
        if inner and whole[start : start + len(inner)] == inner:
            return whole[:start], whole[start + len(inner) :]
    raise ArgumentError(
        "the tokenizer makes nothing of the letter a, or something else when it adds special "
        "tokens; one that puts them before and after a text is expected"
    )


def read_texts(path: str | Path) -> list[str]:
    """The documents of a text file, or of the .txt files of a folder by name, in UTF-8.

    Raises:
        FileError: there is no text: the file is missing, empty or binary.
    """
    path = Path(path)
    files = sorted(path.glob("*.txt")) if path.is_dir() else [path]
    if not files:
        raise FileError(
            f"{path} holds no .txt files; a text file, or a folder of them, is expected"
        )
    return [_read(file) for file in files]


def _read(file: Path) -> str:
    try:
        text = file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{file} is no text in UTF-8 ({error.reason}); convert it first") from error
    except OSError as error:
        raise FileError(
            f"{file} cannot be read: {error.strerror}; a text file is expected"
        ) from error
    if "\0" in text:
        raise FileError(f"{file} is binary; a text file in UTF-8 is expected")
    if not text.strip():
        raise FileError(f"{file} is empty; a text file with words is expected")
    return text


def read_dataset(name: str) -> Iterator[str]:
    """The texts of a dataset by the `datasets` library, from the hub or from a folder of files.

    Args:
        name: `NAME`, `NAME:SPLIT` or `NAME:SPLIT:COLUMN`; by default split "train", column "text".

    Raises:
        ArgumentError: the name has more parts.
        FileError: it cannot be loaded, has no such column, or other things than texts in it.
        MissingExtraError: the `datasets` library is not installed.
    """
    datasets = _check.extra("datasets", "datasets")
    name, *chosen = name.split(":")
    if len(chosen) > 2:
        raise ArgumentError(
            f"the dataset is {name}:{':'.join(chosen)}; NAME:SPLIT:COLUMN is expected"
        )
    split, column = (*chosen, *("train", "text")[len(chosen) :])
    try:
        for row in datasets.load_dataset(name, split=split, streaming=True):
            if column not in row:
                raise FileError(f"dataset {name} has no column {column!r}, but {', '.join(row)}")
            text = "" if row[column] is None else row[column]
            if not isinstance(text, str):
                raise FileError(
                    f"column {column!r} of dataset {name} holds a {type(text).__name__}; texts are "
                    f"expected"
                )
            yield text
    except FileError:
        raise
    except Exception as error:  # whatever the library raises for what it cannot load
        raise FileError(f"dataset {name} ({split}) cannot be loaded: {one_line(error)}") from error


def read_images(folder: str | Path, processor: Any, max_sequences: int | None = None) -> Corpus:
    """The images of a folder, by name, as an image processor makes them ready.

    Raises:
        FileError: the folder holds no images, or one cannot be read.
    """
    image = _check.extra("PIL.Image", "heads")
    files = sorted(file for file in Path(folder).glob("*") if file.suffix.lower() in IMAGES)
    if not files:
        raise FileError(f"{folder} holds no images; files like {', '.join(IMAGES)} are expected")
    pixels = []
    for file in files[: _limit(max_sequences)]:
        try:
            opened = image.open(file).convert("RGB")
        except (OSError, ValueError, SyntaxError, image.DecompressionBombError) as error:
            raise FileError(f"{file} cannot be read as an image: {one_line(error)}") from error
        pixels.append(processor(opened, return_tensors="pt")["pixel_values"][0])
    return Corpus.of_tensors(pixels, "pixel_values")
