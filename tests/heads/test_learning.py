"""The heads of a model while it learns."""

import gzip

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM
from transformers.trainer_callback import CallbackHandler, TrainerControl, TrainerState

from hopfield.errors import ArgumentError, DataWarning, FileError
from hopfield.heads.corpus import Corpus
from hopfield.heads.history import COLUMNS, MEANS, History
from hopfield.heads.learning import HeadClassCallback
from hopfield.heads.probe import probe
from hopfield.heads.weight_change import WeightChanges
from hopfield.phases import HeadClass

SIZES = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 64}
LENGTH = 40


def model_at(step, model=None):
    """A model that has learned for so long: its weights depend on the step alone."""
    torch.manual_seed(step)
    config = BertConfig(num_hidden_layers=3, initializer_range=0.1 + 0.05 * step, **SIZES)
    new = BertForMaskedLM(config)
    if model is None:
        return new.train()
    model.load_state_dict(new.state_dict())
    return model


@pytest.fixture
def held_out():
    tokens = torch.randint(3, 64, (4, LENGTH))
    tokens[:, 0] = 1
    return Corpus(tokens.tolist(), range(4), (1,), 0)


def watched(held_out, folder, steps, **given):
    """A run over these steps."""
    model = model_at(0)
    settings = {"every": 2, "early": (), "weights_every": 4, "most": 1.0, **given}
    callback = HeadClassCallback(model, held_out, folder, **settings)
    for step in steps:
        model_at(step, model)
        callback.step(step, loss=1.0 / (1 + step))
    return folder


def test_the_table_holds_what_probe_finds(held_out, tmp_path):
    found = History.read(watched(held_out, tmp_path, [0, 2, 6]) / "heads.csv")
    assert found.step.tolist() == [0, 2, 6]
    assert found.layer.tolist() == [0, 0, 1, 1, 2, 2]
    assert found.head.tolist() == [0, 1] * 3
    assert found.module[-1] == "bert.encoder.layer.2.attention.self"
    np.testing.assert_allclose(found.loss, 1 / (1 + found.step), rtol=1e-5)
    heads = probe(model_at(6), None, held_out).heads
    for name in MEANS:
        wanted = [getattr(head, name) for head in heads]
        np.testing.assert_allclose(found.mean[name][2], wanted, rtol=1e-5, equal_nan=True)
    np.testing.assert_allclose(found.share[2], [head.quantiles for head in heads], rtol=1e-5)
    assert found.head_class[2].tolist() == [head.head_class for head in heads]
    assert (found.counts.sum(-1) == 4 * LENGTH).all()
    in_class = found.counts[2, 0].cumsum() / (4 * LENGTH)  # the median lies in its bin
    assert in_class[int(np.ceil(found.share[2, 0, 2] * 32)) - 1] >= 0.5


def test_looks_lie_where_they_are_asked_for(held_out, tmp_path):
    folder = watched(held_out, tmp_path, range(8), every=5, early=(1, 2))
    assert History.read(folder / "heads.csv").step.tolist() == [0, 1, 2, 5]


