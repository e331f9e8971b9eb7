"""Training: it learns, stops, goes on to the same result, and says where it cannot."""

import math

import numpy as np
import pytest
import torch

from conftest import SMALL
from hopfield.errors import ArgumentError, FileError
from hopfield.repertoire import training
from hopfield.repertoire.classifier import RepertoireClassifier
from hopfield.repertoire.simulation import simulated

RANDOM = {"kernels": 4, "heads": 2, "v_size": 2, "j_size": 2, "start": "random", "epochs": 3}


@pytest.fixture
def fit(planted):
    """A fit of the first 12 repertoires, to its parameters."""

    def parameters(checkpoint=None, **settings):
        model = RepertoireClassifier(**RANDOM | {"patience": 9} | settings)
        some, labels = planted.repertoires[:12], planted.metadata["diagnosis"][:12]
        model.fit(some, labels, checkpoint=checkpoint)
        return model

    return parameters


def same(one, other):
    ours, theirs = (model.network_.state_dict() for model in (one, other))
    return all(torch.equal(ours[name], theirs[name]) for name in theirs)


def equal(one, other):
    """Histories; NaN is NaN."""
    pairs = [(one.training, other.training), (one.validation, other.validation)]
    return one.best == other.best and all(np.array_equal(*pair, equal_nan=True) for pair in pairs)


@pytest.fixture
def stopped(monkeypatch):
    """Ctrl-C in an epoch."""

    def in_epoch(epoch, run):
        made = training._epoch

        def stop(*given):
            if given[5] == epoch:
                raise KeyboardInterrupt
            return made(*given)

        with monkeypatch.context() as patch:
            patch.setattr(training, "_epoch", stop)
            with pytest.raises(KeyboardInterrupt):
                run()

    return in_epoch


def test_a_common_motif_is_learned_from_a_random_start():
    made = simulated(repertoires=20, sequences=100, signal="SFEN", witness=0.5, seed=1)
    settings = RANDOM | {"epochs": 6, "validation": 0, "learning_rate": 0.01}
    model = RepertoireClassifier(**settings).fit(made.repertoires, made.metadata["diagnosis"])
    losses = model.history_.training
    assert math.isnan(losses[0])
    assert losses[-1] < 0.7 * losses[1]


def test_without_epochs_the_start_is_the_model(planted):
    model = RepertoireClassifier(**SMALL | {"epochs": 0})
    model.fit(planted.repertoires[:30], planted.metadata["diagnosis"][:30])
    assert model.history_.best == 0
    assert len(model.history_.training) == 1
    assert model.score(planted.repertoires[30:], planted.metadata["diagnosis"][30:]) == 1


def test_what_is_pooled_is_standardised_over_the_rows_to_learn_from(fit, planted, monkeypatch):
    seen = []
    begin = training.begin
    monkeypatch.setattr(training, "begin", lambda *given: seen.append(given[2]) or begin(*given))
    network = fit(epochs=0).network_
    rows = seen[0].train
    with torch.no_grad():
        pooled = network.pool([planted.repertoires[i] for i in rows])
    standard = (pooled - network.mean) / network.scale
    torch.testing.assert_close(standard.mean(0), torch.zeros(standard.shape[1]), atol=1e-2, rtol=0)
    spread = standard.std(0, correction=0)
    assert (spread < 1.01).all()
    assert (spread > 0.99).float().mean() > 0.5


@pytest.mark.parametrize(("epoch", "start"), [(1, "random"), (2, "screen"), (3, "random")])
def test_stopped_training_goes_on_to_the_same_result(fit, stopped, tmp_path, epoch, start):
    whole = fit(start=start)
    checkpoint = tmp_path / "not yet there" / "checkpoint.pt"
    stopped(epoch, lambda: fit(checkpoint, start=start))
    assert checkpoint.exists() == (epoch > 1)
    went_on = fit(checkpoint, start=start)
    assert same(went_on, whole)
    assert equal(went_on.history_, whole.history_)
    assert not checkpoint.exists()
    assert [*tmp_path.rglob("*.part")] == []


