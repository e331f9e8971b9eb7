"""The `Hopfield` layer: association of states with stored patterns in a learned space."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Self, Unpack

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from hopfield import _check
from hopfield.errors import ArgumentError, ShapeError
from hopfield.network import DenseNetwork
from hopfield.nn import attention
from hopfield.nn.attend import MOST_STEPS, attend, before_readout, one_dtype
from hopfield.nn.call import Call, Seen, enter, limits
from hopfield.nn.space import ROLES, HopfieldSpace, Role, check_roles
from hopfield.nn.temperature import InverseTemperature
from hopfield.phases import Phase, phase
from hopfield.reduction.partial import Partial
from hopfield.retrieval import Retrieval, retrieve
from hopfield.separation import Separation, resolve


@dataclass(frozen=True)
class Projected:
    """What a layer associates, in Hopfield space; one head stands for all where a role is raw.

    Attributes:
        state: `(..., H or 1, S, hidden_size)`.
        stored: `(..., H or 1, N, hidden_size)`.
        projection: `(..., H or 1, N, value_size)`.
    """

    state: Float[Tensor, "..."]
    stored: Float[Tensor, "..."]
    projection: Float[Tensor, "..."]


class Hopfield(nn.Module):
    """Associates states with stored patterns, and reads out their projections.

    `Z = separation(β (R W_Q) (Y W_K)ᵀ) Y' W_V`, eq. 10 of Ramsauer et al. 2020 (arXiv 2008.02217),
    where R are the states, Y the stored patterns and Y' what is projected; with `steps` > 1 the
    states are first updated in Hopfield space, `ξ ← K ᵀ separation(β K ξ)`, eq. 3. One step, and
    the same tensor in all roles, is self-attention.

    Example:
        >>> layer = Hopfield(64, num_heads=4)
        >>> layer(torch.randn(8, 20, 64)).shape
        torch.Size([8, 20, 64])

    Args:
        state_size: width of the states that come in.
        stored_size: width of the stored patterns; default `state_size`.
        projection_size: width of what is projected; default `stored_size`.
        hidden_size: width of a head in Hopfield space, where states and stored patterns meet.
            Default `state_size // num_heads`; the width of a static state or stored pattern.
        value_size: width of a head of the projections; default `hidden_size`, or the width of
            static projections.
        num_heads: H, how many associations go on beside each other.
        output_size: width of what comes out; default `state_size`.
        beta: β > 0, a number or a tensor `(num_heads,)`. Default `1/√hidden_size`. What is given
            is in the state dict; it can be set later: `layer.beta = 8.0`.
        learn_beta: learn β, one per head, from that value on; it stays positive.
        steps: associations, the read-out included: `steps − 1` updates of the states come first. 1
            is attention; None goes on until the states stop, and warns about those that do not. A
            sequence sets it head by head.
        tol: stop a state that an update moves by no more, in units of Hopfield space; a sequence
            sets it head by head. None makes all steps.
        separation: how scores become weights: "softmax", "softmax1" (with a null pattern),
            "sparsemax", "entmax", or an object, see `hopfield.Settings`.
        norm: layer norms. True: of the input of each role (one that is `connected` has none). Or a
            collection of roles, and "hidden": of states and stored patterns in Hopfield space.
        dropout: probability with which the read-out drops a weight, in training.
        bias: whether the maps of the inputs and of the output have a bias.
        bias_pattern: learn one more stored pattern, with its projection, for each head.
        static: the roles that are not projected: some of "state", "stored", "projection". Their
            inputs, as wide as a head, serve all heads.
        connected: project from the projected stored patterns: `V = W_V K`.
        output_projection: whether a linear map makes the output from the heads, which are
            otherwise concatenated. With all roles static too, the layer has no parameters.
        backward: "unrolled" differentiates through the steps; "implicit" at the fixed point, in
            memory that does not grow with the steps (needs `tol`; the states get no gradient).
        device: of the parameters.
        dtype: of the parameters.

    Raises:
        ArgumentError, ShapeError: an option is unknown or does not fit; the message says which.
    """

    def __init__(
        self,
        state_size: int,
        stored_size: int | None = None,
        projection_size: int | None = None,
        *,
        hidden_size: int | None = None,
        value_size: int | None = None,
        num_heads: int = 1,
        output_size: int | None = None,
        beta: float | Tensor | None = None,
        learn_beta: bool = False,
        steps: int | Sequence[int] | None = 1,
        tol: float | Sequence[float] | None = None,
        separation: str | Separation = "softmax",
        norm: bool | Collection[str] = False,
        dropout: float = 0.0,
        bias: bool = True,
        bias_pattern: bool = False,
        static: Collection[Role] = (),
        connected: bool = False,
        output_projection: bool = True,
        backward: Literal["unrolled", "implicit"] = "unrolled",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        given = {
            "state_size": state_size,
            "stored_size": stored_size,
            "projection_size": projection_size,
            "hidden_size": hidden_size,
            "value_size": value_size,
            "output_size": output_size,
            "num_heads": num_heads,
        }
        for name, size in given.items():
            if size is not None or name in ("state_size", "num_heads"):
                _check.positive_int(name, size)
        stored_size = state_size if stored_size is None else stored_size
        projection_size = stored_size if projection_size is None else projection_size
        if connected and projection_size != stored_size:
            raise ShapeError(
                f"projection_size is {projection_size} but the projections are connected: they "
                f"are made like the stored patterns, so stored_size = {stored_size} is expected"
            )
        sizes: dict[Role, int] = {
            "state": state_size,
            "stored": stored_size,
            "projection": projection_size,
        }
        check_roles("static", static, ROLES)
        if hidden_size is None:
            hidden_size = _hidden_size(sizes, static, num_heads)
        if value_size is None:
            raw = "projection" in static and not connected
            value_size = projection_size if raw else hidden_size
        if (rate := _check.real(dropout)) is None or not 0 <= rate < 1:
            raise ArgumentError(f"dropout is {dropout!r}; a probability in [0, 1) is expected")
        self.num_heads, self.hidden_size, self.value_size = num_heads, hidden_size, value_size
        self.state_size, self.stored_size, self.projection_size = sizes.values()
        self.separation, self.dropout, self.backward = separation, dropout, backward
        resolve(separation)
        self.steps, self.tol = steps, tol
        limits(self)
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        if isinstance(norm, bool):
            norm = [role for role in ROLES if norm and not (connected and role == "projection")]
        self.space = HopfieldSpace(
            sizes,
            num_heads=num_heads,
            hidden_size=hidden_size,
            value_size=value_size,
            static=static,
            connected=connected,
            norm=norm,
            bias=bias,
            bias_pattern=bias_pattern,
            **made,
        )
        self.inverse_temperature = InverseTemperature(
            beta, num_heads, hidden_size, learn_beta, **made
        )
        width = num_heads * value_size
        if not output_projection and output_size not in (None, width):
            raise ShapeError(
                f"output_size is {output_size} but there is no output projection: the heads come "
                f"out side by side, num_heads · value_size = {width}"
            )
        self.output_size = (output_size or state_size) if output_projection else width
        self.out_proj = (
            nn.Linear(width, self.output_size, bias, **made) if output_projection else None
        )
        self._zero_output_bias()

    @property
    def beta(self) -> float | Tensor:
        """β: a number, or a tensor `(num_heads,)` or `(1,)`."""
        beta = self.inverse_temperature.current()
        return beta.flatten() if isinstance(beta, Tensor) else beta

    @beta.setter
    def beta(self, beta: float | Tensor | None) -> None:
        like = next(iter(self.parameters()), torch.empty(0))
        old, learn = self.inverse_temperature.log, self.inverse_temperature.log is not None
        new = InverseTemperature(
            beta, self.num_heads, self.hidden_size, learn, like.device, like.dtype
        )
        if old is not None and new.log is not None:  # the parameter that an optimiser knows
            with torch.no_grad():
                old.copy_(new.log)
            new.log = old
        self.inverse_temperature = new

    def reset_parameters(self) -> None:
        """Draw the parameters anew; β goes back to what was given."""
        self.space.reset_parameters()
        self.inverse_temperature.reset_parameters()
        if self.out_proj is not None:
            self.out_proj.reset_parameters()
        self._zero_output_bias()

    def _zero_output_bias(self) -> None:
        if self.out_proj is not None and self.out_proj.bias is not None:
            nn.init.zeros_(self.out_proj.bias)

    def forward(
        self,
        state: Float[Tensor, "..."],
        stored: Float[Tensor, "..."] | None = None,
        projection: Float[Tensor, "..."] | None = None,
        *,
        padding_mask: Bool[Tensor, "..."] | None = None,
        mask: Bool[Tensor, "..."] | None = None,
        bias: Float[Tensor, "..."] | None = None,
        is_causal: bool = False,
        offsets: Int[Tensor, " bounds"] | None = None,
    ) -> Float[Tensor, "..."]:
        """What the states read out.

        Args:
            state: `(..., S, state_size)`: batch first, or without a batch.
            stored: `(..., N, stored_size)`; default the states themselves.
            projection: `(..., N, projection_size)`; default the stored patterns.
            padding_mask: `(..., N)`, True where a stored pattern is padding.
            mask: True where a state and a pattern take part; `(S, N)`, or what broadcasts to
                `(..., H, S, N)`. A state that sees no pattern reads out zeros.
            bias: added to the scores, after β; shaped like `mask`.
            is_causal: state i sees patterns 0 to i alone.
            offsets: `(B + 1,)`, the bounds of bags that lie one after the other in
                `stored`, `(T, stored_size)`. States are then `(B, S, state_size)`, or
                `(S, state_size)` for all bags. Without `stored`, the states `(T, state_size)` are
                the bags themselves.

        Returns:
            `(..., S, output_size)`; with offsets `(B, S, output_size)`, or `(T, output_size)`
            where the states are the bags.

        Raises:
            ShapeError, DtypeError, ArgumentError: an argument does not fit; the message says which.

        Warns:
            ConvergenceWarning: `steps=None`, and some states did not stop in 10 000 associations.
        """
        call = enter(
            self,
            state,
            stored,
            projection,
            padding_mask=padding_mask,
            mask=mask,
            bias=bias,
            is_causal=is_causal,
            offsets=offsets,
            dropout=self.dropout if self.training else 0.0,
        )
        readout = attend(
            call.state,
            call.stored,
            call.projection,
            call.association,
            bounds=call.bounds,
            steps=call.steps,
            tol=call.tol,
            backward=self.backward,
        )
        return self._output(call, readout)

    def with_weights(
        self,
        state: Float[Tensor, "..."],
        stored: Float[Tensor, "..."] | None = None,
        projection: Float[Tensor, "..."] | None = None,
        **seen: Unpack[Seen],
    ) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
        """The outputs of `forward` and of `associate`, in one pass; arguments of `forward`."""
        dropout = self.dropout if self.training else 0.0
        call = enter(self, state, stored, projection, dropout=dropout, **seen)
        with self._before_readout(call) as (network, last):
            readout, weights = network.readout(last, "projection"), network.weights(last)
        return self._output(call, readout), weights

    def _output(self, call: Call, readout: Tensor) -> Tensor:
        """The read-outs of the heads, side by side, as they come out."""
        output, out_proj = call.joined(readout), self.out_proj
        return output if out_proj is None else out_proj(output)

    def partial(
        self,
        state: Float[Tensor, "..."],
        stored: Float[Tensor, "..."] | None = None,
        projection: Float[Tensor, "..."] | None = None,
        **seen: Unpack[Seen],
    ) -> Partial:
        """The read-out over some of the stored patterns, to be merged with that over others.

        `layer.output(hopfield.merge(layer.partial(state, part) for part in parts))` is `forward`
        over all parts, none of which need be in memory together. Takes the arguments of `forward`
        without offsets and causality; there is no dropout.

        Returns:
            Read-out `(..., H, S, value_size)` and log-partition `(..., H, S)`.

        Raises:
            ArgumentError: the layer moves its states or has a bias pattern, or bags or causality
                are asked for: all stored patterns are needed at once.
        """
        whole = self.space.has_bias_pattern, seen.get("offsets") is not None, seen.get("is_causal")
        if self.steps != 1 or any(whole):
            raise ArgumentError(
                f"parts of the stored patterns merge for steps=1, without bias_pattern, offsets "
                f"and is_causal; steps is {self.steps}, bias_pattern {whole[0]}"
            )
        call = enter(self, state, stored, projection, **seen)
        with self._before_readout(call) as (network, last):
            return network.partial(last, "projection")

    def output(self, merged: Partial) -> Float[Tensor, "..."]:
        """What `forward` returns, from the merged parts of all stored patterns."""
        output = merged.readout.transpose(-3, -2).flatten(-2)
        return output if self.out_proj is None else self.out_proj(output)

    def project(
        self,
        state: Float[Tensor, "..."],
        stored: Float[Tensor, "..."] | None = None,
        projection: Float[Tensor, "..."] | None = None,
        **seen: Unpack[Seen],
    ) -> Projected:
        """States, stored patterns and projections in Hopfield space; arguments of `forward`."""
        call = enter(self, state, stored, projection, **seen)
        return Projected(call.state, call.stored, call.projection)

    def associate(
        self,
        state: Float[Tensor, "..."],
        stored: Float[Tensor, "..."] | None = None,
        projection: Float[Tensor, "..."] | None = None,
        **seen: Unpack[Seen],
    ) -> Float[Tensor, "..."]:
        """The weights of the read-out, `(..., H, S, N)`; arguments of `forward`.

        They are differentiable and without dropout. States that are bags themselves come padded,
        `(B, H, longest, longest)`; other bags `(H, S, T)`.
        """
        call = enter(self, state, stored, projection, **seen)
        with self._before_readout(call) as (network, last):
            return network.weights(last)

    def energy(
        self,
        state: Float[Tensor, "..."],
        stored: Float[Tensor, "..."] | None = None,
        projection: Float[Tensor, "..."] | None = None,
        **seen: Unpack[Seen],
    ) -> Float[Tensor, "..."]:
        """The energy in Hopfield space, `(..., H, S)`, of the states that read out.

        Takes the arguments of `forward`; see `hopfield.energy`. With one step these are the
        projected states; more steps lower it.
        """
        call = enter(self, state, stored, projection, **seen)
        with self._before_readout(call) as (network, last):
            return network.energy(last, network.ground())

    def phase(
        self,
        state: Float[Tensor, "..."],
        stored: Float[Tensor, "..."] | None = None,
        projection: Float[Tensor, "..."] | None = None,
        **seen: Unpack[Seen],
    ) -> Phase:
        """The phase of the states that read out, `(..., H, S)` each; see `hopfield.phase`.

        Takes the arguments of `forward`.
        """
        call = enter(self, state, stored, projection, **seen)
        with self._before_readout(call) as (network, last):
            return phase(last, network.stored, **call.settings)

    def retrieve(
        self,
        state: Float[Tensor, "..."],
        stored: Float[Tensor, "..."] | None = None,
        projection: Float[Tensor, "..."] | None = None,
        *,
        energy: bool = False,
        trajectory: bool = False,
        **seen: Unpack[Seen],
    ) -> Retrieval:
        """The retrieval in Hopfield space that `forward` makes, in full: see `hopfield.retrieve`.

        Args:
            state: as for `forward`.
            stored: as for `forward`.
            projection: as for `forward`.
            energy: also compute the energy of the states at the end.
            trajectory: also keep the states on the way and their energies.
            **seen: the masks and offsets of `forward`.

        Returns:
            A `Retrieval` of shape `(..., H, S)`, its read-out before the output projection.

        Warns:
            ConvergenceWarning: `tol` is set, and some states did not converge.
        """
        call = enter(self, state, stored, projection, **seen)
        with one_dtype(call.state, call.stored, call.projection) as roles:
            return retrieve(
                *roles,
                steps=MOST_STEPS if call.steps is None else call.steps,
                tol=call.tol,
                energy=energy,
                trajectory=trajectory,
                backward=self.backward,
                **call.settings,
            )

    @contextmanager
    def _before_readout(self, call: Call) -> Iterator[tuple[DenseNetwork, Tensor]]:
        """The network, and the states from which the last association reads out."""
        with one_dtype(call.state, call.stored, call.projection) as (state, stored, projection):
            network = DenseNetwork(call.association, projection, stored, call.bounds)
            yield (
                network,
                before_readout(network, state, call.steps, call.tol, self.backward),
            )

    @classmethod
    def from_attention(cls, source: nn.MultiheadAttention) -> Self:
        """A layer with equal outputs, from PyTorch's attention; parameters are copied.

        Inputs are batch first whatever they were for the source. A zero that it adds to keys and
        values becomes `separation="softmax1"`, its `bias_k` and `bias_v` a `bias_pattern`.
        """
        return attention.to_hopfield(cls, source)

    def to_attention(self) -> nn.MultiheadAttention:
        """PyTorch's attention with equal outputs, batch first; β goes into its weights.

        Raises:
            ArgumentError: the layer is more than attention; the message says in what.
        """
        return attention.from_hopfield(self)

    def extra_repr(self) -> str:
        """The options that differ from attention's."""
        shown = f"{self.state_size}, {self.stored_size}, {self.projection_size}"
        shown += f", num_heads={self.num_heads}, hidden_size={self.hidden_size}"
        shown += f", value_size={self.value_size}, output_size={self.output_size}"
        shown += f", steps={self.steps}, tol={self.tol}, separation={self.separation!r}"
        return shown + (f", dropout={self.dropout}" if self.dropout else "")


def _hidden_size(sizes: dict[Role, int], static: Collection[str], num_heads: int) -> int:
    """The default width of a head."""
    for role in ("state", "stored"):
        if role in static:
            return sizes[role]
    state_size = sizes["state"]
    if state_size % num_heads:
        raise ShapeError(
            f"state_size {state_size} does not divide by num_heads {num_heads}; "
            f"change one of them, or set hidden_size"
        )
    return state_size // num_heads
