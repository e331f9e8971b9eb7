"""One association: the update, what it reads out, its weights and its energy."""

from typing import Literal, Unpack

from jaxtyping import Float
from torch import Tensor

from hopfield.errors import ArgumentError
from hopfield.network import DenseNetwork
from hopfield.reduction.dispatch import Choice, choose
from hopfield.reduction.partial import Partial
from hopfield.settings import Settings, Stored, build


def update(
    state: Float[Tensor, "*lead S d"],
    stored: Stored,
    projection: Float[Tensor, "*patterns N v"] | Literal["blocks"] | None = None,
    **settings: Unpack[Settings],
) -> Float[Tensor, "..."]:
    """One step of retrieval: `y = separation(β X ξ + bias) V`.

    With softmax and the dot product this is the update rule of Ramsauer et al. 2020
    (arXiv 2008.02217), eq. 3, where V = X, and attention, eq. 10, for any V. It is differentiable
    in every tensor and takes memory linear in S and in N. A second derivative (`create_graph=True`)
    of the softmax takes `backend="naive"` where PyTorch's attention was chosen, which has none, and
    memory in S · N.

    Args:
        state: states ξ, `(..., S, d)`.
        stored: stored patterns X, `(..., N, d)`, N ≥ 1. Or blocks of them: an iterable whose items
            are `(..., n, d)` tensors or callables that return one; a generator function that yields
            such items; or one such callable. What a callable returns is not kept for backward but
            computed again; tensors, also those that a generator yields, are kept.
        projection: what is read out, V, `(..., N, v)`. By default the stored patterns: the result
            is then the next state, normalised for cosine similarity. "blocks": each block is a
            pair (stored, projection).
        **settings: see `hopfield.Settings`.

    Returns:
        The read-out, `(..., S, v)`, in the dtype of the state.

    Raises:
        ShapeError, DtypeError, ArgumentError: an argument does not fit; the message says which.
        BackendError: the backend asked for refuses; the message says why.
    """
    state, network = build(state, stored, projection, **settings)
    return network.update(state) if projection is None else network.readout(state, "projection")


def energy(
    state: Float[Tensor, "*lead S d"], stored: Stored, **settings: Unpack[Settings]
) -> Float[Tensor, "..."]:
    """The energy of states, which no update raises.

    `E(ξ) = −β⁻¹ Ω*(β X ξ + bias) + ½ ξ·ξ + β⁻¹ Ω*(bias) + ½ M²`, with Ω* the conjugate of the
    separation and M the largest norm of a visible pattern: eq. 2 of Ramsauer et al. 2020
    (arXiv 2008.02217), where Ω* is log-sum-exp and there is no bias, so that Ω*(0) = ln N.

    It is never negative for the dot product, up to rounding (ε ln N / β), and its gradient is
    `ξ − update(ξ)` for any bias that does not depend on ξ; not for cosine similarity, where states
    are taken as normalised.

    Args:
        state: states ξ, `(..., S, d)`.
        stored: stored patterns X, as for `update`. Blocks are passed over twice.
        **settings: see `hopfield.Settings`.

    Returns:
        `(..., S)`, in at least float32; +inf for a state whose every pattern is masked.

    Raises:
        ShapeError, DtypeError, ArgumentError, BackendError: as for `update`.
    """
    state, network = build(state, stored, **settings)
    return network.energy(state, network.ground())


def associate(
    state: Float[Tensor, "*lead S d"], stored: Stored, **settings: Unpack[Settings]
) -> Float[Tensor, "..."]:
    """The association weights `p = separation(β X ξ + bias)`, written out.

    This is the one function whose memory grows as S · N, because its result does.

    Args:
        state: states ξ, `(..., S, d)`.
        stored: stored patterns X, as for `update`.
        **settings: see `hopfield.Settings`; `backend` has no meaning here.

    Returns:
        `(..., S, N)`, each row non-negative with sum 1 (below 1 for softmax1; 0 where every pattern
        is masked). With offsets, each pattern's weight for the states of its own bag.

    Raises:
        ShapeError, DtypeError, ArgumentError: as for `update`.
    """
    state, network = build(state, stored, **settings)
    return network.weights(state)


def partial(
    state: Float[Tensor, "*lead S d"],
    stored: Stored,
    projection: Float[Tensor, "*patterns N v"] | Literal["blocks"] | None = None,
    **settings: Unpack[Settings],
) -> Partial:
    """The read-out over some of the stored patterns, to be merged with that over others.

    `merge(partial(ξ, X_i, V_i) for i in parts)` is the reduction over all patterns, wherever the
    parts come from: blocks, files, other processes.

    Args:
        state: states ξ, `(..., S, d)`.
        stored: the stored patterns of this part, as for `update`.
        projection: what is read out; by default the stored patterns.
        **settings: see `hopfield.Settings`. Softmax, softmax1 and top-k merge.

    Returns:
        Read-out and log-partition; with cosine similarity the read-out is not normalised.

    Raises:
        ShapeError, DtypeError, ArgumentError, BackendError: as for `update`.
    """
    state, network = build(state, stored, projection, **settings)
    return network.partial(state, "projection")


def explain(
    state: Float[Tensor, "*lead S d"],
    stored: Float[Tensor, "*patterns N d"],
    projection: Float[Tensor, "*patterns N v"] | None = None,
    *,
    log_partition: bool = False,
    **settings: Unpack[Settings],
) -> Choice:
    """Which implementation `update` takes for these arguments, and why not the others.

    Args:
        state: states, `(..., S, d)`.
        stored: stored patterns, `(..., N, d)`.
        projection: what is read out, `(..., N, v)`.
        log_partition: ask about `partial` and `energy`, which need the log-partition, instead.
        **settings: see `hopfield.Settings`.

    Raises:
        ArgumentError: the patterns come in blocks or bags, each of which is chosen for by itself.
        BackendError: the backend asked for refuses.
    """
    state, network = build(state, stored, projection, **settings)
    if not isinstance(network, DenseNetwork) or network.bounds is not None:
        raise ArgumentError("explain takes stored patterns in one tensor, without offsets")
    inputs = network.inputs(state, "projection")
    association = network.association
    return choose(inputs, association.separation, log_partition, association.backend)
