"""Separations: how scores become association weights, each with its convex conjugate.

A separation maximises `p·s − Ω(p)` over the weights p ≥ 0 of a row of scores s; its conjugate
`Ω*(s)` is that maximum, and the weights are the gradient of Ω*. The energy of a Hopfield network is
built from Ω* (Ramsauer et al. 2020, eq. 2, for softmax; Hu et al. 2023, arXiv 2309.12673, and
Santos et al. 2024, arXiv 2402.13725, for the sparse ones), so one update never raises it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Protocol, runtime_checkable

import torch
from entmax import entmax15, entmax_bisect, sparsemax
from jaxtyping import Float
from torch import Tensor

from hopfield import _check
from hopfield.errors import ArgumentError

NEARLY_ONE = 1e-8  # up to α = 1 + NEARLY_ONE, α-entmax is softmax to float64's precision
WELL_ABOVE_ONE = 1.05  # from here on, float32 loses no more than a few units in the last place
PARTIAL_SORT = (
    64  # support size that the sparse maps try first; they double it where it is too small
)


@runtime_checkable
class Separation(Protocol):
    """What a separation has. Your own is any class with these two methods.

    Scores come as float32 or float64, with −inf where a pattern is masked; a row in which every
    pattern is masked never reaches your methods.
    """

    def weights(self, scores: Float[Tensor, "*rows N"]) -> Float[Tensor, "*rows N"]:
        """The association weights p: the gradient of `conjugate`."""
        ...

    def conjugate(self, scores: Float[Tensor, "*rows N"]) -> Float[Tensor, "*rows"]:
        """The convex conjugate Ω*(s) = max_p p·s − Ω(p)."""
        ...


def _by_rows(
    fill: float, keepdim: bool
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Compute in at least float32, and give `fill` for rows in which every score is −inf."""

    def decorate(method: Callable[[Any, Tensor], Tensor]) -> Callable[[Any, Tensor], Tensor]:
        @wraps(method)
        def guarded(self: Any, scores: Tensor) -> Tensor:
            wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
            hidden = wide.amax(-1, keepdim=True).isneginf()
            result = method(self, wide.masked_fill(hidden, 0.0))
            hidden = hidden if keepdim else hidden.squeeze(-1)
            return result.masked_fill(hidden, fill).to(scores.dtype)

        return guarded

    return decorate


_weights, _conjugate = _by_rows(0.0, keepdim=True), _by_rows(-torch.inf, keepdim=False)


@dataclass(frozen=True)
class Softmax:
    """`p_j ∝ exp(s_j)`; Ω is the negative Shannon entropy and Ω* is log-sum-exp."""

    @_weights
    def weights(self, scores: Float[Tensor, "*rows N"]) -> Float[Tensor, "*rows N"]:
        """softmax(s)."""
        return torch.softmax(scores, -1)

    @_conjugate
    def conjugate(self, scores: Float[Tensor, "*rows N"]) -> Float[Tensor, "*rows"]:
        """Log Σ exp(s_j)."""
        return torch.logsumexp(scores, -1)


@dataclass(frozen=True)
class Softmax1:
    """`p_j = exp(s_j) / (1 + Σ exp(s))`: softmax beside a null pattern of score 0 that reads out 0.

    A state that resembles nothing associates with nothing: its weights sum to less than 1.
    """

    def weights(self, scores: Float[Tensor, "*rows N"]) -> Float[Tensor, "*rows N"]:
        """exp(s_j) / (1 + Σ exp(s_i))."""
        return torch.softmax(_with_null(scores), -1)[..., :-1].to(scores.dtype)

    def conjugate(self, scores: Float[Tensor, "*rows N"]) -> Float[Tensor, "*rows"]:
        """log(1 + Σ exp(s_j))."""
        return torch.logsumexp(_with_null(scores), -1).to(scores.dtype)


def _with_null(scores: Tensor) -> Tensor:
    wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
    return torch.cat([wide, wide.new_zeros(*wide.shape[:-1], 1)], -1)


