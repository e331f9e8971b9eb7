"""References that share no code with the library: definitions, written out in float64."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

import hopfield

SIMILARITIES = ("dot", "euclidean", "cosine")
BACKENDS = ("naive", "sdpa", "flash", "blockwise", "fused", "chunked")


def softmax(scores: Tensor) -> tuple[Tensor, Tensor]:
    top = scores.amax(-1, keepdim=True)
    mass = (scores - top).exp()
    total = mass.sum(-1, keepdim=True)
    return mass / total, (top + total.log()).squeeze(-1)


def softmax1(scores: Tensor) -> tuple[Tensor, Tensor]:
    top = scores.amax(-1, keepdim=True).clamp(min=0)
    mass = (scores - top).exp()
    total = (-top).exp() + mass.sum(-1, keepdim=True)
    return mass / total, (top + total.log()).squeeze(-1)


def top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    rank = scores.argsort(-1, descending=True).argsort(-1)
    return softmax(scores.masked_fill(rank >= k, -torch.inf))


def entmax(scores: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """By bisection on the threshold; one Newton step makes the threshold differentiable."""
    excess = alpha - 1
    shifted = scores - scores.amax(-1, keepdim=True)

    def base(threshold: Tensor) -> Tensor:
        return (1 + excess * (shifted - threshold)).clamp(min=0)

    low = torch.zeros_like(shifted[..., :1])
    high = torch.full_like(low, -math.expm1(-excess * math.log(scores.shape[-1])) / excess)
    with torch.no_grad():
        for _ in range(100):
            middle = (low + high) / 2
            enough = (base(middle) ** (1 / excess)).sum(-1, keepdim=True) >= 1
            low, high = torch.where(enough, middle, low), torch.where(enough, high, middle)
        power = torch.where(base(low) > 0, base(low) ** (1 / excess - 1), 0)
        slope = power.sum(-1, keepdim=True)
    p = base(low) ** (1 / excess)
    p = base(low + (p.sum(-1, keepdim=True) - 1) / slope) ** (1 / excess)
    tsallis = ((p**alpha - p) / (alpha * excess)).sum(-1)
    return p, (p * scores.masked_fill(p == 0, 0)).sum(-1) - tsallis


@dataclass(frozen=True)
class Reference:
    """A separation of the library and the same thing written out."""

    separation: object
    written_out: object
    null_pattern: bool = False

    def __call__(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Weights and conjugate of float64 scores; zeros and −inf where all are masked."""
        hidden = scores.isneginf().all(-1, keepdim=True)
        p, conjugate = self.written_out(scores.masked_fill(hidden, 0))
        empty = 0.0 if self.null_pattern else -torch.inf
        return p.masked_fill(hidden, 0), conjugate.masked_fill(hidden.squeeze(-1), empty)


SEPARATIONS = {
    "softmax": Reference("softmax", softmax),
    "softmax1": Reference("softmax1", softmax1, null_pattern=True),
    "sparsemax": Reference("sparsemax", lambda s: entmax(s, 2.0)),
    "entmax": Reference("entmax", lambda s: entmax(s, 1.5)),
    "entmax1.2": Reference(hopfield.Entmax(alpha=1.2), lambda s: entmax(s, 1.2)),
    "topk": Reference(hopfield.TopK(4), lambda s: top_k(s, 4)),
}


def scores(
    state: Tensor,
    stored: Tensor,
    beta: float | Tensor,
    similarity: str,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    """β times the similarity by its definition, plus bias, −inf where masked.

    The Euclidean one up to ½β‖ξ‖², equal for all patterns: the null pattern lies at the origin.
    """
    state, stored = state.double(), stored.double()
    if similarity == "dot":
        alike = (state.unsqueeze(-2) * stored.unsqueeze(-3)).sum(-1)
    elif similarity == "cosine":
        alike = torch.cosine_similarity(state.unsqueeze(-2), stored.unsqueeze(-3), dim=-1)
    else:
        alike = -0.5 * (state.unsqueeze(-2) - stored.unsqueeze(-3)).square().sum(-1)
        alike = alike + 0.5 * state.square().sum(-1, keepdim=True)
    result = beta * alike
    if bias is not None:
        result = result + bias.double()
    return result if mask is None else result.masked_fill(~mask, -torch.inf)


def readout(
    reference: Reference,
    state: Tensor,
    stored: Tensor,
    projection: Tensor | None = None,
    *,
    beta: float | Tensor,
    similarity: str = "dot",
    mask: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    """One association; without a projection the next state."""
    p, _ = reference(scores(state, stored, beta, similarity, mask, bias))
    if projection is not None:
        return p @ projection.double()
    patterns = stored.double()
    if similarity != "cosine":
        return p @ patterns
    moved = p @ torch.nn.functional.normalize(patterns, dim=-1)
    return torch.nn.functional.normalize(moved, dim=-1)


def energy(
    reference: Reference,
    state: Tensor,
    stored: Tensor,
    *,
    beta: float | Tensor,
    similarity: str = "dot",
    mask: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    """−β⁻¹ Ω*(βXξ + bias) + ½ ξ·ξ + β⁻¹ Ω*(bias) + ½ M² over the visible patterns."""
    state, stored = state.double(), stored.double()
    if similarity == "cosine":
        state, stored = (torch.nn.functional.normalize(t, dim=-1) for t in (state, stored))
    norms = stored.norm(dim=-1)
    total = torch.zeros_like(norms) if bias is None else bias.double()
    if similarity == "euclidean":
        half = -0.5 * beta * norms.square().unsqueeze(-2)
        total = half if bias is None else half + bias.double()
    shape = torch.broadcast_shapes(total.shape, norms.shape if mask is None else mask.shape)
    seen = torch.ones(shape, dtype=torch.bool) if mask is None else mask.expand(shape)
    seen = seen & (total > -torch.inf)
    total = total.expand(shape).masked_fill(~seen, -torch.inf)
    _, rise = reference(scores(state, stored, beta, "dot", bias=total))
    _, ground = reference(total)
    if norms.dim() > 1:
        norms = norms.unsqueeze(-2)
    radius = torch.where(seen, norms, 0).amax(-1)
    beta = beta.squeeze(-1) if isinstance(beta, Tensor) else beta
    result = 0.5 * (state.square().sum(-1) + radius.square()) - (rise - ground) / beta
    return torch.where(seen.any(-1), result, torch.inf)
