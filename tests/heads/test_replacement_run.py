"""`replace`: from a model and texts to a smaller model, its figures and a page."""

import json

import numpy as np
import pytest
import torch
import transformers

from hopfield.errors import ArgumentError
from hopfield.heads import load, read_texts, tokenized
from hopfield.heads.corpus import Corpus
from hopfield.heads.replacement import (
    Estimate,
    HeadScore,
    load_replaced,
    replace,
)
from hopfield.heads.replacement.correlation import correlate
from hopfield.heads.replacement.parts import parted
from hopfield.heads.replacement.speed import compare_speed
from saved_models import draw_quickly, save, save_text

MEASURED = "replacement.measured.jsonl"


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A model, and texts."""
    folder = tmp_path_factory.mktemp("given")
    texts = read_texts(save_text(folder / "text", [30 + 5 * (n % 7) for n in range(40)]))
    return load(save(folder / "model")), texts


@pytest.fixture(scope="module")
def smaller(given, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        draw_quickly(patch)
        return replace(*given, tmp_path_factory.mktemp("out") / "smaller", budget=0.2, epochs=1)


def test_the_smaller_model_is_in_its_folder(given, smaller):
    source, texts = given
    tokens = transformers.AutoTokenizer.from_pretrained(smaller.folder)(
        texts[0], return_tensors="pt"
    )
    loaded = load_replaced(smaller.folder)
    with torch.no_grad():
        found, expected = loaded(**tokens), smaller.model(**tokens)
        whole = source.model(**tokens).last_hidden_state
    assert torch.equal(found.last_hidden_state, expected.last_hidden_state)
    assert not torch.allclose(found.last_hidden_state, whole, atol=1e-4)
    assert smaller.parameters[1] == sum(one.numel() for one in loaded.parameters())
    assert smaller.parameters[1] < smaller.parameters[0]
    assert smaller.parameters[0] == sum(one.numel() for one in source.model.parameters())


def test_figures_are_those_of_the_model(given, smaller):
    """The test text is the last part, and the damage that of embeddings."""
    source, texts = given
    *_, test = parted(tokenized(texts, source.processor))
    cosines = []
    for number in range(len(test.sequences)):
        inputs = test.batch([number]).inputs
        with torch.no_grad():
            pair = [
                model(**inputs).last_hidden_state.mean(1) for model in (source.model, smaller.model)
            ]
        cosines.append(torch.cosine_similarity(*pair).item())
    assert smaller.test.mean == pytest.approx(1 - np.mean(cosines), abs=1e-5)
    assert 0 < smaller.choice.damage.mean <= 0.2
    assert smaller.sequences == (20, 10, 10)


def test_the_file_and_the_page_say_it(smaller):
    kept = json.loads((smaller.folder / "replacement.json").read_text())
    assert kept["damage"]["test"]["mean"] == smaller.test.mean
    assert kept["parameters"] == dict(zip(("before", "after"), smaller.parameters, strict=True))
    replaced = [head for head in kept["heads"] if head["replaced_by"]]
    assert len(replaced) == smaller.choice.heads
    assert len(kept["heads"]) == 4
    for head in kept["heads"]:
        assert sorted(head["damage"]) == ["gaussian", "mean", "uniform", "zero"]
    page = (smaller.folder / "report.html").read_text("utf-8")
    assert f"{smaller.choice.heads} of 4 heads are replaced" in page
    assert "Gaussian of places" in page
    assert str(smaller).endswith(str(smaller.folder))
    assert len(smaller.losses) == 1


def test_pictures_are_drawn(smaller):
    from hopfield.heads.replacement.page import page

    html = page(smaller).html()
    assert html.count("data:image/png") == 6  # on light and on dark ground


def test_the_same_call_measures_nothing_again(given, smaller, monkeypatch):
    draw_quickly(monkeypatch)
    measured = (smaller.folder / MEASURED).read_bytes()
    again = replace(*given, smaller.folder, budget=0.2, epochs=1)
    assert (smaller.folder / MEASURED).read_bytes() == measured
    assert again.scores == smaller.scores
    assert again.test == smaller.test
    other = replace(*given, smaller.folder, budget=0.1, epochs=1)
    assert other.scores == smaller.scores
    assert other.choice.damage.mean <= 0.1


def test_no_head_fits(given, tmp_path):
    with pytest.raises(ArgumentError, match=r"no head fits the budget of 1e-09: the least damage"):
        replace(*given, tmp_path / "out", budget=1e-9, kinds=["zero"])


def test_what_is_refused(given, smaller, tmp_path):
    source, texts = given
    with pytest.raises(ArgumentError, match="budget is -1"):
        replace(source, texts, tmp_path / "out", budget=-1)
    with pytest.raises(ArgumentError, match="a kind is 'flat'"):
        replace(source, texts, tmp_path / "out", budget=1.0, kinds=["flat"])
    with pytest.raises(ArgumentError, match=r"4 sequences, .* give more texts"):
        replace(source, texts[:4], tmp_path / "out", budget=1.0)
    with pytest.raises(ArgumentError, match="with other settings"):
        replace(source, texts, smaller.folder, budget=1.0, kinds=["zero"])


def test_parts_have_no_document_in_common():
    corpus = Corpus([[n] for n in range(200)], [n // 3 for n in range(200)])
    parts = parted(corpus)
    assert [len(set(part.document)) for part in parts] == [33, 16, 18]
    assert sorted(one[0] for part in parts for one in part.sequences) == list(range(200))
    together = [set(part.document) for part in parts]
    assert not together[0] & together[1] | together[0] & together[2] | together[1] & together[2]
    assert parted(corpus)[0].document == parts[0].document
    assert parted(corpus, seed=1)[0].document != parts[0].document


def test_one_document_is_cut_into_stretches():
    corpus = Corpus([[n] for n in range(200)], [0] * 200)
    part = [one[0] for one in parted(corpus)[0].sequences]
    assert len(part) == 100
    assert all(set(range(n - n % 10, n - n % 10 + 10)) <= set(part) for n in part)


def test_correlation_of_ranks():
    """Over all heads and within layers it may be the opposite."""
    scores = [
        HeadScore(layer, head, "zero", Estimate(*[10.0 * (layer == "b") + sign * head] * 3))
        for layer, sign in (("a", -1), ("b", -1))
        for head in range(4)
    ]
    share = {(one.layer, one.head): one.head + 5.0 * (one.layer == "b") for one in scores}
    (found,) = correlate(scores, share)
    assert found.within == pytest.approx(-1)
    assert found.rho > 0.5
    assert (found.kind, found.heads) == ("zero", 8)
    same = dict.fromkeys(share, 1.0)
    assert np.isnan(correlate(scores, same)[0].rho)


def test_speed_is_a_ratio():
    class Slow(torch.nn.Linear):
        times = 1

        def forward(self, input_ids):
            for _ in range(self.times):
                input_ids = super().forward(input_ids)
            return input_ids

    quick, slow = Slow(64, 64), Slow(64, 64)
    slow.times = 200
    found = compare_speed(slow, quick, {"input_ids": torch.randn(8, 64)}, rounds=5)
    assert found.ratio > 10
    assert found.low <= found.ratio <= found.high
    assert found.shape == (8, 64)


def test_without_parameters_there_is_nothing_to_fine_tune(given, tmp_path, monkeypatch):
    draw_quickly(monkeypatch)
    found = replace(*given, tmp_path / "out", budget=1.0, epochs=1, kinds=["uniform", "zero"])
    assert found.losses == ()
    assert found.choice.heads > 0
