"""One call of a layer: what came in, checked and taken into Hopfield space."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hopfield import _check
from hopfield.association import Association
from hopfield.errors import ArgumentError, ShapeError
from hopfield.nn import masks
from hopfield.nn.attend import check_steps
from hopfield.nn.ragged import Bags, place_in_bag, with_one_more
from hopfield.separation import Entmax, for_states, resolve
from hopfield.settings import check_alpha

if TYPE_CHECKING:
    from hopfield.nn.hopfield import Hopfield


class Seen(TypedDict, total=False):
    """What a state of a layer sees; see `Hopfield.forward`."""

    padding_mask: Bool[Tensor, "..."] | None
    mask: Bool[Tensor, "..."] | None
    bias: Float[Tensor, "..."] | None
    is_causal: bool
    offsets: Int[Tensor, " bounds"] | None


@dataclass(frozen=True)
class Call:
    """States and stored patterns in Hopfield space, and how they associate.

    Attributes:
        state: `(..., H or 1, S, d)`; with bounds `(H or 1, B or 1, S, d)`.
        stored: `(..., H or 1, N, d)`.
        projection: `(..., H or 1, N, v)`; the same tensor where stored patterns are read out.
        association: β, mask, bias and separation.
        bounds: of ragged bags, or None.
        bags: where ragged states lie in the padded batch that they were made; or None.
        steps: associations, or None; per head a tensor.
        tol: likewise.
    """

    state: Tensor
    stored: Tensor
    projection: Tensor
    association: Association
    bounds: list[int] | None
    bags: Bags | None
    steps: int | Tensor | None
    tol: float | Tensor | None

    @property
    def settings(self) -> dict[str, Any]:
        """The keyword arguments with which public functions do what this call does."""
        association = self.association
        return {
            "beta": association.beta,
            "mask": association.mask,
            "bias": association.bias,
            "separation": association.separation,
            "offsets": None if self.bounds is None else torch.tensor(self.bounds),
        }

    def joined(self, readout: Tensor) -> Tensor:
        """Read-outs of the heads side by side: `(..., S, H · v)`, or `(T, H · v)`."""
        heads = readout.transpose(-3, -2) if self.bounds is None else readout.movedim(-4, -2)
        output = heads.flatten(-2)
        return output if self.bags is None else self.bags.rows(output)


def enter(
    layer: "Hopfield",
    state: Tensor,
    stored: Tensor | None = None,
    projection: Tensor | None = None,
    *,
    padding_mask: Tensor | None = None,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    is_causal: bool = False,
    offsets: Tensor | None = None,
    dropout: float = 0.0,
) -> Call:
    """Check the arguments of `Hopfield.forward` and take them into Hopfield space."""
    itself, stored = stored is None, _checked_roles(layer, state, stored, projection)
    bounds, bags = None, None
    if offsets is not None:
        bounds = _bounds(offsets, state, stored, itself, padding_mask)
    try:
        xi, x, v = layer.space(state, stored, projection)
    except RuntimeError:  # of PyTorch, about dtypes: say which role it is
        layer.space.check_dtypes(state, stored, projection)
        raise
    if bounds is not None and itself:
        bags = Bags(bounds, state.device)
        bounds, padding_mask = None, bags.padding_mask
        xi, x, v = (bags.padded(rows).transpose(0, 1) for rows in (xi, x, v))
    if xi.shape[-3] == x.shape[-3] == 1:  # both raw: heads that share them
        xi = xi.expand(*xi.shape[:-3], layer.num_heads, *xi.shape[-2:])
    seen, added = None, None
    if padding_mask is not None or mask is not None or is_causal or bias is not None:
        scores = (layer.num_heads, xi.shape[-2], x.shape[-2])
        scores = scores if bounds is not None else (*_lead(xi, x), *scores)
        device = state.device
        place = torch.arange(scores[-1], device=device)
        place = place if bounds is None else place_in_bag(bounds, device)
        seen = masks.visible(scores, padding_mask, mask, is_causal, place)
        added = masks.added(bias, scores, device)
    elif bounds is None and xi.shape[:-3] != x.shape[:-3]:
        _lead(xi, x)
    causal = bool(is_causal) and mask is None and padding_mask is None and bounds is None
    if bounds is not None:
        xi = _for_bags(xi, len(bounds) - 1)
    if layer.space.has_bias_pattern:
        where, causal = None, False
        if bounds is not None:
            where, bounds = with_one_more(bounds, state.device)
        seen, added = masks.widened(seen, True, where), masks.widened(added, 0.0, where)
        x, v = _with_bias_pattern(layer, x, v, where)
    beta, (steps, tol) = layer.inverse_temperature.current(), limits(layer)
    if bounds is not None:
        beta, steps, tol = (_per_bag(limit) for limit in (beta, steps, tol))
    separation = resolve(layer.separation)
    if isinstance(separation, Entmax) and isinstance(separation.alpha, Tensor):
        separation = check_alpha(separation, xi)
        if bounds is not None:
            separation = for_states(separation, _per_bag)
    association = Association(beta, added, seen, separation, "dot", None, causal, dropout)
    return Call(xi, x, v, association, bounds, bags, steps, tol)


def limits(layer: "Hopfield") -> tuple[int | Tensor | None, float | Tensor | None]:
    """`steps` and `tol` of a layer, checked; per head as `(H, 1)` tensors."""
    attention = type(layer.steps) is int and layer.steps == 1
    if attention and layer.tol is None and layer.backward == "unrolled":
        return 1, None
    steps, tol = (_per_head(name, getattr(layer, name), layer.num_heads) for name in LIMITS)
    check_steps(steps, tol, layer.backward)
    return steps, tol


LIMITS = ("steps", "tol")


def _per_head(name: str, value: Any, num_heads: int) -> Any:
    if not isinstance(value, (Sequence, Tensor)) or isinstance(value, str):
        return value
    if isinstance(value, Tensor):
        value = value.tolist()
    if not isinstance(value, Sequence):
        return value
    if len(value) != num_heads:
        raise ShapeError(
            f"{name} has {len(value)} entries; one number, or one for each of the "
            f"{num_heads} heads, is expected"
        )
    for one in value:
        _check.positive_int(name, one) if name == "steps" else _check.tolerance(name, one)
    return torch.as_tensor(value).view(-1, 1)


def _per_bag(limit: Any) -> Any:
    """A number for each head, ready for bags in the dimension after the heads."""
    return limit.unsqueeze(-1) if isinstance(limit, Tensor) else limit


def _checked_roles(
    layer: "Hopfield", state: Tensor, stored: Tensor | None, projection: Tensor | None
) -> Tensor:
    """The stored patterns; all roles are checked."""
    space = layer.space
    space.check("state", state)
    stored = state if stored is None else stored
    if stored is not state or layer.stored_size != layer.state_size:
        space.check("stored", stored)
    if projection is not None:
        space.check("projection", projection)
        if projection.shape[:-1] != stored.shape[:-1]:
            raise ShapeError(
                f"projection has shape {_check.shape_of(projection)} but stored has shape "
                f"{_check.shape_of(stored)}; all but the last dimension must be the same"
            )
    elif layer.projection_size != layer.stored_size:
        raise ArgumentError(
            f"projection is missing: its width {layer.projection_size} differs from that of "
            f"the stored patterns, {layer.stored_size}, which would take its place"
        )
    if stored.shape[-2] == 0:
        _check.patterns(stored)
    if space.static:  # raw roles meet as they are
        layer.space.check_dtypes(state, stored, projection)
    return stored


def _lead(xi: Tensor, x: Tensor) -> tuple[int, ...]:
    """The dimensions before the heads."""
    lead, other = xi.shape[:-3], x.shape[:-3]
    if lead == other:
        return tuple(lead)
    _check.lead(None, {"state": lead, "stored": other})
    return tuple(torch.broadcast_shapes(lead, other))


def _bounds(
    offsets: Tensor, state: Tensor, stored: Tensor, itself: bool, padding_mask: object
) -> list[int]:
    """The bounds of bags, checked together with what they bound."""
    _check.unused(padding_mask, "padding_mask", "offsets leave no padding to mask")
    if stored.dim() != 2:
        raise ShapeError(
            f"{'state' if itself else 'stored'} has shape {_check.shape_of(stored)}; with "
            f"offsets, bags lie one after the other in two dimensions, (T, width)"
        )
    if state.dim() > 3:
        raise ShapeError(
            f"state has shape {_check.shape_of(state)}; with offsets (B, S, state_size) is "
            f"expected, or (S, state_size) for all bags"
        )
    return _check.bag_offsets(offsets, stored.shape[0])


def _for_bags(xi: Tensor, bags: int) -> Tensor:
    """States `(B, H, S, d)`, or `(H, S, d)` for all bags, as `(H, B or 1, S, d)`."""
    xi = xi.transpose(0, 1) if xi.dim() == 4 else xi.unsqueeze(1)
    if xi.shape[1] not in (1, bags):
        raise ShapeError(
            f"state is a batch of {xi.shape[1]} but offsets bound {bags} bags; the first "
            f"dimension must be their number"
        )
    return xi


def _with_bias_pattern(
    layer: "Hopfield", x: Tensor, v: Tensor, where: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Stored patterns and projections with the learned bias pattern at the end of each set."""
    extended = []
    extras = cast(tuple[Tensor, Tensor], (layer.space.bias_stored, layer.space.bias_projection))
    for tensor, extra in zip((x, v), extras, strict=True):
        lead = torch.broadcast_shapes(tensor.shape[:-2], extra.shape[:-2])
        both = torch.cat([t.expand(*lead, *t.shape[-2:]) for t in (tensor, extra)], -2)
        extended.append(both if where is None else both.index_select(-2, where))
    return extended[0], extended[1]
