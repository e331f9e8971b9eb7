"""`hflayers.Hopfield`: its arguments, inputs, masks and parameters, round a Hopfield layer."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

import hopfield.nn
from hopfield import _check
from hopfield.compat.hflayers.activation import find_activation
from hopfield.compat.hflayers.core import HopfieldCore
from hopfield.compat.hflayers.scaling import Scaling
from hopfield.compat.hflayers.sizes import resolve
from hopfield.errors import ArgumentError, DtypeError, ShapeError
from hopfield.nn import masks
from hopfield.nn.attend import MOST_STEPS
from hopfield.nn.call import Seen
from hopfield.nn.multihead import with_null
from hopfield.nn.space import ROLES, HopfieldSpace, Role

NAMES: dict[Role, str] = {
    "stored": "stored_pattern",
    "state": "state_pattern",
    "projection": "pattern_projection",
}


class Hopfield(nn.Module):
    """Association with the interface of `hflayers.Hopfield`.

    What it does otherwise than the original is listed in `docs/from_hflayers.md`.

    Args:
        input_size: width of the state patterns. May be missing where nothing is projected.
        hidden_size: width of a head in Hopfield space; default `input_size // num_heads`.
        output_size: width of the output; default `input_size`.
        pattern_size: width of a head of the pattern projections; default `hidden_size`.
        num_heads: H.
        scaling: β > 0: a number, or a tensor of one per head; a parameter is learned. Default
            `1/√hidden_size`; 1 where nothing is projected.
        update_steps_max: updates of the states before they read out; None or below 0: until they
            stop. A tensor sets it head by head.
        update_steps_eps: stop a state that an update moves by no more; a tensor sets it head by
            head.
        normalize_stored_pattern: layer norm of the stored patterns.
        normalize_stored_pattern_affine: with weight and bias.
        normalize_stored_pattern_eps: added to the variance.
        normalize_state_pattern: layer norm of the state patterns.
        normalize_state_pattern_affine: with weight and bias.
        normalize_state_pattern_eps: added to the variance.
        normalize_pattern_projection: layer norm of what is projected.
        normalize_pattern_projection_affine: with weight and bias.
        normalize_pattern_projection_eps: added to the variance.
        normalize_hopfield_space: layer norm of state and stored patterns in Hopfield space.
        normalize_hopfield_space_affine: with weight and bias.
        normalize_hopfield_space_eps: added to the variance.
        stored_pattern_as_static: do not project the stored patterns.
        state_pattern_as_static: do not project the state patterns.
        pattern_projection_as_static: do not project the pattern projections.
        pattern_projection_as_connected: project them from the projected stored patterns.
        stored_pattern_size: width of the stored patterns; default `input_size`.
        pattern_projection_size: width of what is projected; default `input_size`.
        batch_first: whether tensors are `(B, L, width)` instead of `(L, B, width)`.
        association_activation: the name of a function of the output, such as "relu".
        dropout: probability with which the read-out drops a weight, in training.
        input_bias: whether the maps have a bias.
        concat_bias_pattern: learn one more stored pattern, with its projection, for each head.
        add_zero_association: add a stored pattern of zeros that reads out zeros.
        disable_out_projection: put the heads side by side instead of mapping them to the output.

    Attributes:
        association_core: the parameters.
        association: the `hopfield.nn.Hopfield`, without parameters, that associates.

    Raises:
        ArgumentError, ShapeError: an argument does not fit; the message says which.
    """

    norm_stored_pattern: nn.LayerNorm | None
    norm_state_pattern: nn.LayerNorm | None
    norm_pattern_projection: nn.LayerNorm | None

    def __init__(
        self,
        input_size: int | None = None,
        hidden_size: int | None = None,
        output_size: int | None = None,
        pattern_size: int | None = None,
        num_heads: int = 1,
        scaling: float | Tensor | None = None,
        update_steps_max: int | Tensor | None = 0,
        update_steps_eps: float | Tensor = 1e-4,
        normalize_stored_pattern: bool = True,
        normalize_stored_pattern_affine: bool = True,
        normalize_stored_pattern_eps: float = 1e-5,
        normalize_state_pattern: bool = True,
        normalize_state_pattern_affine: bool = True,
        normalize_state_pattern_eps: float = 1e-5,
        normalize_pattern_projection: bool = True,
        normalize_pattern_projection_affine: bool = True,
        normalize_pattern_projection_eps: float = 1e-5,
        normalize_hopfield_space: bool = False,
        normalize_hopfield_space_affine: bool = False,
        normalize_hopfield_space_eps: float = 1e-5,
        stored_pattern_as_static: bool = False,
        state_pattern_as_static: bool = False,
        pattern_projection_as_static: bool = False,
        pattern_projection_as_connected: bool = False,
        stored_pattern_size: int | None = None,
        pattern_projection_size: int | None = None,
        batch_first: bool = True,
        association_activation: str | None = None,
        dropout: float = 0.0,
        input_bias: bool = True,
        concat_bias_pattern: bool = False,
        add_zero_association: bool = False,
        disable_out_projection: bool = False,
    ) -> None:
        super().__init__()
        norms: dict[Role, tuple[bool, bool, float]] = {
            "stored": (
                normalize_stored_pattern,
                normalize_stored_pattern_affine,
                normalize_stored_pattern_eps,
            ),
            "state": (
                normalize_state_pattern,
                normalize_state_pattern_affine,
                normalize_state_pattern_eps,
            ),
            "projection": (
                normalize_pattern_projection,
                normalize_pattern_projection_affine,
                normalize_pattern_projection_eps,
            ),
        }
        as_static: dict[Role, bool] = {
            "stored": stored_pattern_as_static,
            "state": state_pattern_as_static,
            "projection": pattern_projection_as_static,
        }
        self.static = {role for role in ROLES if as_static[role]}
        sizes = resolve(
            input_size=input_size,
            stored_pattern_size=stored_pattern_size,
            pattern_projection_size=pattern_projection_size,
            hidden_size=hidden_size,
            pattern_size=pattern_size,
            output_size=output_size,
            num_heads=num_heads,
            static=self.static,
            connected=pattern_projection_as_connected,
            output_projection=not disable_out_projection,
            in_space=normalize_hopfield_space or concat_bias_pattern,
        )
        self.num_heads, self.batch_first = num_heads, batch_first
        self.hidden_size, self.pattern_size = sizes.hidden, sizes.pattern
        self.output_size = sizes.output
        known = dict.fromkeys(ROLES) if sizes.hidden is None else sizes.given
        self.input_size = self.state_pattern_dim = known["state"]
        self.stored_pattern_dim, self.pattern_projection_dim = known["stored"], known["projection"]
        self.pattern_projection_as_connected = pattern_projection_as_connected
        self.normalize_hopfield_space = normalize_hopfield_space
        affine = normalize_hopfield_space and normalize_hopfield_space_affine
        self.normalize_hopfield_space_affine = affine
        self.input_bias, self.add_zero_association = input_bias, add_zero_association
        self.association_core = HopfieldCore(
            sizes,
            num_heads=num_heads,
            static=self.static,
            connected=pattern_projection_as_connected,
            output_projection=not disable_out_projection,
            bias=input_bias,
            bias_pattern=concat_bias_pattern,
            normalize=normalize_hopfield_space,
            affine=affine,
            eps=normalize_hopfield_space_eps,
        )
        self.association_activation = None
        if association_activation is not None:
            self.association_activation = find_activation(
                "association_activation", association_activation
            )
        self.coming, self.given = dict(sizes.coming), sizes.given  # widths; None: any
        for role, (wanted, affine, eps) in norms.items():
            name, norm = NAMES[role], None
            if wanted:
                size = sizes.coming[role] or sizes.given[role]
                if size is None:
                    raise ArgumentError(
                        f"normalize_{name} needs the size of what it norms: set input_size, or "
                        f"normalize_{name}=False"
                    )
                norm = nn.LayerNorm(size, eps, affine)
                self.coming[role] = size
            setattr(self, f"norm_{name}", norm)
            setattr(self, f"normalize_{name}", wanted)
            setattr(self, f"normalize_{name}_affine", wanted and affine)
            setattr(self, f"{name}_as_static", as_static[role])
        self._update_steps = update_steps_max, update_steps_eps
        steps = steps_of(update_steps_max)
        self.association = hopfield.nn.Hopfield(
            1,
            num_heads=num_heads,
            steps=steps,
            tol=None if steps == 1 else tol_of(update_steps_eps),
            separation="softmax1" if add_zero_association else "softmax",
            dropout=dropout,
            hidden_size=1,
            static=ROLES,
            output_projection=False,
        )
        self.association.space = Inside(num_heads)
        if scaling is None:
            scaling = 1.0 if sizes.hidden is None else sizes.hidden**-0.5
        self.association.inverse_temperature = Scaling(scaling, num_heads)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        self.association_core.reset_parameters()
        for name in NAMES.values():
            norm = getattr(self, f"norm_{name}")
            if norm is not None:
                norm.reset_parameters()

    def forward(
        self,
        input: Tensor | Sequence[Tensor],  # noqa: A002, the name there
        stored_pattern_padding_mask: Tensor | None = None,
        association_mask: Tensor | None = None,
    ) -> Float[Tensor, "..."]:
        """What the state patterns read out.

        Args:
            input: one tensor in all roles, `(B, L, input_size)`, or stored patterns, state patterns
                and pattern projections, in that order.
            stored_pattern_padding_mask: `(B, S)`, bool or bytes, True where there is padding.
            association_mask: `(L, S)` or `(B · heads, L, S)`; bool or bytes, True leaves out;
                numbers are added to the scores.

        Returns:
            `(B, L, output_size)`, or `(B, L, heads · pattern_size)` without output projection.

        Raises:
            ShapeError, DtypeError, ArgumentError: an argument does not fit; the message says which.

        Warns:
            ConvergenceWarning: `update_steps_max` sets no limit, and some states did not stop.
        """
        roles, seen = self._enter(input, stored_pattern_padding_mask, association_mask)
        output = self.association(*roles, **seen)
        if self.association_core.out_proj is not None:
            output = self.association_core.out_proj(output)
        output = output if self.batch_first else output.transpose(0, 1)
        activation = self.association_activation
        return output if activation is None else activation(output)

    @torch.no_grad()
    def get_association_matrix(
        self,
        input: Tensor | Sequence[Tensor],  # noqa: A002
        stored_pattern_padding_mask: Tensor | None = None,
        association_mask: Tensor | None = None,
    ) -> Float[Tensor, "..."]:
        """The weights of the read-out, `(B, heads, L, S)`; arguments of `forward`.

        Bias pattern and zero association are further columns.
        """
        roles, seen = self._enter(input, stored_pattern_padding_mask, association_mask)
        weights = self.association.associate(*roles, **seen)
        if self.add_zero_association:
            weights = with_null(weights)
        return weights

    @torch.no_grad()
    def get_projected_pattern_matrix(
        self,
        input: Tensor | Sequence[Tensor],  # noqa: A002
        stored_pattern_padding_mask: Tensor | None = None,
        association_mask: Tensor | None = None,
    ) -> Float[Tensor, "..."]:
        """The projected patterns, `(B, heads, S, pattern_size)`; arguments of `forward`.

        Bias pattern and zero association are further rows.
        """
        roles, seen = self._enter(input, stored_pattern_padding_mask, association_mask)
        projection = self.association.project(*roles, **seen).projection
        batch = torch.broadcast_shapes(roles[0].shape[:1], roles[1].shape[:1])
        projection = projection.expand(*batch, *projection.shape[1:])
        return pad(projection, (0, 0, 0, 1)) if self.add_zero_association else projection

    @property
    def width(self) -> int | None:
        """Of what comes out; None where that depends on what comes in."""
        if self.association_core.out_proj is not None:
            return self.association_core.out_proj.out_features
        if self.hidden_size is None or self.pattern_size is None:
            return None
        return self.num_heads * self.pattern_size

    @property
    def scaling(self) -> float | Tensor:
        """β: a number, or a tensor of one per head."""
        return self.association.beta

    @property
    def update_steps_max(self) -> int | Tensor | None:
        """As it was given."""
        return self._update_steps[0]

    @property
    def update_steps_eps(self) -> float | Tensor:
        """As it was given."""
        return self._update_steps[1]

    def _enter(
        self,
        patterns: Tensor | Sequence[Tensor],
        padding_mask: Tensor | None,
        association_mask: Tensor | None,
    ) -> tuple[tuple[Tensor, Tensor, Tensor], Seen]:
        """The roles in Hopfield space, `(B, H, rows, width)`, and who sees whom."""
        stored, state, projection = several(
            patterns, "stored pattern", "state pattern", "pattern projection"
        )
        state, stored, projection = (
            self._normed(role, tensor)
            for role, tensor in zip(ROLES, (state, stored, projection), strict=True)
        )
        roles = self.association_core(state, stored, projection)
        batch = stored.shape[:1] if len(state) == 1 else state.shape[:1]
        scores = (*batch, self.num_heads, state.shape[-2], stored.shape[-2])
        mask, bias = masks.of_excluding("association_mask", association_mask, scores)
        if padding_mask is not None:
            padding_mask = masks.boolean("stored_pattern_padding_mask", padding_mask)
        if self.association_core.bias_k is not None:
            padding_mask = masks.widened(padding_mask, False)
            mask, bias = masks.widened(mask, True), masks.widened(bias, 0.0)
        seen: Seen = {"padding_mask": padding_mask, "mask": mask, "bias": bias}
        return roles, seen

    def _normed(self, role: Role, tensor: Tensor) -> Tensor:
        """A role, checked, batch first, and normed."""
        name, width = NAMES[role], self.coming[role]
        _check.floating(name, tensor, 3)
        if tensor.dim() != 3 or width not in (None, tensor.shape[-1]):
            spelled = "any" if width is None else width
            order = "(B, L, width)" if self.batch_first else "(L, B, width)"
            raise ShapeError(
                f"{name} has shape {_check.shape_of(tensor)}; {order} with width {spelled} is "
                f"expected"
            )
        like = next(self.association_core.parameters(), tensor)
        if tensor.dtype != like.dtype and not torch.is_autocast_enabled(tensor.device.type):
            raise DtypeError(
                f"{name} is {tensor.dtype} but the layer's parameters are {like.dtype}; convert "
                f"one of them"
            )
        tensor = tensor if self.batch_first else tensor.transpose(0, 1)
        norm = getattr(self, f"norm_{name}")
        return tensor if norm is None else norm(tensor)


class Inside(HopfieldSpace):
    """Takes what is in Hopfield space already, `(..., H, rows, width)`, of any width."""

    def __init__(self, num_heads: int) -> None:
        sizes = dict.fromkeys(ROLES, 1)
        super().__init__(sizes, num_heads=num_heads, hidden_size=1, value_size=1, static=ROLES)

    def check(self, role: Role, tensor: object) -> None:
        """The layer round this one checks."""

    def forward(
        self, state: Tensor, stored: Tensor, projection: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The roles as they are."""
        if state.shape[-1] != stored.shape[-1]:
            raise ShapeError(
                f"in Hopfield space state patterns are {state.shape[-1]} wide but stored patterns "
                f"{stored.shape[-1]}; static patterns must be as wide as what they meet"
            )
        return state, stored, stored if projection is None else projection


def several(patterns: Tensor | Sequence[Tensor], *names: str) -> tuple[Tensor, ...]:
    """One tensor in all roles, or one for each.

    Raises:
        ArgumentError: there are more or fewer.
    """
    if isinstance(patterns, Tensor):
        return (patterns,) * len(names)
    if not isinstance(patterns, Sequence) or len(patterns) != len(names):
        came = f"{len(patterns)} of them" if isinstance(patterns, Sequence) else repr(patterns)
        raise ArgumentError(
            f"input is {came}; a tensor for all roles is expected, or {', '.join(names)}"
        )
    return tuple(patterns)


def steps_of(update_steps_max: int | Tensor | None) -> int | list[int] | None:
    """Associations, the read-out included; None: until the states stop."""
    if isinstance(update_steps_max, Tensor):
        return [most + 1 if most >= 0 else MOST_STEPS for most in update_steps_max.tolist()]
    return None if update_steps_max is None or update_steps_max < 0 else update_steps_max + 1


def tol_of(update_steps_eps: float | Tensor) -> float | list[float]:
    """One number, or one for each head."""
    return torch.as_tensor(update_steps_eps, dtype=torch.float64).tolist()
