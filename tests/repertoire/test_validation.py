"""What figures mean in words: chance, what pooling adds, confounders that do as well."""

from dataclasses import replace

import numpy as np
import pytest

from hopfield.repertoire.baselines import ensemble
from hopfield.repertoire.intervals import Estimate
from hopfield.repertoire.splits import Split
from hopfield.repertoire.targets import Target
from hopfield.repertoire.validation import ENSEMBLE, Validation, interval

HALVES = [
    Split("fold 1", np.arange(100, 200), np.arange(100)),
    Split("fold 2", np.arange(100), np.arange(100, 200)),
]
LABEL = np.tile([0.0, 1.0], 100)
WORSE = "Pooling is worse than regression on the gapped k-mers that seed it"
TARGET = Target("illness", "binary", LABEL, ("no", "yes"))


def predictions(strength, seed):
    """Probabilities that go with the label, more or less."""
    noise = np.random.default_rng(seed).normal(size=200)
    chance = 1 / (1 + np.exp(-(strength * (LABEL - 0.5) + noise)))
    return np.stack([1 - chance, chance], 1)


def judged(target=TARGET, **strengths):
    names = {
        "ours": "Hopfield pooling",
        "kmers": "gapped k-mers",
        "svm": "MinMax SVM",
        "batch": "batch alone",
    }
    told = {
        (split.name, names[name]): {
            "0": predictions(strength, seed)[split.test],
            "seconds": np.array(1.5),
        }
        for seed, (name, strength) in enumerate(strengths.items())
        for split in HALVES
    }
    return Validation.of(target, 0, HALVES, told)


def test_predictions_are_put_where_they_belong():
    one = judged(ours=2, kmers=1, svm=1, batch=0)
    np.testing.assert_array_equal(one.predictions["Hopfield pooling"], predictions(2, 0))
    assert list(one.metrics) == [
        "Hopfield pooling",
        "gapped k-mers",
        "MinMax SVM",
        ENSEMBLE,
        "batch alone",
    ]
    members = [one.predictions[name] for name in list(one.predictions)[:3]]
    np.testing.assert_allclose(one.predictions[ENSEMBLE], ensemble(members))
    assert one.seconds["batch alone"] == (1.5, 1.5)
    assert one.fold.tolist() == [0] * 100 + [1] * 100
    assert len(one.metrics["batch alone"].folds) == 2


@pytest.mark.parametrize(
    ("strengths", "verdict"),
    [
        ({"ours": 4, "kmers": 1}, "Pooling adds to the gapped k-mers"),
        ({"ours": 1, "kmers": 4}, f"{WORSE} (use that)"),
        ({"ours": -4, "kmers": -1}, f"{WORSE}, for illness"),
        ({"ours": 2, "kmers": 2}, "Pooling adds nothing that can be shown here"),
    ],
)
def test_what_pooling_adds(strengths, verdict):
    assert judged(**strengths, batch=0).findings()[1].startswith(verdict)


def test_chance_is_called_chance():
    for strength, verdict in ((0, "is not shown to predict"), (2, "predicts")):
        sentence = judged(ours=strength, kmers=0, batch=0).findings()[0]
        assert f"{verdict} illness better than chance (0.5)" in sentence


def test_r2_below_0_is_said_in_words():
    amount = Target("amount", "regression", LABEL, ())
    one = judged(ours=2, kmers=1, batch=0)
    poor = replace(one, target=amount)
    below, above = Estimate(-0.1, -0.2, 0.1), Estimate(0.1, -0.1, 0.2)
    assert poor.said(below) == "-0.100 (-0.200 to 0.100), no better than the mean"
    assert poor.said(above) == one.said(above) == "0.100 (-0.100 to 0.200)"


def test_a_confounder_that_does_as_well_is_a_warning():
    fair, foul = judged(ours=3, kmers=3, batch=0), judged(ours=3, kmers=3, batch=3)
    assert fair.suspects == []
    assert fair.findings()[2] == "No confounder alone predicts illness as well as the model."
    assert foul.suspects == ["batch alone"]
    assert foul.findings()[2].startswith(
        "WARNING: confounders predict illness as well as the model"
    )
    assert "batch alone 0.9" in foul.findings()[2]


def test_beside_a_model_at_chance_confounders_that_tell_more_are_named():
    fair, foul = judged(ours=0, kmers=0, batch=0), judged(ours=0, kmers=0, batch=3)
    assert fair.at_chance
    assert fair.findings()[2] == "No confounder is better than chance (0.5) either."
    assert foul.at_chance
    assert foul.suspects == ["batch alone"]
    assert foul.findings()[2].startswith(
        "WARNING: confounders predict illness better than chance (0.5): batch alone 0.9"
    )


def test_what_has_no_label_is_not_judged():
    values = np.where(np.arange(200) % 10 == 0, np.nan, LABEL)
    partly = Target("illness", "binary", values, ("no", "yes"))
    one = judged(partly, ours=2, kmers=1, batch=0)
    assert one.metrics["Hopfield pooling"].pooled.repertoires == 180
    assert not np.isnan(one.predictions["Hopfield pooling"]).any()


def test_intervals_as_text():
    assert interval(Estimate(0.5, 0.25, 0.75)) == "0.500 (0.250 to 0.750)"
    assert interval(Estimate(-1e-9, -1, 1)) == "0.000 (-1.000 to 1.000)"
    assert interval(Estimate(0.5, np.nan, np.nan, "why")) == "0.500 (no interval: why)"
    assert interval(Estimate(np.nan, np.nan, np.nan, "why")) == "none (why)"
