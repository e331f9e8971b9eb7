"""Transformers models by association, and their heads as Hopfield networks.

Models are tiny and random, with weights large enough that attention is far from uniform.
"""

import sys

import pytest
import torch
import transformers
from entmax import sparsemax
from torch import nn
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
from transformers.modeling_utils import AttentionInterface

import hopfield
from hopfield.errors import ArgumentError, DtypeError, MissingExtraError
from hopfield.huggingface import attention, configure, options
from tiny_models import CONFIGS, inputs, make, outputs, text

CLOSE = {"rtol": 1e-5, "atol": 1e-5}

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("name", sorted(CONFIGS.keys() - {"gemma2"}))
def test_one_step_is_attention(name, padded):
    model, given = make(name, "sdpa"), inputs(name, padded)
    expected = outputs(model, given)
    model.set_attn_implementation("hopfield")
    for ours, theirs in zip(outputs(model, given), expected, strict=True):
        torch.testing.assert_close(ours, theirs, **CLOSE)
    with options(steps=3):
        moved = outputs(model, given)
    assert any((a - b).abs().max() > 1e-2 for a, b in zip(moved, expected, strict=True))


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama", "t5"])
def test_gradients_are_those_of_attention(name):
    model, given = make(name, "sdpa"), inputs(name)
    found = []
    for implementation in ("sdpa", "hopfield"):
        model.set_attn_implementation(implementation)
        model.zero_grad()
        outputs(model, given)[0].square().mean().backward()
        found.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    for theirs, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, **CLOSE)


