"""A Hopfield network: stored patterns, and how states associate with them.

What is here is checked already; `settings` makes networks of the arguments of public functions.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, Self

import torch
from torch import Tensor
from torch.linalg import vector_norm

from hopfield.association import Association
from hopfield.equal_patterns import pattern_keys
from hopfield.errors import ArgumentError
from hopfield.reduction import dispatch, topk
from hopfield.reduction.inputs import Inputs, broadcast, of_bag, optional, single, tiles
from hopfield.reduction.partial import Partial, finish
from hopfield.separation import Separation, Softmax, Softmax1, TopK
from hopfield.similarity import minus_half_squares, normalised

Read = Literal["stored", "projection", "nothing"]

ADDITIVE_AT_ONCE = 2**22


@dataclass(frozen=True)
class Ground:
    """What the energy needs to know of the visible patterns, whatever the state; `(..., S or 1)`.

    Attributes:
        bias: the reduction of the bias alone; its log-partition is Ω*(bias).
        radius: M², the largest ‖x‖²; 0 where no pattern is visible.
        visible: how many patterns are visible.
    """

    bias: Partial
    radius: Tensor
    visible: Tensor


@dataclass(frozen=True)
class Network(ABC):
    """Stored patterns, and how states associate with them.

    Attributes:
        association: how.
        projection: what is read out, `(..., N, v)`; None: the stored patterns; "blocks": each block
            of stored patterns brings its own.
    """

    association: Association
    projection: Tensor | Literal["blocks"] | None

    @abstractmethod
    def readout(self, state: Tensor, read: Read) -> Tensor:
        """What one association reads out, `(..., S, v)`: stored patterns, projection or nothing."""

    @abstractmethod
    def partial(self, state: Tensor, read: Read) -> Partial:
        """The same with its log-partition, ready to merge."""

    @abstractmethod
    def log_partition(self, state: Tensor) -> Tensor:
        """Ω* of the scores, `(..., S)`."""

    @abstractmethod
    def weights(self, state: Tensor) -> Tensor:
        """The association weights, `(..., S, N)`."""

    @abstractmethod
    def patterns(self) -> Tensor:
        """The stored patterns as they are compared, `(..., N, d)`."""

    def keys(self) -> Tensor:
        """A key for each pattern, `(..., N)`, the same for equal ones."""
        return pattern_keys(self.patterns())

    @abstractmethod
    def ground(self) -> Ground:
        """What the energy needs besides the log-partition."""

    def start(self, state: Tensor) -> Tensor:
        """The state that retrieval starts from."""
        return normalised(state) if self.association.similarity == "cosine" else state

    def update(self, state: Tensor) -> Tensor:
        """The next state, `(..., S, d)`."""
        return self.start(self.readout(state, "stored"))

    def energy(self, state: Tensor, ground: Ground) -> Tensor:
        """−β⁻¹Ω*(s) + ½ξ·ξ + β⁻¹Ω*(bias) + ½M², `(..., S)`, +inf where no pattern is visible."""
        hidden = ground.visible == 0
        gain = self.log_partition(state).masked_fill(hidden, 0.0)
        gain = gain - ground.bias.log_partition.masked_fill(hidden, 0.0)
        squares = state.to(gain.dtype).square().sum(-1) + ground.radius
        energy = 0.5 * squares - gain / self.association.energy_scale(gain.dtype)
        return energy.masked_fill(hidden, torch.inf)

    def lead(self, state: Tensor) -> tuple[int, ...]:
        """The leading dimensions that states `(..., S, d)` have after an update."""
        return broadcast([tensor.shape[:-2] for tensor in (state, *self.association.own)])

    @property
    def states_are_alike(self) -> bool:
        """Whether leading dimensions of the states are but a way to arrange them."""
        return False

    def for_states(self, select: Callable[[Tensor], Tensor]) -> "Network":
        """The network for a selection of states: `select` acts on `(..., S or 1, ·)` tensors."""
        return replace(self, association=self.association.for_states(select))

    def for_rows(self, order: Tensor) -> "Network":
        """The network for states that `order`, `(..., W)`, picks and packs."""
        lead = order.shape[:-1]

        def pick(tensor: Tensor) -> Tensor:
            if tensor.dim() < 2 or tensor.shape[-2] == 1:
                return tensor
            full = tensor.expand(*lead, *tensor.shape[-2:])
            return full.take_along_dim(order.unsqueeze(-1), -2)

        return self.for_states(pick)

    def for_lead(self, dim: int, kept: Tensor) -> "Network | None":
        """The network for some entries of a leading dimension; None if it cannot."""
        return None

    def detached(self) -> "Network":
        """The same network, without gradients."""
        return self.for_states(Tensor.detach)

    def any_backend(self) -> Self:
        """The same network, computed by whichever implementation can."""
        return replace(self, association=replace(self.association, backend=None))


@dataclass(frozen=True)
class DenseNetwork(Network):
    """Stored patterns in one tensor.

    Attributes:
        stored: `(..., N, d)`; normalised for cosine similarity.
        bounds: the offsets of bags, or None. States are `(..., B or 1, S, d)` with them.
        half_norms: −½‖x‖², `(..., N, 1)`, where a β per state keeps it from being a bias.
    """

    projection: Tensor | None
    stored: Tensor
    bounds: list[int] | None = None
    half_norms: Tensor | None = None

    def readout(self, state: Tensor, read: Read) -> Tensor:
        inputs = self.inputs(state, read)
        readout = self._reduce(inputs, self.association.separation, False)[0]
        return readout if readout.dtype == state.dtype else readout.to(state.dtype)

    def partial(self, state: Tensor, read: Read) -> Partial:
        if isinstance(self.association.separation, TopK) and self.bounds is not None:
            raise ArgumentError("partial results of top-k over bags do not merge; use update")
        partial = self._partial(self.inputs(state, read))
        return replace(partial, readout=partial.readout.to(state.dtype))

    def log_partition(self, state: Tensor) -> Tensor:
        inputs = self.inputs(state, "nothing")
        log_partition = self._reduce(inputs, self.association.separation, True)[1]
        assert log_partition is not None
        return log_partition

    def weights(self, state: Tensor) -> Tensor:
        if self.bounds is not None:
            return torch.cat([bag.weights(own) for own, bag in self.bags(state)], -1)
        scores = self.inputs(state, "nothing").scores()
        return self.association.separation.weights(scores).to(state.dtype)

    def patterns(self) -> Tensor:
        return self.stored

    def ground(self) -> Ground:
        inputs = self._without_state()
        norms = vector_norm(self.stored.to(inputs.wide), dim=-1).square()
        bounds = self.bounds or [0, self.stored.shape[-2]]
        found = [_visible(inputs, norms, low, high) for low, high in pairwise(bounds)]
        radius, visible = (torch.stack(part, -2) for part in zip(*found, strict=True))
        if self.bounds is None:
            radius, visible = radius.squeeze(-2), visible.squeeze(-2)
        return Ground(self.bias_alone(), radius, visible)

    def bias_alone(self) -> Partial:
        """The reduction of the bias alone."""
        return self.any_backend()._partial(self._without_state())

    def bags(self, state: Tensor) -> Iterator[tuple[Tensor, "DenseNetwork"]]:
        """Each bag as a network of its own, with its states `(..., S, d)`."""
        assert self.bounds is not None
        for bag, (low, high) in enumerate(pairwise(self.bounds)):
            which = slice(low, high)
            association = self.association.for_bags(bag).for_patterns(which)
            projection, stored = self._some_patterns(which)
            network = DenseNetwork(association, projection, stored)
            yield of_bag(state, bag), network

    def lead(self, state: Tensor) -> tuple[int, ...]:
        if self.bounds is None:
            return broadcast([super().lead(state), self.stored.shape[:-2]])
        shared = (self.stored, self.association.bias, self.association.mask)
        leads = [(*t.shape[:-2], len(self.bounds) - 1) for t in shared if t is not None]
        beta = self.association.beta
        own = (state, beta) if isinstance(beta, Tensor) else (state,)
        return broadcast([*leads, *(tensor.shape[:-2] for tensor in own)])

    @property
    def states_are_alike(self) -> bool:
        alone = self.bounds is None and single(self.stored.shape[:-2])
        return alone and self.association.alike

    def for_rows(self, order: Tensor) -> Network:
        if self.bounds is None:
            return super().for_rows(order)
        own = replace(self.association, bias=None, mask=None)  # these go by pattern
        network = super(DenseNetwork, replace(self, association=own)).for_rows(order)
        of_pattern = order.index_select(-2, self._bag_of_pattern(order.device)).mT

        def pick(tensor: Tensor) -> Tensor:  # mask and bias of a pattern's bag, (..., S or 1, T)
            if tensor.shape[-2] == 1:
                return tensor
            lead = of_pattern.shape[:-2]
            return tensor.expand(*lead, *tensor.shape[-2:]).take_along_dim(of_pattern, -2)

        bias, mask = optional(pick, self.association.bias), optional(pick, self.association.mask)
        return replace(network, association=replace(network.association, bias=bias, mask=mask))

    def _bag_of_pattern(self, device: torch.device) -> Tensor:
        sizes = torch.tensor(self.bounds, device=device).diff()
        return torch.repeat_interleave(torch.arange(len(sizes), device=device), sizes)

    def for_lead(self, dim: int, kept: Tensor) -> "Network | None":
        if self.bounds is not None:
            return self._for_bags(kept) if dim == -3 else None

        def pick(tensor: Tensor) -> Tensor:
            if tensor.dim() < -dim or tensor.shape[dim] == 1:
                return tensor
            return tensor.index_select(dim, kept)

        return self._everywhere(pick)

    def detached(self) -> "Network":
        return self._everywhere(Tensor.detach)

    def _everywhere(self, function: Callable[[Tensor], Tensor]) -> "DenseNetwork":
        """The same function of all tensors."""
        return replace(
            self,
            association=self.association.for_states(function),
            projection=optional(function, self.projection),
            stored=function(self.stored),
            half_norms=optional(function, self.half_norms),
        )

    def _for_bags(self, kept: Tensor) -> "DenseNetwork":
        """The network for some of the bags."""
        sizes = torch.tensor(self.bounds, device=kept.device).diff()
        which = torch.isin(self._bag_of_pattern(kept.device), kept).nonzero().squeeze(-1)
        association = self.association.for_bags(kept).for_patterns(which)
        projection, stored = self._some_patterns(which)
        bounds = [0, *sizes[kept].cumsum(0).tolist()]
        return DenseNetwork(association, projection, stored, bounds)

    def _some_patterns(self, which: slice | Tensor) -> tuple[Tensor | None, Tensor]:
        """Projection and stored patterns of some of the patterns."""
        return optional(lambda t: t[..., which, :], self.projection), self.stored[..., which, :]

    def inputs(self, state: Tensor, read: Read) -> Inputs:
        """The arguments of the reduction."""
        stored = self.stored
        values = self.projection if read == "projection" else None
        if read == "nothing":
            values = stored[..., :0]
        scale, scaled = self.association.of_states(state)
        if self.half_norms is not None:  # one more coordinate: (βξ, β)·(x, −½‖x‖²)
            wide = self.half_norms.dtype
            values = (stored if values is None else values).to(wide)
            beta = torch.as_tensor(self.association.beta).to(wide) / scale
            beta = beta.expand(*scaled.shape[:-1], 1)
            scaled = torch.cat([scaled.to(wide), beta], -1)
            stored = torch.cat([stored.to(wide), self.half_norms], -1)
        bias, mask, causal = self.association.bias, self.association.mask, self.association.causal
        dropout = self.association.dropout if read == "projection" else 0.0
        return Inputs(scaled, stored, values, scale, bias, mask, causal, dropout)

    def _without_state(self) -> Inputs:
        """The reduction of the bias alone: states and read-out of width 0."""
        bias, mask = self.association.bias, self.association.mask
        nothing = self.stored[..., :0]
        if self.half_norms is not None:
            beta = torch.as_tensor(self.association.beta).to(self.half_norms)
            return Inputs(beta, self.half_norms, nothing.to(beta), 1.0, bias, mask)
        states = max([1, *(tensor.shape[-2] for tensor in (bias, mask) if tensor is not None)])
        state = self.stored.new_zeros(*([1] if self.bounds else []), states, 0)
        return Inputs(state, nothing, nothing, 1.0, bias, mask)

    def _partial(self, inputs: Inputs) -> Partial:
        """The reduction with the terms that merge."""
        separation = self.association.separation
        if isinstance(separation, TopK) and self.bounds is None:
            dispatch.choose(inputs, separation, True, self.association.backend)
            return finish(separation, topk.gather(inputs, topk.heaviest(inputs, separation.k)))
        base = Softmax() if isinstance(separation, Softmax1) else separation
        readout, log_partition = self._reduce(inputs, base, True)
        assert log_partition is not None
        partial = Partial(readout, log_partition, base)
        return partial if base is separation else finish(separation, partial)

    def _reduce(
        self, inputs: Inputs, separation: Separation, log_partition: bool
    ) -> tuple[Tensor, Tensor | None]:
        return dispatch.reduce(
            inputs,
            separation,
            log_partition=log_partition,
            backend=self.association.backend,
            bounds=self.bounds,
        )


def _visible(inputs: Inputs, norms: Tensor, low: int, high: int) -> tuple[Tensor, Tensor]:
    """M² and the number of visible patterns among patterns `low` to `high`, `(..., S or 1)`."""
    if inputs.bias is None and inputs.mask is None:
        radius = norms[..., low:high].amax(-1, keepdim=True)
        return radius, torch.full_like(radius, high - low, dtype=torch.long)
    radius, visible = norms.new_zeros(()), torch.zeros((), dtype=torch.long, device=norms.device)
    for tile in tiles(high - low, max(1, ADDITIVE_AT_ONCE // (inputs.states or 1))):
        columns = slice(low + tile.start, low + tile.stop)
        additive = inputs.additive(columns=columns)
        assert additive is not None
        seen = additive > -torch.inf
        visible = visible + seen.sum(-1)
        highest = torch.where(seen, norms[..., None, columns], 0.0).amax(-1)
        radius = torch.maximum(radius, highest)
    return radius, visible


def dense_network(
    association: Association,
    stored: Tensor,
    projection: Tensor | None,
    bounds: list[int] | None = None,
) -> DenseNetwork:
    """A network of patterns as users give them: the similarity is brought to the dot product."""
    if association.similarity == "cosine":
        stored = normalised(stored)
    if association.similarity != "euclidean":
        return DenseNetwork(association, projection, stored, bounds)
    half_norms = minus_half_squares(stored).unsqueeze(-1)
    beta = association.beta
    per_state = isinstance(beta, Tensor) and beta.dim() > 1 and beta.shape[-2] > 1
    if per_state and bounds is None:
        return DenseNetwork(association, projection, stored, bounds, half_norms)
    bias = _by_pattern(beta, bounds) * half_norms.mT
    bias = bias if association.bias is None else bias + association.bias
    return DenseNetwork(replace(association, bias=bias), projection, stored, bounds)


def _by_pattern(beta: float | Tensor, bounds: list[int] | None) -> float | Tensor:
    """β per bag, `(..., B, S or 1, 1)`, as a factor of a bias `(..., S or 1, T)`."""
    if bounds is None or not isinstance(beta, Tensor) or beta.dim() < 3:
        return beta
    if beta.shape[-3] == 1:
        return beta.squeeze(-3)
    sizes = torch.tensor(bounds, device=beta.device).diff()
    return beta.repeat_interleave(sizes, -3).squeeze(-1).mT