def test_a_run_that_was_stopped_goes_on(held_out, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    watched(held_out, whole, range(9))
    watched(held_out, parts, range(7))  # its last checkpoint was of step 4
    with (parts / "heads.csv").open("a") as file:
        file.write("7,0.1,0")  # stopped while it wrote
    watched(held_out, parts, range(5, 9))
    for name in ("heads.csv", "weights.csv"):
        assert (whole / name).read_text() == (parts / name).read_text()
    assert {file.name for file in whole.iterdir()} == {file.name for file in parts.iterdir()}


def test_a_run_that_begins_again_keeps_the_one_before(held_out, tmp_path):
    watched(held_out, tmp_path, range(3))
    with pytest.warns(DataWarning, match="held a run already; its tables are heads.old.csv"):
        watched(held_out, tmp_path, [0])
    assert History.read(tmp_path / "heads.csv").step.tolist() == [0]
    assert History.read(tmp_path / "heads.old.csv").step.tolist() == [0, 2]


@pytest.mark.parametrize("step", [2, 1, -1, 2.5, None, True])
def test_steps_rise(held_out, tmp_path, step):
    callback = HeadClassCallback(model_at(0), held_out, tmp_path, early=())
    callback.step(0)
    callback.step(2)
    with pytest.raises(ArgumentError, match=r"step is .*; a whole number from 0 .*before \(2\)"):
        callback.step(step)


def test_the_model_stays_as_it_is(held_out, tmp_path):
    model = model_at(3)
    model.bert.encoder.layer[1].eval()
    model(torch.tensor([[1, 2, 3]])).logits.sum().backward()
    gradients = {
        name: it.grad.clone() for name, it in model.named_parameters() if it.grad is not None
    }
    modes = [module.training for module in model.modules()]
    implementation = model.config._attn_implementation
    drawn, numpy = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    HeadClassCallback(model, held_out, tmp_path).step(0)
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert (np.random.get_state()[1] == numpy).all()
    assert [module.training for module in model.modules()] == modes
    assert model.config._attn_implementation == implementation
    for name, it in model.named_parameters():
        assert (it.grad is None) == (name not in gradients)
        assert it.grad is None or torch.equal(it.grad, gradients[name])


def test_looks_that_take_too_long_are_left_out(held_out, tmp_path):
    with pytest.warns(DataWarning, match=r"not looked at in step 2: .* at most 0\.1 % are allowed"):
        watched(held_out, tmp_path, range(3), most=0.001)
    assert History.read(tmp_path / "heads.csv").step.tolist() == [0]


def test_how_far_matrices_move(held_out, tmp_path):
    model = model_at(0)
    callback = HeadClassCallback(model, held_out, tmp_path, weights_every=2)
    callback.step(0)
    with torch.no_grad():
        model.bert.encoder.layer[1].attention.self.query.weight.mul_(1.5)
        model.bert.encoder.layer[2].attention.output.dense.weight.mul_(-1.0)
    callback.step(1)
    callback.step(2)
    found = WeightChanges.read(tmp_path / "weights.csv")
    assert found.step.tolist() == [2]
    assert found.layer.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert found.weight[:4] == ("self.query", "self.key", "self.value", "output.dense")
    assert found.module[0] == "bert.encoder.layer.0.attention"
    wanted = np.zeros(12)
    wanted[4], wanted[11] = 0.5, 2.0
    np.testing.assert_allclose(found.change[0], wanted, atol=1e-6)


def test_matrices_that_are_not_known_are_said(held_out, tmp_path):
    with pytest.warns(DataWarning, match=r"does not have the weights of step 4;.*multiple of 4"):
        watched(held_out, tmp_path, [6, 8, 12], every=100)
    assert WeightChanges.read(tmp_path / "weights.csv").step.tolist() == [12]


def test_the_trainer_calls_it(held_out, tmp_path):
    model = model_at(0)
    callback = HeadClassCallback(model, held_out, tmp_path, every=2, early=(), most=1.0)
    handler = CallbackHandler([callback], model, None, None, None)
    state, control = TrainerState(), TrainerControl()
    handler.on_train_begin(None, state, control)
    for step in range(1, 5):
        state.global_step = step
        state.log_history.append({"loss": float(step), "step": step})
        state.log_history.append({"eval_loss": -1.0, "step": step})
        handler.on_step_end(None, state, control)
    found = History.read(tmp_path / "heads.csv")
    assert found.step.tolist() == [0, 2, 4]
    assert np.isnan(found.loss[0])
    assert found.loss[1:].tolist() == [2, 4]


def test_the_trainer_may_be_asked_again(held_out, tmp_path):
    model = model_at(0)
    callback = HeadClassCallback(model, held_out, tmp_path, every=1, early=(), most=1.0)
    handler = CallbackHandler([callback], model, None, None, None)
    for began, last in ((0, 4), (2, 5)):
        state = TrainerState(global_step=began)
        handler.on_train_begin(None, state, TrainerControl())
        for step in range(began + 1, last + 1):
            state.global_step = step
            handler.on_step_end(None, state, TrainerControl())
    assert History.read(tmp_path / "heads.csv").step.tolist() == [0, 1, 2, 3, 4, 5]


def test_another_process_of_the_trainer_does_nothing(held_out, tmp_path):
    model = model_at(0)
    handler = CallbackHandler(
        [HeadClassCallback(model, held_out, tmp_path)], model, None, None, None
    )
    state = TrainerState(is_world_process_zero=False)
    handler.on_train_begin(None, state, TrainerControl())
    handler.on_step_end(None, state, TrainerControl())
    assert not any(tmp_path.iterdir())


def test_another_model_of_the_trainer_is_refused(held_out, tmp_path):
    callback = HeadClassCallback(model_at(0), held_out, tmp_path)
    handler = CallbackHandler([callback], model_at(1), None, None, None)
    with pytest.raises(ArgumentError, match="another model"):
        handler.on_train_begin(None, TrainerState(), TrainerControl())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"every": 0}, "every is 0"),
        ({"weights_every": 1.5}, "weights_every is 1.5"),
        ({"most": 0}, "most is 0"),
        ({"batch_size": -1}, "batch_size is -1"),
    ],
)
def test_bad_arguments(held_out, tmp_path, given, says):
    with pytest.raises(ArgumentError, match=says):
        HeadClassCallback(model_at(0), held_out, tmp_path, **given)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n", "has the columns a, b;"),
        ("", r"has the columns \(none\)"),
        (",".join(COLUMNS) + "\n1,2\n", "line 2, is damaged"),
        (",".join(COLUMNS) + "\n" + "x," * (len(COLUMNS) - 1) + "x\n", "line 2, is damaged"),
    ],
)
def test_a_folder_with_something_else(held_out, tmp_path, text, says):
    (tmp_path / "heads.csv").write_text(text)
    with pytest.raises(FileError, match=says):
        watched(held_out, tmp_path, [0])


