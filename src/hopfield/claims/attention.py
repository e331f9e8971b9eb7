"""Sentence 4: the update is the attention of transformers.

The library's own fast path for attention IS PyTorch's function, so it is not asked here: the update
is computed as the energy says, as the state minus the energy's slope, and in plain operations.
"""

import math
from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

import hopfield
from hopfield.claims.claim import Claim, Finding, Measured, Setting, Verdict

PROBLEMS = {True: 100, False: 1000}
EQUAL = 1e-12  # relative, in float64


def check(setting: Setting) -> Finding:
    """The update against three implementations of attention, outputs and gradients."""
    found = setting.part(f"all, transformers {has_transformers()}", _differences, setting)
    compared = {name: value for name, value in found.items() if value is not None}
    missing = [name for name in found if name not in compared]
    worst = max(compared.values())
    numbers = [
        Measured(f"{name}, largest relative difference", value) for name, value in compared.items()
    ]
    verdict = Verdict.DOES_NOT
    if worst <= EQUAL:
        verdict = Verdict.PARTLY if missing else Verdict.REPRODUCES
    reason = f"The largest relative difference of all is {worst:.2g}."
    if missing:
        reason += f" Not compared, because transformers is not installed: {', '.join(missing)}."
    return Finding(verdict, reason, numbers)


def has_transformers() -> bool:
    """Whether there is one to compare with."""
    return find_spec("transformers") is not None


def _differences(setting: Setting) -> dict[str, float | None]:
    generator = torch.Generator().manual_seed(setting.seed)
    torch.manual_seed(setting.seed)
    found = [_differences_of_one(generator) for _ in range(PROBLEMS[setting.quick])]
    worst: dict[str, float | None] = {name: max(one[name] for one in found) for name in found[0]}
    worst["a BERT of transformers"] = _bert(setting.seed) if has_transformers() else None
    return worst


def _differences_of_one(generator: torch.Generator) -> dict[str, float]:
    """A problem of random sizes, some with a mask."""
    sizes = [int(torch.randint(1, most, (), generator=generator)) for most in (4, 5, 40, 60, 30)]
    batch, heads, states, patterns, width = sizes
    lead = (batch, heads)
    query, key, value = (
        torch.randn(*lead, n, w, generator=generator, dtype=torch.float64).requires_grad_()
        for n, w in ((states, width), (patterns, width), (patterns, 7))
    )
    mask = torch.rand(batch, 1, states, patterns, generator=generator) < 0.8
    mask[..., 0] = True
    ours = hopfield.update(query, key, value, mask=mask, backend="naive")
    theirs = scaled_dot_product_attention(query, key, value, attn_mask=mask)
    ahead = torch.randn(ours.shape, generator=generator, dtype=torch.float64)
    gradients = [torch.autograd.grad(y, (query, key, value), ahead) for y in (ours, theirs)]
    energy = hopfield.energy(query, key, mask=mask, backend="naive")
    (slope,) = torch.autograd.grad(energy.sum(), query)
    next_state = scaled_dot_product_attention(query, key, key, attn_mask=mask)
    attention = nn.MultiheadAttention(8 * heads, heads, batch_first=True).double()
    layer = hopfield.Hopfield.from_attention(attention)
    x = torch.randn(batch, states, 8 * heads, generator=generator, dtype=torch.float64)
    return {
        "PyTorch's attention, against the update in plain operations": _difference(ours, theirs),
        "gradients of both": max(map(_difference, *gradients)),
        "PyTorch's attention, against the state minus the energy's slope": _difference(
            query - slope, next_state
        ),
        "nn.MultiheadAttention, against the layer made of it": _difference(
            layer(x), attention(x, x, x)[0]
        ),
    }


def _bert(seed: int) -> float:
    """A BERT with random weights, with its own attention and with ours."""
    from transformers import BertConfig, BertModel

    import hopfield.huggingface  # noqa: F401 (makes the name known)

    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=100,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
    )
    model = BertModel(config).double().eval()
    tokens = torch.randint(100, (4, 30))
    mask = torch.ones_like(tokens)
    mask[1, 20:] = 0
    outputs = []
    for name in ("eager", "hopfield"):
        model.set_attn_implementation(name)
        with torch.no_grad():
            states = model(tokens, attention_mask=mask).last_hidden_state
        outputs.append(states[mask.bool()])
    return _difference(*outputs)


def _difference(one: Tensor, other: Tensor) -> float:
    """The largest difference as a share of the largest entry or 1; +inf where one is no number."""
    size = torch.maximum(one.abs().amax(), other.abs().amax()).clamp(min=1.0)
    share = ((one - other).abs().amax() / size).item()
    return share if share == share else math.inf


CLAIM = Claim(
    "attention",
    "abstract, sentence 4; section 2",
    "The update rule is the attention of transformers.",
    f"In float64, for random sizes, most with masks: the update computed in plain operations, and "
    f"the state minus the slope of the energy, equal PyTorch's attention, the former with its "
    f"gradients; the layers equal `nn.MultiheadAttention` and the attention of a BERT; all to "
    f"{EQUAL:g} of the largest entry, or of 1. Partly: there is no transformers to compare with.",
    check,
)