@pytest.mark.parametrize("cache", ["dynamic", "static"])
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_generation_with_a_cache(name, cache):
    torch.manual_seed(1)
    model = transformers.AutoModelForCausalLM.from_config(CONFIGS[name]()).eval()
    settings = {
        "max_new_tokens": 5,
        "do_sample": False,
        "pad_token_id": 0,
        "eos_token_id": None,
        "return_dict_in_generate": True,
        "output_logits": True,
        "cache_implementation": cache,
        "disable_compile": True,
    }
    given, found = text(left=True), []
    for implementation in ("sdpa", "hopfield"):
        model.set_attn_implementation(implementation)
        found.append(model.generate(**given, **settings))
    assert (found[0].sequences == found[1].sequences).all()
    torch.testing.assert_close(found[1].logits, found[0].logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_a_cache_changes_nothing_at_more_steps(name):
    """A state sees the same patterns at each step, whatever states are beside it."""
    model, ids = make(name, hopfield={"steps": 4}), text(padded=False)["input_ids"]
    whole = model(ids).last_hidden_state
    out = model(ids[:, :9], use_cache=True)
    parts = [out.last_hidden_state]
    for piece in (ids[:, 9:11], ids[:, 11:]):  # two states at once, then one
        out = model(piece, past_key_values=out.past_key_values)
        parts.append(out.last_hidden_state)
    torch.testing.assert_close(torch.cat(parts, 1), whole, rtol=1e-4, atol=1e-4)


@pytest.fixture
def written_out():
    """The definition, in a loop, as an implementation of attention."""

    def register(weigh, factor=1.0):
        def loop(module, query, key, value, attention_mask, scaling, **_):
            groups = query.shape[1] // key.shape[1]
            key, value = (t.repeat_interleave(groups, 1) for t in (key, value))
            states, patterns = query.shape[2], key.shape[2]
            seen = torch.ones(states, patterns, dtype=torch.bool)
            if attention_mask is not None:
                seen = attention_mask
            elif module.is_causal:
                seen = seen.tril()
            for step in range(3):
                scores = factor * scaling * query @ key.mT
                weights = weigh(scores.masked_fill(~seen, -1e9))
                query = weights @ (value if step == 2 else key)
            return query.transpose(1, 2).contiguous(), None

        AttentionInterface.register("written_out", loop)
        AttentionMaskInterface.register("written_out", sdpa_mask)

    yield register
    del AttentionInterface._global_mapping["written_out"]
    del AttentionMaskInterface._global_mapping["written_out"]


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("name", ["bert", "llama"])
@pytest.mark.parametrize(
    ("how", "weigh", "factor"),
    [
        ({}, lambda scores: scores.softmax(-1), 1.0),
        ({"beta_factor": 2.0}, lambda scores: scores.softmax(-1), 2.0),
        ({"beta": 0.5}, lambda scores: scores.softmax(-1), 0.5 * 8**0.5),
        ({"separation": "sparsemax"}, lambda scores: sparsemax(scores, -1), 1.0),
    ],
    ids=lambda how: "-".join(how) if isinstance(how, dict) else "",
)
def test_three_steps_are_the_loop(written_out, name, padded, how, weigh, factor):
    written_out(weigh, factor)
    model, given = make(name, "written_out"), inputs(name, padded)
    expected = model(**given).last_hidden_state
    model.set_attn_implementation("hopfield")
    configure(model, steps=3, **how)
    torch.testing.assert_close(model(**given).last_hidden_state, expected, rtol=1e-4, atol=1e-4)


def test_until_states_stop():
    model, given = make("bert"), text()
    with options(steps=None, tol=1e-5):
        stopped = model(**given).last_hidden_state
    with options(steps=200):
        torch.testing.assert_close(stopped, model(**given).last_hidden_state, rtol=1e-3, atol=1e-3)


def test_implicit_gradients_reach_the_patterns():
    model = make("bert")
    with options(steps=50, tol=1e-4, backward="implicit"):
        model(**text()).last_hidden_state.sum().backward()
    own = model.encoder.layer[1].attention.self
    assert own.key.weight.grad.abs().sum() > 0
    assert own.query.weight.grad is None  # no gradient reaches the states that it starts from


def test_training_drops_weights():
    model, given = make("bert", attention_probs_dropout_prob=0.5, hidden_dropout_prob=0.0), text()
    quiet = model(**given).last_hidden_state
    torch.testing.assert_close(model(**given).last_hidden_state, quiet)
    model.train()
    first, second = (model(**given).last_hidden_state for _ in range(2))
    assert (first - second).abs().max() > 1e-2
    assert (first - quiet).abs().max() > 1e-2


@pytest.mark.parametrize("name", ["bert", "llama", "t5"])
def test_weights_on_request(name):
    model, given = make(name), {**inputs(name), "output_attentions": True}
    seen = given["attention_mask"].bool()  # what padding itself attends to differs for eager
    ours = model(**given)
    model.set_attn_implementation("eager")
    theirs = model(**given)
    kinds = [kind for kind in ours if "attentions" in kind]
    assert kinds
    for kind in kinds:
        for mine, other in zip(ours[kind], theirs[kind], strict=True):
            rows = seen if mine.shape[2] == 12 else torch.ones(mine.shape[0], 7, dtype=torch.bool)
            torch.testing.assert_close(
                mine.transpose(1, 2)[rows], other.transpose(1, 2)[rows], **CLOSE
            )


def test_weights_after_several_steps():
    model, given = make("llama"), text()
    with options(steps=3, separation="sparsemax"):
        weights = model(**given, output_attentions=True).attentions[0]
    state, stored, projection, _ = head = hopfield.from_head(model, 0, 3, given)
    how = {"steps": 3, "separation": "sparsemax", **head.settings}
    expected = hopfield.retrieve(state, stored, projection, **how).readout
    torch.testing.assert_close(weights[:, 3] @ projection, expected, **CLOSE)
    assert (weights == 0).any(-1).all()


# Options.


def test_a_context_goes_before_the_config_and_before_contexts_around():
    plain, three = make("bert"), make("bert", hopfield={"steps": 3})
    given = text()

    def result(model):
        return model(**given).last_hidden_state

    assert not torch.equal(result(plain), result(three))
    with options(steps=1):
        assert torch.equal(result(three), result(plain))
        with options(steps=3):
            assert torch.equal(result(three), result(plain))
            deep = result(plain)
            with options(beta_factor=2.0):
                assert not torch.equal(result(plain), deep)
    assert torch.equal(result(three), deep)
    with pytest.raises(KeyError), options(steps=7):
        raise KeyError
    assert torch.equal(result(three), deep)


BAD = [
    ({"stepps": 3}, "'stepps'.*'steps'"),
    ({"steps": 0}, "steps is 0"),
    ({"steps": 2.0}, "steps is 2.0"),
    ({"tol": -1.0}, "tol is -1.0"),
    ({"beta": 0}, "beta is 0"),
    ({"beta_factor": "2"}, "beta_factor is '2'"),
    ({"separation": "hardmax"}, "'hardmax'.*'sparsemax'"),
    ({"backward": "none"}, "backward is 'none'"),
]
BAD_TOGETHER = [
    ({"tol": 1e-3}, "steps=1"),
    ({"steps": None}, "needs tol"),
    ({"steps": 3, "backward": "implicit"}, "needs tol"),
    ({"beta": 1.0, "beta_factor": 2.0}, "beta_factor multiplies"),
]


@pytest.mark.parametrize(("bad", "message"), BAD)
def test_a_context_refuses(bad, message):
    with pytest.raises(ArgumentError, match=message), options(**bad):
        pass


@pytest.mark.parametrize(("bad", "message"), [*BAD, *BAD_TOGETHER])
def test_configs_are_refused(bad, message):
    model = make("bert")
    with pytest.raises(ArgumentError, match=message):
        configure(model, **bad)
    model.config.hopfield = bad
    with pytest.raises(ArgumentError, match=message):
        model(**text())


def test_more_that_no_config_takes():
    with pytest.raises(ArgumentError, match=r"TopK.*'sparsemax'"):
        configure(make("bert"), separation=hopfield.TopK(3))
    with pytest.raises(ArgumentError, match="a model or config"):
        configure(nn.Linear(2, 2), steps=3)
    with pytest.raises(ArgumentError, match=r"config\.hopfield is 3"):
        make("bert", hopfield=3)(**text())


def test_objects_in_a_context():
    model, given = make("bert"), text()
    with options(separation=hopfield.TopK(12)):
        every = model(**given).last_hidden_state
    torch.testing.assert_close(every, model(**given).last_hidden_state, **CLOSE)


@pytest.mark.parametrize("name", ["bert", "clip", "t5"])
@pytest.mark.parametrize("by", ["model", "config"])
def test_options_are_saved_and_loaded(tmp_path, name, by):
    model, given = make(name), inputs(name)
    with options(steps=3, separation="entmax", beta_factor=2.0):
        expected = outputs(model, given)
    configure(
        model if by == "model" else model.config, steps=3, separation="entmax", beta_factor=2.0
    )
    if by == "model":
        for ours, theirs in zip(outputs(model, given), expected, strict=True):
            torch.testing.assert_close(ours, theirs)
    model.save_pretrained(tmp_path)
    loaded = transformers.AutoModel.from_pretrained(tmp_path, attn_implementation="hopfield")
    assert loaded.config.hopfield == {"steps": 3, "separation": "entmax", "beta_factor": 2.0}
    for ours, theirs in zip(outputs(loaded, given), expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    plain = transformers.AutoModel.from_pretrained(tmp_path)  # another implementation reads none
    assert not torch.allclose(outputs(plain, given)[0], expected[0], atol=1e-3)


def test_parts_of_a_model_may_differ():
    model, given = make("clip"), inputs("clip")
    before = model(**given)
    configure(model.vision_model, steps=3)
    after = model(**given)
    assert torch.equal(after.text_embeds, before.text_embeds)
    assert not torch.allclose(after.image_embeds, before.image_embeds, atol=1e-3)


# Arguments.


def call(mask=None, states=4, patterns=4, **more):
    q = torch.randn(2, 4, states, 8)
    k, v = torch.randn(2, 2, 2, patterns, 8)
    return attention.associate(nn.Identity(), q, k, v, mask, **more)


@pytest.mark.parametrize("name", attention.REFUSED)
def test_what_changes_the_weights_is_refused_by_name(name):
    with pytest.raises(ArgumentError, match=f"^{name} was passed .* 'eager'"):
        call(**{name: torch.ones(())})
    assert call(**{name: None})[0].shape == (2, 4, 4, 8)


def test_a_sliding_window_must_be_in_the_mask():
    with pytest.raises(ArgumentError, match=r"^sliding_window was passed"):
        call(sliding_window=3)
    call(sliding_window=4)
    call(torch.ones(2, 1, 4, 4, dtype=torch.bool), sliding_window=3)


def test_models_that_do_more_are_refused():
    with pytest.raises(ArgumentError, match=r"^softcap was passed"):
        make("gemma2")(**text())


def test_a_mask_is_bool_or_floating():
    with pytest.raises(DtypeError, match="int64"):
        call(torch.ones(2, 1, 4, 4, dtype=torch.long))


@pytest.mark.parametrize("kind", ["bool", "floating", None])
def test_position_bias(kind):
    """As `sdpa` has it, with a mask, or causal without."""
    seen = torch.rand(2, 1, 4, 6) > 0.4
    seen[..., 0] = True
    floating = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)
    mask = {"bool": seen, "floating": floating, None: None}[kind]
    q, k, v = torch.randn(2, 4, 4, 8), torch.randn(2, 4, 6, 8), torch.randn(2, 4, 6, 8)
    given = (nn.Identity(), q, k, v, mask)
    more = {"position_bias": torch.randn(1, 4, 4, 6), "is_causal": mask is None}
    theirs, _ = AttentionInterface()["sdpa"](*given, **more)
    torch.testing.assert_close(attention.associate(*given, **more)[0], theirs, **CLOSE)


def test_registration_without_transformers(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers.modeling_utils", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'hopfield\[heads\]'"):
        attention.register()


# Heads.

OUTPUT = {  # model, layer, its name, the module that takes what the heads read out
    "bert": (1, "encoder.layer.1", "encoder.layer.1.attention.output.dense"),
    "gpt2": (1, "h.1.attn", "h.1.attn.c_proj"),
    "llama": (1, "layers.1", "layers.1.self_attn.o_proj"),
    "mistral": (0, "layers.0", "layers.0.self_attn.o_proj"),
    "vit": (0, "layers.0", "layers.0.attention.o_proj"),
    "clip": (
        None,
        "vision_model.encoder.layers.1",
        "vision_model.encoder.layers.1.self_attn.out_proj",
    ),
    "wav2vec2": (1, "encoder.layers.1", "encoder.layers.1.attention.out_proj"),
    "t5": (
        3,
        "decoder.block.0.layer.1",
        "decoder.block.0.layer.1.EncDecAttention.o",
    ),
}


def entering(model, name, given):
    """What enters a module, `(B, S, H, d)`, when the model runs."""
    found = []
    handle = model.get_submodule(name).register_forward_pre_hook(
        lambda _, args: found.append(args[0].unflatten(-1, (4, 8)))
    )
    outputs(model, given)
    handle.remove()
    return found[0]


@pytest.mark.parametrize("implementation", ["eager", "sdpa", "hopfield"])
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("name", OUTPUT)
def test_a_head_reads_out_what_it_does_in_the_model(name, padded, implementation):
    model, given = make(name, implementation), inputs(name, padded)
    number, layer, output = OUTPUT[name]
    expected = entering(model, output, given)
    for which in (layer,) if number is None else (layer, number):
        head = hopfield.from_head(model, which, 3, given)
        readout = hopfield.update(head.state, head.stored, head.projection, **head.settings)
        seen = slice(None)
        if implementation == "eager" and name == "gpt2":
            seen = given["attention_mask"].bool()
        torch.testing.assert_close(readout[seen], expected[:, :, 3][seen], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(entering(model, output, given), expected)


def test_a_head_of_a_model_of_several_steps():
    model, given = make("llama", hopfield={"steps": 3, "beta_factor": 2.0}), text()
    expected = entering(model, "layers.1.self_attn.o_proj", given)
    state, stored, projection, _ = head = hopfield.from_head(model, 1, 2, given)
    found = hopfield.retrieve(state, stored, projection, steps=3, **head.settings)
    torch.testing.assert_close(found.readout, expected[:, :, 2], **CLOSE)
    assert head.beta == pytest.approx(2 * 8**-0.5)


def test_options_mean_nothing_to_a_model_of_another_implementation():
    model, given = make("bert", "sdpa"), text()
    expected = hopfield.from_head(model, 1, 0, given).state
    configure(model, steps=3)
    with options(beta=7.0):
        head = hopfield.from_head(model, 1, 0, given)
    torch.testing.assert_close(head.state, expected)
    assert head.beta == pytest.approx(8**-0.5)


def test_a_head_is_ready_for_retrieval():
    model, given = make("llama", "sdpa"), text(padded=False)
    state, stored, projection, beta = head = hopfield.from_head(model, 0, 1, given)
    assert state.shape == stored.shape == projection.shape == (2, 12, 8)
    assert head.mask.shape == (1, 12, 12)
    assert head.bias is None
    found = hopfield.retrieve(state, stored, projection, beta=beta, steps=20)
    assert found.readout.shape == (2, 12, 8)
    assert hopfield.energy(head.state, head.stored, **head.settings).isfinite().all()
    effective = hopfield.phase(head.state, head.stored, **head.settings)
    assert effective.label.shape == (2, 12)


def test_heads_of_a_group_share_stored_patterns():
    model, given = make("llama", "sdpa"), text()
    heads = [hopfield.from_head(model, 0, head, given) for head in range(4)]
    assert torch.equal(heads[0].stored, heads[1].stored)
    assert torch.equal(heads[2].projection, heads[3].projection)
    assert not torch.equal(heads[1].stored, heads[2].stored)
    assert not torch.equal(heads[0].state, heads[1].state)


def test_masks_stay_masks_and_biases_biases():
    bert = hopfield.from_head(make("bert", "eager"), 0, 0, given := text())
    assert bert.bias is None
    assert (bert.mask == given["attention_mask"].bool()[:, None]).all()
    decoder = hopfield.from_head(make("t5", "eager"), "decoder.block.1.layer.0", 2, inputs("t5"))
    assert decoder.bias.shape == (1, 7, 7)
    assert decoder.mask.equal(torch.ones(2, 7, 7, dtype=torch.bool).tril())


def test_the_model_comes_back_as_it_was():
    model = make("clip", "eager").train()
    model.text_model.eval()
    model.vision_model.config._attn_implementation = "sdpa"
    kinds = [model.config, model.text_model.config, model.vision_model.config]
    before = [config._attn_implementation for config in kinds]
    modes = [module.training for module in model.modules()]
    hopfield.from_head(model, 0, 0, inputs("clip"))
    with pytest.raises(AttributeError):
        hopfield.from_head(model, 0, 0, {**inputs("clip"), "pixel_values": 3})
    assert [config._attn_implementation for config in kinds] == before
    assert [module.training for module in model.modules()] == modes


def test_neither_dropout_nor_gradients_are_in_a_head():
    model, given = make("bert").train(), text()
    first, second = (hopfield.from_head(model, 1, 0, given) for _ in range(2))
    assert torch.equal(first.state, second.state)
    assert not first.state.requires_grad


@pytest.mark.parametrize(
    ("layer", "head", "message"),
    [
        (2, 0, "2 times.* 0 to 1 .*encoder.layer.0.attention.self"),
        (-1, 0, "layer is -1.* 0 to 1 "),
        (True, 0, "layer is True"),
        (None, 0, "layer is None"),
        ("encoder.layer.7", 0, "'encoder.layer.7'; choose one of 'encoder.layer.0"),
        ("encoder", 0, "2 times, in encoder.layer.0.attention.self, .* 0 to 1"),
        (0, 4, "head is 4; layer 0 has heads 0 to 3"),
        (0, -1, "head is -1"),
        (0, "0", "head is '0'"),
    ],
)
def test_no_such_head(layer, head, message):
    with pytest.raises(ArgumentError, match=message):
        hopfield.from_head(make("bert"), layer, head, text())


def test_a_model_without_the_interface():
    with pytest.raises(ArgumentError, match="never called attention"):
        hopfield.from_head(nn.Linear(3, 3), 0, 0, torch.randn(2, 3))
