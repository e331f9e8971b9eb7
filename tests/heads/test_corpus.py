"""Sequences for models to be looked at with: from texts, tokens, tensors, images and datasets."""

import gc
import sys

import pytest
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from hopfield.errors import ArgumentError, FileError, MissingExtraError
from hopfield.heads import Corpus, read_dataset, read_images, read_texts, tokenized

WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]", *"abcdefgh"]


def tokenizer(frame="[CLS] $A [SEP]", words=WORDS, **more):
    whole = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, "[UNK]"))
    whole.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if frame is not None:
        ends = [(word, words.index(word)) for word in ("[CLS]", "[SEP]") if word in frame]
        whole.post_processor = processors.TemplateProcessing(frame, None, ends)
    names = {"unk_token": "[UNK]", "mask_token": "[MASK]", "cls_token": "[CLS]"}
    names |= {"sep_token": "[SEP]"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=whole, **names | more)


def test_texts_are_cut_into_windows():
    text = " ".join("abcdefgh"[n % 8] for n in range(100))
    found = tokenized([text, "a b", ""], tokenizer(pad_token="[PAD]"), max_length=40)
    assert [len(one) for one in found.sequences] == [40, 40, 4]  # 24 are left, which are too few
    assert list(found.document) == [0, 0, 1]
    assert all(one[0] == 1 and one[-1] == 2 for one in found.sequences)
    assert found.sequences[0][1:-1] + found.sequences[1][1:-1] == [5 + n % 8 for n in range(76)]
    assert sorted(found.special) == [0, 1, 2]  # those for unknown and masked words stand for words
    assert found.longest == 40
    assert tokenized([text] * 9, tokenizer(), 40, max_sequences=3).document == [0, 0, 1]


@pytest.mark.parametrize(
    ("frame", "expected"),
    [("[CLS] $A [SEP]", [1, 5, 2]), ("[CLS] $A", [1, 5]), ("$A [SEP]", [5, 2]), (None, [5])],
)
def test_special_tokens_go_where_the_tokenizer_puts_them(frame, expected):
    assert tokenized(["a"], tokenizer(frame)).sequences == [expected]


def test_without_a_token_for_padding():
    corpus = tokenized(["a b c", "d"], tokenizer())
    (batch,) = corpus.batches(2)
    assert batch.inputs["input_ids"].tolist() == [[1, 5, 6, 7, 2], [1, 8, 2, 0, 0]]
    assert batch.inputs["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert batch.special.tolist() == [
        [True, False, False, False, True],
        [True, False, True, False, False],
    ]


def test_tokenizers_in_python():
    corpus = tokenized(["abc", "né"], transformers.ByT5Tokenizer())
    assert corpus.sequences == [[100, 101, 102, 1], [113, 198, 172, 1]]
    assert 1 in corpus.special


def test_the_length_is_what_the_tokenizer_says_and_512_at_most():
    text = "a " * 2000
    assert tokenized([text], tokenizer()).longest == 512
    assert tokenized([text], tokenizer(model_max_length=100)).longest == 100


REFUSED = {
    "no texts": ([], {}, "the texts are empty"),
    "empty texts": (["", " \n"], {}, "the texts are empty"),
    "one string": ("some text", {}, r"texts is one string; .* expected: \[text\]"),
    "no strings": (["a", b"b"], {}, "text 1 is a bytes; a string is expected"),
    "a number": ([3], {}, "text 0 is a int"),
    "length 0": (["a"], {"max_length": 0}, "max_length is 0"),
    "no room": (["a"], {"max_length": 2}, r"max_length is 2; .* adds 2 special tokens"),
    "max_sequences 0": (["a"], {"max_sequences": 0}, "max_sequences is 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_texts_that_are_refused(name):
    texts, more, message = REFUSED[name]
    with pytest.raises(ArgumentError, match=message):
        tokenized(texts, tokenizer(), **more)


@pytest.mark.parametrize("processor", [None, object(), transformers.ViTImageProcessorPil()])
def test_what_is_no_tokenizer(processor):
    with pytest.raises(ArgumentError, match=r"the processor is a \w+; texts need a tokenizer"):
        tokenized(["a"], processor)


def test_a_tokenizer_without_words():
    empty = transformers.PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()))
    with pytest.raises(ArgumentError, match="makes nothing of the letter a"):
        tokenized(["a"], empty)


# Batches.


def test_batches_and_their_numbers():
    sequences = [[5] * n for n in (3, 9, 1, 4)]
    corpus = Corpus(sequences, range(4))
    first, second = corpus.batches(3, groups=2)
    assert first.number.tolist() == [1, 3, 0]
    assert second.number.tolist() == [2]
    assert first.group.tolist() == [0, 1, 0]
    assert first.inputs["attention_mask"].sum(-1).tolist() == [9, 4, 3]
    assert [b.number.tolist() for b in corpus.batches(2, skip=1)] == [[3, 0], [2]]
    assert corpus.batch([3, 1]).number.tolist() == [3, 1]


@pytest.mark.parametrize(
    ("batch_dim", "shapes"),
    [
        (0, [(2, 6, 4), (2, 5, 4), (1, 5, 4)]),
        (1, [(6, 2, 4), (5, 2, 4), (5, 1, 4)]),
        (None, [(6, 4)] * 2 + [(5, 4)] * 3),
    ],
)
def test_tensors_of_one_shape_share_a_batch(batch_dim, shapes):
    tensors = [torch.randn(n, 4) for n in (5, 6, 5, 6, 5)]
    corpus = Corpus.of_tensors(tensors, "src", batch_dim)
    batches = list(corpus.batches(2))
    assert [tuple(batch.inputs["src"].shape) for batch in batches] == shapes
    assert [n for batch in batches for n in batch.number.tolist()] == [1, 3, 0, 2, 4]
    assert corpus.longest is None
    skipped = corpus.batches(2, skip=3)
    assert [n for batch in skipped for n in batch.number.tolist()] == [2, 4]


