"""The `Hopfield` layer: association of states with stored patterns in a learned space."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from hopfield import _check
from hopfield.association import Association
from hopfield.errors import ArgumentError, ShapeError
from hopfield.network import DenseNetwork
from hopfield.nn import attention, masks
from hopfield.nn.attend import MOST_STEPS, attend, before_readout, check_steps, one_dtype
from hopfield.nn.ragged import Bags, with_one_more
from hopfield.nn.space import ROLES, HopfieldSpace, Role
from hopfield.nn.temperature import InverseTemperature
from hopfield.phases import Phase, phase
from hopfield.retrieval import Retrieval, retrieve
from hopfield.separation import Separation, resolve

INPUTS: tuple[str, ...] = ROLES


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


@dataclass(frozen=True)
class _Call:
    """One call of a layer, ready for the reduction."""

    state: Tensor
    stored: Tensor
    projection: Tensor
    beta: float | Tensor
    mask: Tensor | None
    bias: Tensor | None
    causal: bool
    bounds: list[int] | None
    bags: Bags | None
    steps: int | Tensor | None
    tol: float | Tensor | None


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
            if size is not None:
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
        if hidden_size is None:
            hidden_size = _hidden_size(sizes, static, num_heads)
        if value_size is None:
            raw = "projection" in static and not connected
            value_size = projection_size if raw else hidden_size
        if not 0 <= dropout < 1:
            raise ArgumentError(f"dropout is {dropout!r}; a probability in [0, 1) is expected")
        self.num_heads, self.hidden_size, self.value_size = num_heads, hidden_size, value_size
        self.state_size, self.stored_size, self.projection_size = sizes.values()
        self.separation, self.dropout, self.backward = separation, dropout, backward
        resolve(separation)
        self.steps, self.tol = steps, tol
        self._limits()
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
        learn = self.inverse_temperature.log is not None
        self.inverse_temperature = InverseTemperature(
            beta, self.num_heads, self.hidden_size, learn, like.device, like.dtype
        )

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
            ConvergenceWarning: `steps=None`, and some states did not stop in 10 000 updates.
        """
        call = self._enter(state, stored, projection, padding_mask, mask, bias, is_causal, offsets)
        readout = attend(
            call.state,
            call.stored,
            call.projection,
            beta=call.beta,
            separation=resolve(self.separation),
            mask=call.mask,
            bias=call.bias,
            causal=call.causal,
            bounds=call.bounds,
            steps=call.steps,
            tol=call.tol,
            backward=self.backward,
            dropout=self.dropout if self.training else 0.0,
        )
        heads = readout.movedim(-4, -2) if call.bounds is not None else readout.transpose(-3, -2)
        output = heads.flatten(-2)
        if call.bags is not None:
            output = call.bags.rows(output)
        return output if self.out_proj is None else self.out_proj(output)

    def project(self, *inputs: Tensor | None, **options: Any) -> Projected:
        """States, stored patterns and projections in Hopfield space; arguments of `forward`."""
        call = self._enter_as(inputs, options)
        return Projected(call.state, call.stored, call.projection)

    def associate(self, *inputs: Tensor | None, **options: Any) -> Float[Tensor, "..."]:
        """The weights of the read-out, `(..., H, S, N)`; arguments of `forward`.

        They are differentiable and without dropout. States that are bags themselves come padded,
        `(B, H, longest, longest)`; other bags `(H, S, T)`.
        """
        network, state = self._before_readout(self._enter_as(inputs, options))
        return network.weights(state)

    def energy(self, *inputs: Tensor | None, **options: Any) -> Float[Tensor, "..."]:
        """The energy in Hopfield space, `(..., H, S)`, of the states that read out.

        Takes the arguments of `forward`; see `hopfield.energy`. With one step these are the
        projected states; more steps lower it.
        """
        network, state = self._before_readout(self._enter_as(inputs, options))
        return network.energy(state, network.ground())

    def phase(self, *inputs: Tensor | None, **options: Any) -> Phase:
        """The phase of the states that read out, `(..., H, S)` each; see `hopfield.phase`.

        Takes the arguments of `forward`.
        """
        call = self._enter_as(inputs, options)
        network, state = self._before_readout(call)
        return phase(state, network.stored, **self._settings(call))

    def retrieve(
        self,
        *inputs: Tensor | None,
        energy: bool = False,
        trajectory: bool = False,
        **options: Any,
    ) -> Retrieval:
        """The retrieval in Hopfield space that `forward` makes, in full: see `hopfield.retrieve`.

        Args:
            *inputs: state, stored, projection, as for `forward`.
            energy: also compute the energy of the states at the end.
            trajectory: also keep the states on the way and their energies.
            **options: the masks and offsets of `forward`.

        Returns:
            A `Retrieval` of shape `(..., H, S)`, its read-out before the output projection.
        """
        call = self._enter_as(inputs, options)
        with one_dtype(call.state, call.stored, call.projection) as roles:
            return retrieve(
                *roles,
                steps=MOST_STEPS if call.steps is None else call.steps,
                tol=call.tol,
                energy=energy,
                trajectory=trajectory,
                backward=self.backward,
                **self._settings(call),
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

    def _limits(self) -> tuple[int | Tensor | None, float | Tensor | None]:
        """`steps` and `tol`, checked; per head as `(H, 1)` tensors."""
        if (self.steps, self.tol, self.backward) == (1, None, "unrolled"):  # attention
            return 1, None
        steps, tol = self._per_head("steps", self.steps), self._per_head("tol", self.tol)
        check_steps(steps, tol, self.backward)
        return steps, tol

    def _per_head(self, name: str, value: Any) -> Any:
        if not isinstance(value, (Sequence, Tensor)) or isinstance(value, str):
            return value
        if len(value) != self.num_heads:
            raise ShapeError(
                f"{name} has {len(value)} entries; one number, or one for each of the "
                f"{self.num_heads} heads, is expected"
            )
        return torch.as_tensor(value).view(-1, 1)

    def _enter_as(self, inputs: tuple[Tensor | None, ...], options: dict[str, Any]) -> _Call:
        """The arguments of `forward` as the other methods take them."""
        named = dict(zip(INPUTS, inputs, strict=False))
        known = (*INPUTS, "padding_mask", "mask", "bias", "is_causal", "offsets")
        for name in options:
            _check.choice("an argument", name, known)
        both = [name for name in named if name in options]
        if both or len(inputs) > len(INPUTS):
            raise ArgumentError(
                f"{len(inputs)} inputs came; state, stored, projection are expected"
            )
        given = dict.fromkeys(known) | named | options
        return self._enter(*(given[name] for name in known))

    def _enter(
        self,
        state: Any,
        stored: Any,
        projection: Any,
        padding_mask: Any,
        mask: Any,
        bias: Any,
        is_causal: Any,
        offsets: Any,
    ) -> _Call:
        """Check the inputs and take them into Hopfield space."""
        space = self.space
        space.check("state", state)
        itself = stored is None
        if itself:
            stored = state
        if stored is not state or self.stored_size != self.state_size:
            space.check("stored", stored)
        if projection is not None:
            space.check("projection", projection)
            if projection.shape[:-1] != stored.shape[:-1]:
                raise ShapeError(
                    f"projection has shape {_check.shape_of(projection)} but stored has shape "
                    f"{_check.shape_of(stored)}; all but the last dimension must be the same"
                )
        elif self.projection_size != self.stored_size:
            raise ArgumentError(
                f"projection is missing: its width {self.projection_size} differs from that of "
                f"the stored patterns, {self.stored_size}, which would take its place"
            )
        _check.patterns(stored)
        bounds = None if offsets is None else _bounds(offsets, state, stored, itself, padding_mask)
        q, k, v = space(state, stored, projection)
        bags = Bags(bounds, state.device) if itself and bounds is not None else None
        if bags is not None:
            bounds, padding_mask = None, bags.padding_mask
            q, k, v = (bags.padded(rows).transpose(0, 1) for rows in (q, k, v))
        if q.shape[-3] == k.shape[-3] == 1:  # both raw: heads that share them
            q = q.expand(*q.shape[:-3], self.num_heads, *q.shape[-2:])
        lead = q.shape[:-3]
        if bounds is None and k.shape[:-3] != lead:
            _check.lead(None, {"state": lead, "stored": k.shape[:-3]})
            lead = torch.broadcast_shapes(lead, k.shape[:-3])
        scores = (*lead, self.num_heads, q.shape[-2], k.shape[-2])
        if bounds is not None:
            scores = scores[-3:]
        seen, added = None, None
        if padding_mask is not None or mask is not None or is_causal:
            seen = masks.visible(scores, padding_mask, mask, is_causal, state.device)
        if bias is not None:
            added = masks.added(bias, scores)
        causal = bool(is_causal) and mask is None and padding_mask is None
        if bounds is not None:  # (B, H, S, d) or (H, S, d) to (H, B or 1, S, d)
            q = q.transpose(0, 1) if q.dim() == 4 else q.unsqueeze(1)
            if q.shape[1] not in (1, len(bounds) - 1):
                raise ShapeError(
                    f"state has shape {_check.shape_of(state)} but offsets bound "
                    f"{len(bounds) - 1} bags; the first dimension must be their number"
                )
        if space.bias_stored is not None:
            seen, added = masks.widened(seen, True), masks.widened(added, 0.0)
            k, v, bounds, causal = *self._extended(k, v, bounds), False
        beta = self.inverse_temperature.current()
        steps, tol = self._limits()
        if bounds is not None:  # one more dimension, for the bags
            beta, steps, tol = (_per_bag(limit) for limit in (beta, steps, tol))
        return _Call(q, k, v, beta, seen, added, causal, bounds, bags, steps, tol)

    def _extended(
        self, stored: Tensor, projection: Tensor, bounds: list[int] | None
    ) -> tuple[Tensor, Tensor, list[int] | None]:
        """Stored patterns and projections with the learned bias pattern at the end."""
        both = []
        extras = cast(tuple[Tensor, Tensor], (self.space.bias_stored, self.space.bias_projection))
        for tensor, extra in zip((stored, projection), extras, strict=True):
            lead = torch.broadcast_shapes(tensor.shape[:-2], extra.shape[:-2])
            tensor = tensor.expand(*lead, *tensor.shape[-2:])
            if bounds is None:
                both.append(torch.cat([tensor, extra.expand(*lead, *extra.shape[-2:])], -2))
            else:
                tensor, longer = with_one_more(tensor, extra, bounds)
                both.append(tensor)
        return both[0], both[1], bounds if bounds is None else longer

    def _before_readout(self, call: _Call) -> tuple[DenseNetwork, Tensor]:
        """The network, and the states from which the last association reads out."""
        association = Association(
            call.beta, call.bias, call.mask, resolve(self.separation), "dot", None
        )
        with one_dtype(call.state, call.stored, call.projection) as (state, stored, projection):
            network = DenseNetwork(association, projection, stored, call.bounds)
            steps, tol = call.steps, call.tol
            return network, before_readout(network, state, steps, tol, self.backward)

    def _settings(self, call: _Call) -> dict[str, Any]:
        """The keyword arguments with which public functions do what this call does."""
        return {
            "beta": call.beta,
            "mask": call.mask,
            "bias": call.bias,
            "separation": self.separation,
            "offsets": None if call.bounds is None else torch.tensor(call.bounds),
        }


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


def _per_bag(limit: Any) -> Any:
    """A number for each head, ready for bags in the dimension after the heads."""
    return limit.unsqueeze(-1) if isinstance(limit, Tensor) else limit


def _bounds(
    offsets: Tensor, state: Tensor, stored: Tensor, itself: bool, padding_mask: object
) -> list[int]:
    """The bounds of bags, checked together with what they bound."""
    _check.unused(padding_mask, "padding_mask", "offsets leave no padding to mask")
    if stored.dim() != 2 or (state.dim() > 2 and itself):
        raise ShapeError(
            f"stored has shape {_check.shape_of(stored)}; with offsets, bags lie one after the "
            f"other in two dimensions, (T, stored_size)"
        )
    if state.dim() > 3:
        raise ShapeError(
            f"state has shape {_check.shape_of(state)}; with offsets (B, S, state_size) is "
            f"expected, or (S, state_size) for all bags"
        )
    return _check.bag_offsets(offsets, stored.shape[0])