@dataclass(frozen=True)
class TopK:
    """Softmax over the `k` largest scores; all other weights are 0.

    Ω*(s) is the log-sum-exp of the k largest scores: a maximum of convex functions, so convex.
    Where several scores tie for the last place, exactly k of them are taken.
    """

    k: int

    def __post_init__(self) -> None:
        _check.positive_int("k", self.k)

    @_weights
    def weights(self, scores: Float[Tensor, "*rows N"]) -> Float[Tensor, "*rows N"]:
        """Softmax over the k largest, 0 elsewhere."""
        top = scores.topk(min(self.k, scores.shape[-1]), -1)
        return torch.zeros_like(scores).scatter(-1, top.indices, torch.softmax(top.values, -1))

    @_conjugate
    def conjugate(self, scores: Float[Tensor, "*rows N"]) -> Float[Tensor, "*rows"]:
        """Log Σ exp over the k largest."""
        return scores.topk(min(self.k, scores.shape[-1]), -1).values.logsumexp(-1)


@dataclass(frozen=True)
class Entmax:
    """α-entmax (Peters et al. 2019, arXiv 1905.05702): softmax at α = 1, sparser as α grows.

    Ω is the negative Tsallis entropy `Σ (p^α − p) / (α (α − 1))`. Patterns that score
    `1 / (α − 1)` or more below the best one get weight 0 exactly.

    Attributes:
        alpha: a number ≥ 1, or a tensor of them that broadcasts to `(..., S, 1)`, for example
            `(H, 1, 1)` per head; differentiable for α > 1.
    """

    alpha: float | Float[Tensor, "..."] = 1.5

    def __post_init__(self) -> None:
        if isinstance(self.alpha, Tensor):
            _check.floating("alpha", self.alpha, 0)
            readable = _check.may_read(self.alpha)
            good = not readable or bool(((self.alpha >= 1) & self.alpha.isfinite()).all())
        else:
            number = _check.real(self.alpha)
            good = number is not None and 1 <= number < torch.inf
        if not good:
            raise ArgumentError(
                f"alpha is {self.alpha!r}; finite numbers of at least 1 are expected"
            )

    @_weights
    def weights(self, scores: Float[Tensor, "*rows N"]) -> Float[Tensor, "*broadcast N"]:
        """α-entmax of the scores."""
        return _entmax(scores, self.alpha)

    @_conjugate
    def conjugate(self, scores: Float[Tensor, "*rows N"]) -> Float[Tensor, "*broadcast"]:
        """p·s − Ω(p) at the weights p."""
        return _tsallis_conjugate(scores, _entmax(scores, self.alpha), self.alpha)


@dataclass(frozen=True)
class Sparsemax:
    """The point of the simplex nearest to the scores (Martins & Astudillo 2016): α-entmax at α = 2.

    Ω is `½ (‖p‖² − 1)`.
    """

    @_weights
    def weights(self, scores: Float[Tensor, "*rows N"]) -> Float[Tensor, "*rows N"]:
        """The Euclidean projection of the scores on the simplex."""
        return _entmax(scores, 2.0)

    @_conjugate
    def conjugate(self, scores: Float[Tensor, "*rows N"]) -> Float[Tensor, "*rows"]:
        """p·s − ½ (‖p‖² − 1) at the weights p."""
        return _tsallis_conjugate(scores, _entmax(scores, 2.0), 2.0)


def _entmax(scores: Tensor, alpha: float | Tensor) -> Tensor:
    """α-entmax in the range where its weights are not 0, which keeps every step finite."""
    if not isinstance(alpha, Tensor):
        if alpha <= 1 + NEARLY_ONE:
            return torch.softmax(scores, -1)
        if alpha >= WELL_ABOVE_ONE:
            return _FixedEntmax.apply(_centred(scores, 1 / (alpha - 1)), alpha)
        alpha = torch.as_tensor(alpha, dtype=torch.float64, device=scores.device)
    # Bisection raises to the power 1 / (α − 1); near α = 1 that takes float64.
    sparse = alpha.double().clamp(min=1 + NEARLY_ONE)
    centred = _centred(scores.double(), (1 / (sparse - 1)).detach())
    weights = entmax_bisect(centred, sparse, -1, _bisections(centred.dtype)).to(scores.dtype)
    return torch.where(alpha > 1 + NEARLY_ONE, weights, torch.softmax(scores, -1))