def test_a_model_whose_heads_cannot_be_seen(held_out, tmp_path):
    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.table = torch.nn.Embedding(64, 4)

        def forward(self, input_ids, attention_mask):
            return self.table(input_ids)

    with pytest.raises(ArgumentError, match="never called attention"):
        HeadClassCallback(Plain(), held_out, tmp_path).step(0)


def history(median, step=None):
    """Heads whose median k is such a share of the patterns, `(T, M)`."""
    median = np.array(median)
    steps, heads = median.shape
    bounds = np.array([1 / 2, 1 / 8, 1 / 32])
    classes = 1 + (median[..., None] <= bounds).sum(-1)
    share = np.repeat(median[..., None], 5, -1)
    step = np.arange(steps) * 10 if step is None else step
    number = np.arange(heads)
    nothing = np.zeros((steps, heads, 32), np.int64)
    loss = np.full(steps, np.nan)
    return History(step, loss, number, ("m",) * heads, number * 0, classes, share, nothing, {})


def test_when_heads_switch():
    found = history(
        [
            #  stays, leaves,  comes back, flickers at N/2, ends in IV by II
            [0.80, 0.80, 0.80, 0.51, 0.90],
            [0.70, 0.60, 0.20, 0.49, 0.30],
            [0.90, 0.20, 0.40, 0.52, 0.30],
            [0.90, 0.20, 0.90, 0.48, 0.02],
            [0.90, 0.10, 0.90, 0.53, 0.02],
        ]
    )
    assert found.switched_at().tolist() == [-1, 40, 30, -1, 30]
    assert found.share_leaving() == pytest.approx(2 / 5)
    assert found.class_counts().tolist()[-1] == [3, 0, 1, 1]
    assert found.switched_at(0.0).tolist() == [-1, 40, 30, 40, 30]
    assert found.settled()[:, 3].tolist() == [HeadClass.I] * 5
    assert str(found).splitlines() == [
        "5 heads, 5 looks from step 0 to 40.",
        "Heads in classes I / II / III / IV: 5 / 0 / 0 / 0 at first, 3 / 0 / 1 / 1 at last.",
        "Of those that begin in class I, 40% leave it (with a margin of 10% between classes).",
        "Step from which on a head has its last class:",
        *("  layer 0: always", "  layer 1: 40", "  layer 2: 30", "  layer 3: always"),
        "  layer 4: 30",
    ]
    with pytest.raises(ArgumentError, match="margin is 1"):
        found.settled(1)


def test_a_class_is_left_only_beyond_the_margin():
    inside, beyond = 0.5 * (1 - 0.09), 0.5 * (1 - 0.11)
    assert history([[0.9], [inside], [beyond]]).settled()[:, 0].tolist() == [1, 1, 2]
    inside, beyond = 0.5 * (1 + 0.09), 0.5 * (1 + 0.11)
    assert history([[0.3], [inside], [beyond]]).settled()[:, 0].tolist() == [2, 2, 1]


def test_no_head_begins_in_class_i():
    found = history([[0.1], [0.9]])
    assert np.isnan(found.share_leaving())
    assert "No head begins in class I" in str(found)


def test_a_packed_table(held_out, tmp_path):
    path = watched(held_out, tmp_path, range(3)) / "heads.csv"
    packed = tmp_path / "heads.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert (History.read(packed).share == History.read(path).share).all()
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(FileError, match=r"heads\.csv\.gz cannot be read"):
        History.read(packed)


def test_heads_that_are_missing_at_a_step(held_out, tmp_path):
    path = watched(held_out, tmp_path, range(3)) / "heads.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    with pytest.raises(FileError, match="same heads at each step"):
        History.read(path)
    path.write_text(lines[0])
    with pytest.raises(FileError, match="or none"):
        History.read(path)


def test_an_early_look_that_was_added_last_is_put_in_its_place(held_out, tmp_path):
    path = watched(held_out, tmp_path, range(3)) / "heads.csv"
    before = History.read(path)
    header, *rows = path.read_text().splitlines(keepends=True)
    path.write_text("".join([header, *rows[6:], *rows[:6]]))
    assert (History.read(path).share == before.share).all()
