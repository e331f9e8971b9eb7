"""English text that every Python installation has, as tokens: documentation and docstrings."""

import ast
import re
import sysconfig
import warnings
from collections.abc import Iterator
from hashlib import blake2b
from inspect import cleandoc
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import BertWordPieceTokenizer
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedTokenizerFast

from hopfield.files.whole import written_whole

LENGTH = 128  # tokens of a sequence
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNKNOWN, BEGIN, END, MASK = range(len(SPECIAL))
HELD_OUT = 50  # one document in so many
TEXTS = {".py", ".rst", ".txt", ".md"}
NAMED = re.compile(r"(LICEN[SC]E|COPYING|NOTICE|README|AUTHORS|CHANGE|HISTORY|NEWS)", re.I)
COMMON = set(
    re.findall(
        r"\w+",
        "the of and to a in is that for it as be this are with by on or not from an if which can "
        "will at when has have its but you may all any no was we other than must should",
    )
)
LONGEST_FILE = 4_000_000


def prepared(
    folder: Path, size: int, quick: bool = False
) -> tuple[Tensor, Tensor, PreTrainedTokenizerFast]:
    """Sequences to learn from and held-out ones, `(n, 128)` each, and their tokenizer.

    They are made once and kept in the folder, so that a run does not depend on what is installed
    later. Whole documents are held out.

    Args:
        folder: where they lie.
        size: of the vocabulary, which is learned from what is not held out.
        quick: take a hundredth of the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text, vocabulary = folder / "text.npz", folder / "tokenizer.json"
    if not text.exists():
        parts: list[list[str]] = [[], []]  # to learn from, held out
        number = 0
        for number, (_, paragraphs) in enumerate(documents(200 if quick else None), 1):
            parts[number % (4 if quick else HELD_OUT) == 0] += paragraphs
        tokenizer = BertWordPieceTokenizer(lowercase=True)
        tokenizer.train_from_iterator(
            parts[0], vocab_size=size, special_tokens=list(SPECIAL), show_progress=False
        )
        tokenizer.save(str(vocabulary))
        learned, held_out = (_sequences(tokenizer, part) for part in parts)
        with written_whole(text) as part, part.open("wb") as file:
            np.savez(file, learned=learned, held_out=held_out)
        megabytes = [sum(map(len, part)) / 1e6 for part in parts]
        print(
            f"{number} documents: {megabytes[0]:.1f} MB, {learned.size:,} tokens to learn from; "
            f"{megabytes[1]:.2f} MB, {held_out.size:,} tokens held out"
        )
    names = zip(("pad", "unk", "cls", "sep", "mask"), SPECIAL, strict=True)
    fast = PreTrainedTokenizerFast(
        tokenizer_file=str(vocabulary),
        model_max_length=LENGTH,
        **{f"{name}_token": token for name, token in names},
    )
    with np.load(text) as kept:
        learned, held_out = (torch.from_numpy(kept[name]) for name in ("learned", "held_out"))
    return learned.long(), held_out.long(), fast


def _sequences(tokenizer: BertWordPieceTokenizer, paragraphs: list[str]) -> NDArray[np.int16]:
    """Paragraphs one after another, each closed by [SEP], in sequences that open with [CLS]."""
    stream: list[int] = []
    for encoded in tokenizer.encode_batch(paragraphs, add_special_tokens=False):
        stream += [*encoded.ids, END]
    room = LENGTH - 1
    rows = np.array(stream[: len(stream) // room * room], np.int16).reshape(-1, room)
    return np.pad(rows, ((0, 0), (1, 0)), constant_values=BEGIN)


def documents(limit: int | None = None) -> Iterator[tuple[str, list[str]]]:
    """Names of files and their paragraphs of English prose; each paragraph comes once.

    Files come in the order of their names, below the standard library and then below the
    installed packages: with the same packages installed, the text is the same.

    Args:
        limit: of files; None for all.
    """
    seen: set[bytes] = set()
    for name, path in tqdm(
        list(islice(_files(), limit)), desc="reading", leave=False, mininterval=0.5
    ):
        paragraphs = []
        for paragraph in _paragraphs(path):
            letters = re.sub(r"[^a-z]", "", paragraph.lower())
            mark = blake2b(letters.encode(), digest_size=12).digest()
            if mark not in seen:
                seen.add(mark)
                paragraphs.append(paragraph)
        if paragraphs:
            yield name, paragraphs


def _files() -> Iterator[tuple[str, Path]]:
    standard, packages = (Path(sysconfig.get_path(place)) for place in ("stdlib", "purelib"))
    for root in (standard, packages):
        for path in _below(root, standard / "site-packages"):
            written = path.suffix in TEXTS or (not path.suffix and NAMED.match(path.name))
            if written and path.stat().st_size < LONGEST_FILE:
                yield path.relative_to(root).as_posix(), path


def _below(folder: Path, but: Path) -> Iterator[Path]:
    """The files in a folder and in those in it, by name."""
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            continue
        if path.is_file():
            yield path
        elif path.is_dir() and path != but:
            yield from _below(path, but)


def _paragraphs(path: Path) -> Iterator[str]:
    text = path.read_text("utf-8", errors="ignore")
    for part in _docstrings(text) if path.suffix == ".py" else [text]:
        for block in re.split(r"\n\s*\n", part):
            paragraph = " ".join(block.split())
            if _is_prose(paragraph):
                yield paragraph


def _docstrings(source: str) -> Iterator[str]:
    """Docstrings, and other strings of several paragraphs, such as the topics of `help`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" in node.value:
            yield cleandoc(node.value)


def _is_prose(paragraph: str) -> bool:
    """At least 12 words, one in five a common English one, and hardly anything but letters."""
    words = paragraph.split()
    if len(words) < 12 or ">>>" in paragraph or not paragraph.isascii():
        return False
    common = sum(word.strip(".,;:()").lower() in COMMON for word in words)
    plain = sum(character.isalpha() or character in " .,;'-" for character in paragraph)
    return common >= 0.2 * len(words) and plain >= 0.9 * len(paragraph)
