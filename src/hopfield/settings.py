"""The keyword arguments that public functions share, checked and made into a network."""

from typing import Literal, TypedDict, Unpack

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hopfield import _check
from hopfield.association import Association
from hopfield.blocks import BlockNetwork, Blocks, passes
from hopfield.errors import ArgumentError
from hopfield.network import DenseNetwork, Network, dense_network
from hopfield.reduction import dispatch
from hopfield.reduction.partial import MERGEABLE
from hopfield.separation import Entmax, Separation, resolve
from hopfield.similarity import SIMILARITIES, Similarity

Stored = Tensor | Blocks


class Settings(TypedDict, total=False):
    """The keyword arguments that all functions of states and stored patterns share.

    Leading dimensions (batch, heads) broadcast throughout.

    Attributes:
        beta: inverse temperature β > 0: a number, or a tensor that broadcasts to `(..., S, 1)`; per
            head it is `(H, 1, 1)`. Default `1/√d`.
        separation: "softmax" (the default), "sparsemax", "entmax", "softmax1", or an object:
            `TopK(k)`, `Entmax(alpha=…)`, or your own with `weights(scores)` and
            `conjugate(scores)`.
        similarity: "dot" (the default), "euclidean" (scores −½β‖x − ξ‖²) or "cosine" (stored
            patterns and states normalised, a state again after every update).
        mask: bool, broadcasts to `(..., S, N)`; True takes part. A state whose every pattern is
            masked reads out zeros, without gradient.
        bias: added to the scores after β; broadcasts to `(..., S, N)`. `log(n)` lets a pattern
            stand for n equal ones; −inf masks.
        offsets: `(B + 1,)` boundaries of bags among the N stored patterns, from 0 to N, no bag
            empty. The stored patterns then stand for B sets: states are `(S, d)` for all bags or
            `(..., B, S, d)`, and results are `(..., B, S, ·)`. Mask and bias stay `(..., S, N)`.
        backend: force an implementation by name; `hopfield.explain` says what is chosen and why.
        validate: look through all values for NaN and infinity first; costs a pass over them.
    """

    beta: float | Float[Tensor, "..."] | None
    separation: str | Separation
    similarity: Similarity
    mask: Bool[Tensor, "..."] | None
    bias: Float[Tensor, "..."] | None
    offsets: Int[Tensor, " bounds"] | None
    backend: str | None
    validate: bool


def build(
    state: Tensor,
    stored: Stored,
    projection: Tensor | Literal["blocks"] | None = None,
    *,
    beta: float | Tensor | None = None,
    separation: str | Separation = "softmax",
    similarity: Similarity = "dot",
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    offsets: Tensor | None = None,
    backend: str | None = None,
    validate: bool = False,
) -> tuple[Tensor, Network]:
    """Check what all public functions share; the state to start from, and the network."""
    resolved = resolve(separation)
    _check.choice("similarity", similarity, SIMILARITIES)
    if backend is not None:
        _check.choice("backend", backend, dispatch.BACKENDS)
    _check.floating("state", state, 2)
    if beta is None:
        beta = max(1, state.shape[-1]) ** -0.5
    beta = _check.inverse_temperature(beta, state)
    resolved = check_alpha(resolved, state)
    patterns = stored.shape[-2] if isinstance(stored, Tensor) and stored.dim() > 1 else None
    mask = _rows("mask", mask, state, patterns)
    bias = _rows("bias", bias, state, patterns)
    association = Association(beta, bias, mask, resolved, similarity, backend)
    if validate:
        _check.finite("state", state)
        if bias is not None:
            _check.finite("bias", bias.masked_fill(bias.isneginf(), 0.0))
        if isinstance(projection, Tensor):
            _check.finite("projection", projection)
    network: Network
    if isinstance(stored, Tensor):
        if isinstance(projection, str):
            raise ArgumentError(f"projection={projection!r} goes with stored patterns in blocks")
        if offsets is not None and state.dim() == 2:
            state = state.unsqueeze(0)
        network = _in_one_tensor(state, stored, projection, association, offsets, validate)
    else:
        _check.unused(offsets, "offsets", "stored patterns come in blocks, not in one tensor")
        network = _in_blocks(state, stored, projection, association, validate)
    return network.start(state), network


def build_for_all(
    who: str, state: Tensor, stored: Tensor, **settings: Unpack[Settings]
) -> tuple[Tensor, DenseNetwork]:
    """The same for functions that take one network for all states; `who` names them."""
    state, network = build(state, stored, **settings)
    if not isinstance(network, DenseNetwork) or not network.states_are_alike:
        raise ArgumentError(
            f"{who} takes one network for all states: no offsets, and beta, mask and bias without "
            f"a dimension for states"
        )
    return state, network


def _in_one_tensor(
    state: Tensor,
    stored: Tensor,
    projection: Tensor | None,
    association: Association,
    offsets: Tensor | None,
    validate: bool,
) -> Network:
    _check.patterns(stored, projection)
    _check.state_fits(state, stored)
    if validate:
        _check.finite("stored", stored)
    bounds = None if offsets is None else _check.bag_offsets(offsets, stored.shape[-2])
    tensors = {
        "state": state,
        "stored": stored,
        "projection": projection,
        "beta": association.beta,
        "bias": association.bias,
        "mask": association.mask,
    }
    leads = {name: t.shape[:-2] for name, t in tensors.items() if isinstance(t, Tensor)}
    _check.lead(None if bounds is None else len(bounds) - 1, leads)
    return dense_network(association, stored, projection, bounds)


def _in_blocks(
    state: Tensor,
    stored: Blocks,
    projection: Tensor | Literal["blocks"] | None,
    association: Association,
    validate: bool,
) -> Network:
    if isinstance(projection, str):
        _check.choice("projection", projection, ["blocks"])
    elif projection is not None:
        _check.floating("projection", projection, 2)
    if not isinstance(association.separation, MERGEABLE):
        raise ArgumentError(
            f"{association.separation} needs all scores of a state at once, so it cannot take "
            f"stored patterns in blocks; softmax, softmax1 and top-k can, or concatenate the blocks"
        )
    return BlockNetwork(association, projection, passes(stored), state, validate)


def check_alpha(separation: Separation, state: Tensor) -> Separation:
    """A per-state α fits the states, and has two dimensions."""
    if not isinstance(separation, Entmax) or not isinstance(separation.alpha, Tensor):
        return separation
    return Entmax(_check.per_state("alpha", separation.alpha, state))


def _rows(name: str, tensor: Tensor | None, state: Tensor, patterns: int | None) -> Tensor | None:
    """A checked mask or bias as `(..., S or 1, N)`."""
    if tensor is None:
        return None
    _check.additive(name, tensor, state, patterns)
    tensor = torch.atleast_2d(tensor)
    return tensor if patterns is None else tensor.expand(*tensor.shape[:-1], patterns)
