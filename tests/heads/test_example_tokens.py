"""What states read most, beside transformers' own weights."""

import pytest
import torch

from hopfield.heads import Corpus, load
from hopfield.heads.examples import examples
from hopfield.heads.reading import read
from saved_models import save, save_text
from tiny_models import make


class Numbers:
    """A tokenizer whose tokens are numbers."""

    def decode(self, tokens):
        return " ".join(map(str, tokens))


def test_the_heaviest_patterns_are_those_of_the_weights(tmp_path):
    source = load(save(tmp_path / "model"))
    corpus = read(source, text=save_text(tmp_path / "text", (150, 90, 12)))
    found = examples(source.model, source.processor, corpus)
    assert [[len(heads) for heads in layer] for layer in found] == [[3, 3]] * 2
    source.model.set_attn_implementation("eager")
    sequences = sorted((corpus.sequences[n] for n in (0, 1, 2)), key=len, reverse=True)
    for number, sequence in enumerate(sequences):
        with torch.no_grad():
            weights = source.model(torch.tensor([sequence]), output_attentions=True).attentions
        for layer, heads in enumerate(found):
            for head, shown in enumerate(heads):
                one = shown[number]
                own = weights[layer][0, head, one.place].topk(5)
                assert [read.place for read in one.reads] == own.indices.tolist()
                assert [read.weight for read in one.reads] == pytest.approx(
                    own.values.tolist(), rel=1e-4
                )
                words = source.processor.convert_ids_to_tokens(sequence)
                assert [read.token for read in one.reads] == [words[i] for i in own.indices]
                assert one.token == words[one.place]
                assert one.before == " ".join(words[max(0, one.place - 6) : one.place])
                assert one.after == " ".join(words[one.place + 1 : one.place + 7])
    assert len({shown.place for shown in found[0][0]}) > 1


def test_a_decoder_reads_its_encoder():
    model = make("bart", "sdpa")
    tokens = torch.randint(3, 99, (9,)).tolist()
    found = examples(model, Numbers(), Corpus([tokens], [0]))
    own, cross = found[2][0][0], found[3][0][0]  # of the decoder, after two layers of the encoder
    shifted = [model.config.decoder_start_token_id, *tokens[:-1]]
    assert own.token == str(shifted[own.place])
    assert all(read.place <= own.place for read in own.reads if read.weight > 0)
    assert cross.token == str(shifted[cross.place])
    assert [read.token for read in cross.reads] == [str(tokens[read.place]) for read in cross.reads]


def test_what_a_terminal_would_obey_is_shown():
    class Rude(Numbers):
        def decode(self, tokens):
            return "\x1b[31m\n\ud800"

    found = examples(make("bert", "sdpa"), Rude(), Corpus([[5, 6]], [0]))
    assert found[0][0][0].token == "\\x1b[31m\\n\ufffd"


def test_images_have_none():
    corpus = Corpus.of_tensors(torch.randn(2, 3, 12, 12), "pixel_values")
    assert examples(make("vit", "sdpa"), None, corpus) == [[[]] * 4] * 2
