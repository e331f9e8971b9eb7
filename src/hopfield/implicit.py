"""The gradient at a fixed point, by the implicit function theorem.

At `ξ = f(ξ, θ)` a gradient g of ξ becomes `u ∂f/∂θ` with `(I − J) u = g`. The Jacobian
`J = β X ∇²Ω* Xᵀ` (`β Cov_p(x)` for softmax: Ramsauer et al. 2020, eq. A.11 ff.) is symmetric, so
conjugate gradients solve this with nothing but products J u, each one backward pass of the update.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from hopfield.errors import ArgumentError, ConvergenceWarning
from hopfield.network import Network

MOST_ITERATIONS = 200
ENOUGH = 1e-3  # relative residual above which the gradient is called wrong


@dataclass
class Adjoint:
    """How well backward solved for the gradient at the fixed points; None until it has run.

    Attributes:
        residual: `(..., S)`, ‖g − (I − J) u‖ / ‖g‖ of each state.
        iterations: how many products with the Jacobian it took.
    """

    residual: Float[Tensor, "..."] | None = None
    iterations: int | None = None


def at_fixed_point(network: Network, state: Tensor, adjoint: Adjoint) -> Tensor:
    """The fixed points as a function of the network, with that gradient; `adjoint` is filled in."""
    image = network.update(state)
    return _FixedPoint.apply(image, state, network.detached(), adjoint)


class _FixedPoint(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, image: Tensor, state: Tensor, network: Network, adjoint: Adjoint
    ) -> Tensor:
        ctx.save_for_backward(state)
        ctx.network, ctx.adjoint = network, adjoint
        return state.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        if torch.is_grad_enabled():  # create_graph=True
            raise ArgumentError(
                "the implicit gradient cannot be differentiated again; use backward='unrolled'"
            )
        (state,) = ctx.saved_tensors
        with torch.enable_grad():
            point = state.detach().requires_grad_()
            image = ctx.network.update(ctx.network.start(point))

        def jacobian(vector: Tensor) -> Tensor:
            return torch.autograd.grad(image, point, vector, retain_graph=True)[0]

        solution, residual, iterations, expanding = _solve(jacobian, grad)
        ctx.adjoint.residual, ctx.adjoint.iterations = residual, iterations
        _warn(residual, expanding)
        return solution, None, None, None


def _solve(jacobian: Any, grad: Tensor) -> tuple[Tensor, Tensor, int, Tensor]:
    """Conjugate gradients on (I − J) u = g, each state by itself."""
    accuracy = torch.finfo(grad.dtype).eps ** 0.75
    size = grad.abs().amax(-1, keepdim=True)  # squares neither overflow nor vanish; NaN passes on
    residual = grad / size.masked_fill(size == 0, 1.0)
    u = torch.zeros_like(grad)
    direction = residual
    square = start = _dot(residual, residual)
    expanding = torch.zeros_like(square, dtype=torch.bool)
    iterations = 0
    while iterations < MOST_ITERATIONS:
        going = (square > accuracy**2 * start) & ~expanding
        if not bool(going.any()):
            break
        image = direction - jacobian(direction)
        iterations += 1
        curvature = _dot(direction, image)
        expanding |= going & (curvature <= 0)
        going &= ~expanding
        step = torch.where(going, square / curvature, 0.0)
        u = u + step * direction
        residual = residual - step * image
        next_square = torch.where(going, _dot(residual, residual), square)
        direction = residual + torch.where(going, next_square / square, 0.0) * direction
        square = next_square
    relative = torch.where(start > 0, (square / start).sqrt(), 0.0)
    return u * size, relative.squeeze(-1), iterations, expanding.squeeze(-1)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(-1, keepdim=True)


def _warn(residual: Tensor, expanding: Tensor) -> None:
    wrong = int((expanding | (residual > ENOUGH)).sum())
    if wrong:
        warnings.warn(
            f"the implicit gradient of {wrong} of {residual.numel()} states is not to be trusted: "
            f"at {int(expanding.sum())} the update is no contraction, and the largest relative "
            f"residual is {residual.max().item():.2g}; retrieve with more steps or a smaller tol, "
            f"or use backward='unrolled'",
            ConvergenceWarning,
            stacklevel=2,
        )