def test_patience_ends_training_and_the_best_epoch_is_kept(fit, monkeypatch):
    losses = iter([0.7, 0.5, 0.6, 0.55, 0.1, 0.1])
    kept = []

    def evaluate(network, *given):
        kept.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return next(losses)

    monkeypatch.setattr(training, "evaluate", evaluate)
    model = fit(epochs=9, patience=2)
    assert model.history_.validation == (0.7, 0.5, 0.6, 0.55)
    assert model.history_.best == 1
    assert all(torch.equal(t, kept[1][name]) for name, t in model.network_.state_dict().items())


def test_a_validation_loss_that_is_no_number_is_never_the_best(fit, monkeypatch):
    losses = iter([0.7, 0.6, math.nan, math.nan])
    monkeypatch.setattr(training, "evaluate", lambda *given: next(losses))
    assert fit(epochs=3).history_.best == 1


@pytest.mark.parametrize("rate", [1e18, 1e30])
def test_a_learning_rate_that_is_too_high_is_an_error(fit, rate):
    with pytest.raises(ArgumentError, match=r"the loss became .* a learning_rate below 1e\+"):
        fit(learning_rate=rate, validation=0)


def test_a_share_of_the_receptors_is_near_all_of_them(planted):
    some, labels = planted.repertoires[:30], planted.metadata["diagnosis"][:30]
    settings = SMALL | {"epochs": 1}
    model = RepertoireClassifier(**settings, approximate=0.5).fit(some, labels)
    exact = RepertoireClassifier(**settings).fit(some, labels)
    assert not same(model, exact)
    held_out = planted.repertoires[30:]
    assert model.score(held_out, planted.metadata["diagnosis"][30:]) == 1
    assert model.history_.training[1] == pytest.approx(exact.history_.training[1], abs=0.1)
    assert same(RepertoireClassifier(**settings, approximate=1.0).fit(some, labels), exact)


def test_a_batch_is_the_mean_of_its_repertoires(fit, monkeypatch):
    gradients = []
    clip = training.clip_grad_norm_

    def seen(parameters, limit):
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in parameters]))
        return clip(parameters, limit)

    monkeypatch.setattr(training, "clip_grad_norm_", seen)
    settings = {"epochs": 1, "validation": 0, "start": "screen", "learning_rate": 1e-12}
    fit(batch=100, **settings)
    (whole,) = gradients
    gradients.clear()
    fit(batch=1, **settings)
    assert len(gradients) == 12
    torch.testing.assert_close(torch.stack(gradients).mean(0), whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half", b"no checkpoint at all"])
def test_a_damaged_checkpoint_is_an_error(fit, tmp_path, content):
    checkpoint = tmp_path / "checkpoint.pt"
    checkpoint.write_bytes(content)
    with pytest.raises(FileError, match="remove it to start anew"):
        fit(checkpoint)
    assert checkpoint.read_bytes() == content


@pytest.mark.parametrize(
    "other", [{"learning_rate": 0.1}, {"batch": 3}, {"kernels": 5}, {"validation": 0}, {"seed": 5}]
)
def test_a_checkpoint_of_other_training_is_an_error(fit, stopped, tmp_path, other):
    checkpoint = tmp_path / "checkpoint.pt"
    stopped(2, lambda: fit(checkpoint))
    with pytest.raises(FileError, match="other data or settings"):
        fit(checkpoint, **other)
    assert checkpoint.exists()


def test_another_object_of_torch_is_no_checkpoint(fit, tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    torch.save([1, 2], checkpoint)
    with pytest.raises(FileError, match="remove it to start anew"):
        fit(checkpoint)


def test_code_in_a_checkpoint_never_runs(fit, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    checkpoint = tmp_path / "checkpoint.pt"
    torch.save({"of": Evil()}, checkpoint)
    with pytest.raises(FileError):
        fit(checkpoint)
    assert not (tmp_path / "ran").exists()


def test_a_bar_is_shown_where_it_is_asked_for(planted, capsys):
    model = RepertoireClassifier(**RANDOM | {"epochs": 1})
    some, labels = planted.repertoires[:8], planted.metadata["diagnosis"][:8]
    model.fit(some, labels)
    assert capsys.readouterr() == ("", "")
    model.fit(some, labels, progress=True)
    assert "epoch 1" in capsys.readouterr().err
