"""Tiny random models with a tokenizer, saved to folders as users have them; quick reports."""

import io

import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from hopfield.heads.report import figures
from hopfield.report import Figure

SCRIPT = "<script>alert('no')</script>"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = [*SPECIAL, SCRIPT, *(f"word{n}" for n in range(35))]
SIZES = {
    "hidden_size": 16,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 64,
    "initializer_range": 0.5,
}


def save(folder, layers=2, seed=0, **sizes):
    """A model like BERT, and its tokenizer."""
    torch.manual_seed(seed)
    config = transformers.BertConfig(
        num_hidden_layers=layers, vocab_size=len(WORDS), **SIZES | sizes
    )
    transformers.BertModel(config).save_pretrained(folder)
    whole = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, "[UNK]"))
    whole.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    ends = [(name, WORDS.index(name)) for name in ("[CLS]", "[SEP]")]
    whole.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, ends)
    names = dict(zip(("pad", "unk", "cls", "sep"), SPECIAL, strict=True))
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=whole,
        model_max_length=64,
        **{f"{key}_token": name for key, name in names.items()},
    ).save_pretrained(folder)
    return folder


def save_vision(folder):
    """A model that sees images of 12 × 12 pixels in 9 patches, and its image processor."""
    torch.manual_seed(0)
    config = transformers.ViTConfig(num_hidden_layers=1, image_size=12, patch_size=4, **SIZES)
    transformers.ViTModel(config).save_pretrained(folder)
    size = {"height": 12, "width": 12}
    transformers.ViTImageProcessorPil(size=size).save_pretrained(folder)
    return folder


def save_text(file, lengths=(150, 90, 12), seed=0):
    """A folder of documents of so many words."""
    generator = torch.Generator().manual_seed(seed)
    file.mkdir()
    for number, length in enumerate(lengths):
        words = torch.randint(len(SPECIAL), len(WORDS), (length,), generator=generator)
        (file / f"{number}.txt").write_text(" ".join(WORDS[n] for n in words))
    return file


def draw_quickly(patch):
    """Pictures are not drawn, which takes most of the time of a report."""
    buffer = io.BytesIO()
    Image.new("RGB", (2, 2)).save(buffer, "png")
    png = buffer.getvalue()
    drawn = classmethod(lambda cls, draw, caption, alt: cls(png, png, caption, alt))
    patch.setattr(Figure, "drawn", drawn)
    patch.setattr(figures, "save", lambda pictures, folder: None)