class _FixedEntmax(torch.autograd.Function):
    """α-entmax for a number α, with a gradient that can be differentiated again.

    The package's has a square root of the weights, whose slope at 0 makes second derivatives NaN.
    """

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[Any, ...], scores: Tensor, alpha: float
    ) -> tuple[Tensor, int]:
        """A row does not care for the dimensions before it."""
        return _FixedEntmax.apply(scores.movedim(in_dims[0], 0), alpha), 0

    @staticmethod
    def forward(scores: Tensor, alpha: float) -> Tensor:
        """The weights."""
        if alpha == 2:
            return sparsemax(scores, -1, _sorted_part(scores))
        if alpha == 1.5:
            return entmax15(scores, -1, _sorted_part(scores))
        return entmax_bisect(scores, alpha, -1, _bisections(scores.dtype))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep the weights: they say all about the slope."""
        ctx.alpha = inputs[1]
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        """`u g − u (u·g) / Σu` with `u = p^(2 − α)` on the support (Peters et al. 2019)."""
        (weights,) = ctx.saved_tensors
        support = weights > 0
        slope = torch.where(support, weights, 1.0).pow(2 - ctx.alpha) * support
        product = slope * grad
        share = slope / slope.sum(-1, keepdim=True)
        return product - share * product.sum(-1, keepdim=True), None


def _sorted_part(scores: Tensor) -> int | None:
    """How many of the scores to sort at first; all of them in a graph, which cannot look."""
    return None if torch.compiler.is_compiling() else min(PARTIAL_SORT, scores.shape[-1])


def _bisections(dtype: torch.dtype) -> int:
    """How often to halve an interval of length about 1 until only rounding is left."""
    return 30 if dtype == torch.float32 else 60


def _centred(scores: Tensor, reach: float | Tensor) -> Tensor:
    """Scores relative to the best, no lower than the reach of the weights: −inf becomes finite."""
    relative = scores - scores.amax(-1, keepdim=True).detach()
    return torch.maximum(
        relative, torch.as_tensor(-reach, dtype=scores.dtype, device=scores.device)
    )


def _tsallis_conjugate(scores: Tensor, weights: Tensor, alpha: float | Tensor) -> Tensor:
    """p·s − Σ (p^α − p) / (α (α − 1)), without cancellation near α = 1 and with 0 · −inf = 0."""
    excess = torch.as_tensor(alpha, dtype=scores.dtype, device=scores.device) - 1
    shannon = excess <= NEARLY_ONE
    excess = excess.masked_fill(shannon, 1.0)
    log_p = weights.clamp(min=torch.finfo(weights.dtype).tiny).log()
    slope = torch.where(shannon, log_p, torch.expm1(excess * log_p) / excess)
    order = torch.where(shannon, 1.0, 1 + excess)
    visible = scores.masked_fill(scores.isneginf(), 0.0)
    return (weights * (visible - slope / order)).sum(-1)


@dataclass(frozen=True)
class _Own:
    """A user's separation, guarded like ours."""

    separation: Separation

    @_weights
    def weights(self, scores: Tensor) -> Tensor:
        return self.separation.weights(scores)

    @_conjugate
    def conjugate(self, scores: Tensor) -> Tensor:
        return self.separation.conjugate(scores)


BY_NAME: dict[str, Separation] = {
    "softmax": Softmax(),
    "sparsemax": Sparsemax(),
    "entmax": Entmax(),
    "softmax1": Softmax1(),
}


def resolve(separation: str | Separation) -> Separation:
    """The separation of that name, or the object itself.

    Raises:
        ArgumentError: an unknown name, or an object without the two methods.
    """
    if isinstance(separation, str):
        if separation not in BY_NAME:
            names = ", ".join(map(repr, BY_NAME))
            raise ArgumentError(
                f"separation is {separation!r}; choose one of {names}, or give an object: "
                f"TopK(k), Entmax(alpha=...), or your own with weights(scores) and "
                f"conjugate(scores)"
            )
        return BY_NAME[separation]
    if isinstance(separation, type) or not isinstance(separation, Separation):
        raise ArgumentError(
            f"separation is {separation!r}; an object with the methods weights(scores) and "
            f"conjugate(scores) is expected"
        )
    if isinstance(separation, (Softmax, Softmax1, TopK, Entmax, Sparsemax, _Own)):
        return separation
    return _Own(separation)


def for_states(separation: Separation, select: Callable[[Tensor], Tensor]) -> Separation:
    """The same separation for a selection of states: a per-state α is selected like them."""
    if isinstance(separation, Entmax) and isinstance(separation.alpha, Tensor):
        alpha = separation.alpha
        return replace(separation, alpha=select(alpha) if alpha.dim() > 1 else alpha)
    return separation
