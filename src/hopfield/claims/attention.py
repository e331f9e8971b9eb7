"""Sentence 4: the update is the attention of transformers."""

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
    found = setting.part("all", _differences, setting)
    worst = max(value for value in found.values() if value is not None)
    missing = [name for name, value in found.items() if value is None]
    numbers = [
        Measured(f"{name}, largest relative difference", value)
        for name, value in found.items()
        if value is not None
    ]
    verdict = Verdict.REPRODUCES if worst <= EQUAL else Verdict.DOES_NOT
    reason = f"The largest relative difference of all is {worst:.2g}."
    if missing:
        reason += f" Not compared, because transformers is not installed: {', '.join(missing)}."
    return Finding(verdict, reason, numbers)


def _differences(setting: Setting) -> dict[str, float | None]:
    generator = torch.Generator().manual_seed(setting.seed)
    torch.manual_seed(setting.seed)
    found: dict[str, float | None] = {"PyTorch's attention function": 0.0}
    found |= {"its gradients": 0.0, "nn.MultiheadAttention": 0.0}
    for _ in range(PROBLEMS[setting.quick]):
        sizes = [
            int(torch.randint(1, most, (), generator=generator)) for most in (4, 5, 40, 60, 30)
        ]
        batch, heads, states, patterns, width = sizes
        lead = (batch, heads)
        query, key, value = (
            torch.randn(*lead, n, w, generator=generator, dtype=torch.float64).requires_grad_()
            for n, w in ((states, width), (patterns, width), (patterns, 7))
        )
        ours = hopfield.update(query, key, value)
        theirs = scaled_dot_product_attention(query, key, value)
        ahead = torch.randn(ours.shape, generator=generator, dtype=torch.float64)
        gradients = [torch.autograd.grad(y, (query, key, value), ahead) for y in (ours, theirs)]
        _keep(found, "PyTorch's attention function", ours, theirs)
        for one, other in zip(*gradients, strict=True):
            _keep(found, "its gradients", one, other)
        attention = nn.MultiheadAttention(8 * heads, heads, batch_first=True).double()
        layer = hopfield.Hopfield.from_attention(attention)
        x = torch.randn(batch, states, 8 * heads, generator=generator, dtype=torch.float64)
        _keep(found, "nn.MultiheadAttention", layer(x), attention(x, x, x)[0])
    found["a BERT of transformers"] = _bert(setting.seed) if find_spec("transformers") else None
    return found


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


def _keep(found: dict[str, float | None], name: str, one: Tensor, other: Tensor) -> None:
    before = found[name]
    found[name] = max(before or 0.0, _difference(one, other))


def _difference(one: Tensor, other: Tensor) -> float:
    size = torch.maximum(one.abs().amax(), other.abs().amax()).clamp(min=1e-300)
    return ((one - other).abs().amax() / size).item()


CLAIM = Claim(
    "attention",
    "abstract, sentence 4; section 2",
    "The update rule is the attention of transformers.",
    f"In float64, for random sizes, one update with a projection equals PyTorch's attention "
    f"function, outputs and gradients, `nn.MultiheadAttention` and the layers of a BERT, all to "
    f"{EQUAL:g} of their largest entry.",
    check,
)