@pytest.mark.parametrize("tensors", [[], [torch.zeros(())], [[1.0, 2.0]], [torch.zeros(0, 3)]])
def test_what_is_no_tensor_of_a_sequence(tensors):
    with pytest.raises(ArgumentError, match=r"no sequences|a tensor is expected"):
        Corpus.of_tensors(tensors, "src")


@pytest.mark.parametrize("sequences", [[], [[5], []]])
def test_empty_sequences(sequences):
    with pytest.raises(ArgumentError, match="no sequences, or an empty one"):
        Corpus(sequences, range(len(sequences)))


# Files.


def test_texts_of_a_folder(tmp_path):
    for name, text in (("b.txt", "second"), ("a.txt", "first — ü"), ("c.md", "none")):
        (tmp_path / name).write_text(text, "utf-8")
    assert read_texts(tmp_path) == ["first — ü", "second"]
    assert read_texts(str(tmp_path / "c.md")) == ["none"]


FILES = {
    "missing": (None, "cannot be read: No such file"),
    "empty": (b"", "is empty; a text file with words is expected"),
    "blank": (b" \n\t", "is empty"),
    "binary": (b"a\x00b", "is binary"),
    "image": (b"\x89PNG\r\n\x1a\n\x00", r"is no text in UTF-8 \(.*\); convert it first"),
    "latin": ("für".encode("latin-1"), "is no text in UTF-8"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_text(tmp_path, name):
    content, message = FILES[name]
    if content is not None:
        (tmp_path / "text.txt").write_bytes(content)
    with pytest.raises(FileError, match=message):
        read_texts(tmp_path / "text.txt")


def test_a_folder_without_texts(tmp_path):
    with pytest.raises(FileError, match=r"holds no \.txt files"):
        read_texts(tmp_path)


def test_images(tmp_path):
    for name in ("b.png", "a.jpg"):
        Image.new("RGB", (20, 30), "red").save(tmp_path / name)
    processor = transformers.ViTImageProcessorPil(size={"height": 12, "width": 12})
    corpus = read_images(tmp_path, processor)
    (batch,) = corpus.batches(8)
    assert batch.inputs["pixel_values"].shape == (2, 3, 12, 12)
    assert len(read_images(tmp_path, processor, max_sequences=1).sequences) == 1
    with pytest.raises(ArgumentError, match="max_sequences is -1"):
        read_images(tmp_path, processor, max_sequences=-1)
    (tmp_path / "c.png").write_bytes(b"no image")
    with pytest.raises(FileError, match=r"c\.png cannot be read as an image"):
        read_images(tmp_path, processor)


def test_a_folder_without_images(tmp_path):
    with pytest.raises(FileError, match=r"holds no images; files like \.bmp"):
        read_images(tmp_path, None)


# Datasets.


def test_datasets_without_their_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'hopfield\[datasets\]'"):
        next(read_dataset("some"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of files that the library reads."""
    library = pytest.importorskip("datasets")
    monkeypatch.setattr(library.config, "HF_HUB_OFFLINE", True)
    (tmp_path / "train.csv").write_text('text,label\n"a b",1\n,2\n"c",3\n')
    yield tmp_path
    gc.collect()  # it leaves files open, which is told of here


leaves_files_open = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@leaves_files_open
def test_a_dataset_of_a_folder(folder):
    assert list(read_dataset(str(folder))) == ["a b", "", "c"]
    assert list(read_dataset(f"{folder}:train:text")) == ["a b", "", "c"]


@leaves_files_open
@pytest.mark.parametrize(
    ("what", "message"),
    [
        (":test", r"\(test\) cannot be loaded: Bad split"),
        (":train:words", "has no column 'words', but text, label"),
        (":train:label", "column 'label' of dataset .* holds a int; texts are expected"),
        ("/none", "cannot be loaded"),
        (":train:text:more", "NAME:SPLIT:COLUMN is expected"),
    ],
)
def test_datasets_that_are_refused(folder, what, message):
    with pytest.raises(ArgumentError, match=message):
        list(read_dataset(f"{folder}{what}"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sequences": "hello"}, "sequences are a str"),
        ({"sequences": iter([[1]])}, "sequences are a list_iterator"),
        ({"sequences": [1, 2]}, "no sequences, or an empty one"),
        ({"sequences": [[1.5, 2.0], [3]]}, "than whole numbers from 0"),
        ({"sequences": [["a"], ["b"]]}, "than whole numbers from 0"),
        ({"sequences": [[1, -1], [2]]}, "than whole numbers from 0"),
        ({"sequences": [[1], torch.ones(2)]}, "or tensors alone"),
        ({"special": ("a",)}, "than whole numbers from 0"),
        ({"padding": None}, "than whole numbers from 0"),
        ({"document": [0]}, "document has 1 numbers for 2 sequences"),
    ],
)
def test_what_is_no_corpus(given, message):
    with pytest.raises(ArgumentError, match=message):
        Corpus(**{"sequences": [[1, 2], [3]], "document": [0, 1], **given})


def test_a_mark_of_the_order_of_bytes_is_no_text(tmp_path):
    (tmp_path / "marked.txt").write_text("\ufeffwords")
    assert read_texts(tmp_path / "marked.txt") == ["words"]
    (tmp_path / "empty.txt").write_text("\ufeff")
    with pytest.raises(FileError, match="is empty"):
        read_texts(tmp_path / "empty.txt")
