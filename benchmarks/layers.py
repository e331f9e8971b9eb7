"""Layers beside PyTorch's: one step, three more steps, and inputs so small that overhead rules."""

import warnings

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

import hopfield
from benchmarks.harness import Result, race

WIDTH, HEADS, STEPS = 512, 8, 4
SHAPES = ((4, 512), (1, 2048))
BETA, TOL = 1.0, 1e-3


def run(device: str) -> list[Result]:
    results = []
    for batch, length in SHAPES:
        results += one_step(batch, length, device)
        results += more_steps(batch, length, 1.0, device)
        results += more_steps(batch, length, 0.5, device)
        results += retrieval(batch, length, device)
    for width in (64, 512):
        results += small(width, device)
    return results


def heads(tensor):
    return tensor.unflatten(-1, (HEADS, -1)).transpose(1, 2)


class WrittenOut(nn.Module):
    """Attention, or a retrieval, in plain operations; it keeps its weights for backward."""

    def __init__(self, layer: hopfield.Hopfield, reduce) -> None:
        super().__init__()
        self.layer, self.reduce = layer, reduce

    def forward(self, state, stored):
        space = self.layer.space.by_role()
        inputs = {"state": state, "stored": stored, "projection": stored}
        q, k, v = (
            heads(nn.functional.linear(x, space[f"{role}.weight"], space[f"{role}.bias"]))
            for role, x in inputs.items()
        )
        for _ in range(self.layer.steps - 1):
            q = self.reduce(q, k, k, self.scale)
        return self.layer.out_proj(self.reduce(q, k, v, self.scale).transpose(1, 2).flatten(2))

    @property
    def scale(self):
        beta = self.layer.beta
        return beta if isinstance(beta, float) else beta.item()


def written_out(q, k, v, scale):
    return torch.softmax(q @ k.mT * scale, -1) @ v


def fused(q, k, v, scale):
    return scaled_dot_product_attention(q, k, v, scale=scale)


def both_ways(name, case, contenders, rounds, parameters, device):
    """Forward in training, and forward and backward."""

    def trained(function):
        return lambda: torch.autograd.grad(function().sum(), parameters)

    results = race(name, f"{case}, forward", contenders, rounds, device=device)
    contenders = {who: trained(function) for who, function in contenders.items()}
    case = f"{case}, forward and backward"
    return results + race(name, case, contenders, max(5, rounds // 2), device=device)


def one_step(batch: int, length: int, device: str) -> list[Result]:
    theirs = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, device=device)
    ours = hopfield.Hopfield.from_attention(theirs)
    plain = WrittenOut(ours, written_out)
    state = torch.randn(batch, length, WIDTH, device=device, requires_grad=True)
    contenders = {
        "nn.MultiheadAttention": lambda: theirs(state, state, state, need_weights=False)[0],
        "hopfield.Hopfield": lambda: ours(state),
        "written out": lambda: plain(state, state),
    }
    case = f"{batch} × {length}, d = {WIDTH}"
    return both_ways("layer, one step", case, contenders, 11, state, device)


def retrieval_problem(batch: int, length: int, moving: float, device: str):
    """A layer whose maps are the identity, and states of which a share moves at every step.

    A state at a stored pattern stays there; a state near the origin needs more than three updates.
    """
    layer = hopfield.Hopfield(WIDTH, num_heads=HEADS, beta=BETA, steps=STEPS, device=device)
    with torch.no_grad():
        layer.space.maps["packed"].weight.copy_(torch.eye(WIDTH).repeat(3, 1))
        stored = torch.randn(batch, length, HEADS, WIDTH // HEADS, device=device)
        stored = (8 * nn.functional.normalize(stored, dim=-1)).flatten(2)
        far = torch.arange(length, device=device) < moving * length
        state = torch.where(far[:, None], 0.001 * torch.randn_like(stored), stored)
    layer.tol = TOL
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hopfield.ConvergenceWarning)
        steps = layer.retrieve(state, stored).steps
    assert bool((steps[..., far] == STEPS).all()), "all of these move on"
    assert bool((steps[..., ~far] == 2).all()), "these stop after one update"
    return layer, state.requires_grad_(), stored


def retrieval(batch: int, length: int, device: str) -> list[Result]:
    """A layer that reads out what is stored, so that a state that has stopped costs nothing."""
    _, state, stored = retrieval_problem(batch, length, 0.5, device)
    options = {"static": ("projection",), "connected": True, "output_projection": False}
    layer = hopfield.Hopfield(
        WIDTH,
        num_heads=HEADS,
        value_size=WIDTH // HEADS,
        beta=BETA,
        steps=STEPS,
        tol=TOL,
        **options,
    ).to(device)
    for role in ("state", "stored"):
        nn.init.eye_(layer.space.maps[role].weight)

    def loop():
        q, k = heads(layer.space.maps["state"](state)), heads(layer.space.maps["stored"](stored))
        for _ in range(STEPS):
            q = scaled_dot_product_attention(q, k, k, scale=BETA)
        return q.transpose(1, 2).flatten(2)

    contenders = {
        "loop of attention": loop,
        f"Hopfield(steps={STEPS}, tol={TOL})": lambda: layer(state, stored),
    }
    case = f"{batch} × {length}, half stop after one update"
    return both_ways("layer, reads out what is stored", case, contenders, 7, state, device)


def more_steps(batch: int, length: int, moving: float, device: str) -> list[Result]:
    layer, state, stored = retrieval_problem(batch, length, moving, device)
    loop, plain = WrittenOut(layer, fused), WrittenOut(layer, written_out)
    fixed = hopfield.Hopfield(WIDTH, num_heads=HEADS, beta=BETA, steps=STEPS, device=device)
    fixed.load_state_dict(layer.state_dict())
    contenders = {
        "loop of attention": lambda: loop(state, stored),
        f"Hopfield(steps={STEPS}, tol={TOL})": lambda: layer(state, stored),
    }
    if moving == 1.0:
        contenders[f"Hopfield(steps={STEPS})"] = lambda: fixed(state, stored)
        contenders["loop written out"] = lambda: plain(state, stored)
    which = "all states move" if moving == 1.0 else "half stop after one update"
    case = f"{batch} × {length}, {which}"
    return both_ways("layer, three more steps", case, contenders, 7, state, device)


def small(width: int, device: str) -> list[Result]:
    theirs = nn.MultiheadAttention(width, HEADS, batch_first=True, device=device)
    ours = hopfield.Hopfield.from_attention(theirs)
    state = torch.randn(32, 16, width, device=device, requires_grad=True)
    compiled, theirs_compiled = torch.compile(ours), torch.compile(theirs)

    def attend(layer):
        return lambda: layer(state, state, state, need_weights=False)[0]

    contenders = {
        "nn.MultiheadAttention": attend(theirs),
        "hopfield.Hopfield": lambda: ours(state),
    }
    graphs = {
        "nn.MultiheadAttention, compiled": attend(theirs_compiled),
        "hopfield.Hopfield, compiled": lambda: compiled(state),
    }
    case, rounds = f"32 × 16, d = {width}", 300 if width == 64 else 60
    results = both_ways("small layers", f"{case}, training", contenders, rounds, state, device)
    case_compiled = f"{case}, compiled, training"
    results += both_ways("small layers", case_compiled, graphs, rounds, state, device)
    theirs.eval(), ours.eval()
    with torch.no_grad():
        name = f"{case}, evaluation"
        results += race("small layers", name, contenders, rounds, device=device)
        results += race("small layers", f"{name}, compiled", graphs, rounds, device=device)
    return results
