"""The maps into Hopfield space: each role projected, or raw, with its norms, split into heads."""

from collections.abc import Collection, Iterable
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from hopfield import _check
from hopfield.errors import ArgumentError, ShapeError

Role = Literal["state", "stored", "projection"]
ROLES: tuple[Role, ...] = get_args(Role)
NORMS = (*ROLES, "hidden")


class HopfieldSpace(nn.Module):
    """Takes states, stored patterns and projections into Hopfield space.

    Where all three are projected from and to vectors of one size, their weights are one matrix, so
    that self-association is one product; otherwise each role has its own. Initialisation is that
    of `torch.nn.MultiheadAttention`.

    Args:
        sizes: width of the input of each role.
        num_heads: H.
        hidden_size: d of each head.
        value_size: v of each head.
        static: roles that are not projected; their inputs, d or v wide, serve every head.
        connected: make the projections from the projected stored patterns: `W_V (W_K x)`.
        norm: where layer norms are: on the input of a role, or in Hopfield space ("hidden", one for
            states and stored patterns).
        bias: whether the maps have a bias.
        bias_pattern: learn one more stored pattern, with its projection, for each head.
        device: of the parameters.
        dtype: of the parameters.

    Raises:
        ArgumentError: an unknown role or norm.
        ShapeError: a static role whose width is not that of the Hopfield space.
    """

    bias_stored: nn.Parameter | None
    bias_projection: nn.Parameter | None

    def __init__(
        self,
        sizes: dict[Role, int],
        *,
        num_heads: int,
        hidden_size: int,
        value_size: int,
        static: Collection[Role] = (),
        connected: bool = False,
        norm: Collection[str] = (),
        bias: bool = True,
        bias_pattern: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_roles("norm", norm, NORMS)
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.sizes, self.num_heads = sizes, num_heads
        self.widths = {"state": hidden_size, "stored": hidden_size, "projection": value_size}
        self.static, self.connected = frozenset(static), connected
        entering = dict(sizes)  # the width that each role's own map receives
        if connected:
            entering["projection"] = hidden_size * (1 if "stored" in static else num_heads)
        for role in self.static:
            raw, own = entering[role], self.widths[role]
            if connected and role == "projection":
                own *= 1 if "stored" in static else num_heads
            if raw != own:
                raise ShapeError(
                    f"{role} is static, so its width {raw} must be that of the Hopfield space, "
                    f"{own}: set {'value_size' if role == 'projection' else 'hidden_size'}, or "
                    f"project it"
                )
        alike = len({*sizes.values()}) == 1 and hidden_size == value_size
        self.packed = alike and not (self.static or connected)
        self.maps = nn.ModuleDict()
        total = {role: num_heads * width for role, width in self.widths.items()}
        if self.packed:
            self.maps["packed"] = nn.Linear(sizes["state"], sum(total.values()), bias, **made)
        else:
            for role in ROLES:
                if role not in self.static:
                    self.maps[role] = nn.Linear(entering[role], total[role], bias, **made)
        self.norms, self.normed = nn.ModuleDict(), frozenset(norm)
        for name in NORMS:
            if name in norm:
                size = hidden_size if name == "hidden" else sizes[name]  # type: ignore[index]
                self.norms[name] = nn.LayerNorm(size, **made)
        for name in ("stored", "projection"):
            shape = (num_heads, 1, self.widths[name])
            extra = nn.Parameter(torch.empty(shape, **made)) if bias_pattern else None
            self.register_parameter(f"bias_{name}", extra)
        self.has_bias_pattern = bias_pattern
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the parameters anew, as `torch.nn.MultiheadAttention` does."""
        for layer in cast(Iterable[nn.Linear], self.maps.values()):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        for norm in cast(Iterable[nn.LayerNorm], self.norms.values()):
            norm.reset_parameters()
        for extra in (self.bias_stored, self.bias_projection):
            if extra is not None:  # as if heads lay side by side
                nn.init.xavier_normal_(extra.view(1, 1, -1))

    def forward(
        self, state: Tensor, stored: Tensor, projection: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Each role as `(..., H or 1, rows, width)`; projection None is the stored patterns.

        Where projections are the stored patterns themselves, both are one tensor.
        """
        same = projection is None or projection is stored
        follows = self.connected and same and "projection" not in self.normed
        projection = self._normed("projection", stored if projection is None else projection)
        state, stored = self._normed("state", state), self._normed("stored", stored)
        if self.packed:
            state, stored, projection = self._packed(state, stored, projection)
        else:
            into_stored = self._mapped("stored", stored)
            if follows:
                projection = into_stored
            elif self.connected:
                projection = self._mapped("stored", projection)
            into_projection = self._mapped("projection", projection)
            state = self._heads(self._mapped("state", state), "state")
            stored = projection = self._heads(into_stored, "stored")
            if into_projection is not into_stored:
                projection = self._heads(into_projection, "projection")
        if "hidden" in self.normed:
            norm = self.norms["hidden"]
            state, stored = norm(state), norm(stored)
        return state, stored, projection

    def _normed(self, role: Role, tensor: Tensor) -> Tensor:
        return self.norms[role](tensor) if role in self.normed else tensor

    def _mapped(self, role: Role, tensor: Tensor) -> Tensor:
        return tensor if role in self.static else self.maps[role](tensor)

    def _heads(self, tensor: Tensor, role: Role) -> Tensor:
        """`(..., rows, heads · width)` as `(..., heads, rows, width)`."""
        width = self.widths[role]
        *lead, total = tensor.shape
        return tensor.view(*lead, total // width, width).transpose(-3, -2)

    def _packed(self, *roles: Tensor) -> tuple[Tensor, ...]:
        """One product where all roles come from the same tensor.

        Not where two do: rows that lie 2 · 512 numbers apart fall on each other in the cache.
        """
        layer = cast(nn.Linear, self.maps["packed"])
        if roles[0] is roles[1] and roles[1] is roles[2]:
            return self._heads(layer(roles[0]), "state").chunk(3, -3)
        if type(layer) is not nn.Linear or layer._forward_pre_hooks or layer._forward_hooks:
            # Tools that wrap it see every call, whole.
            whole = (self._heads(layer(tensor), "state").chunk(3, -3) for tensor in roles)
            return tuple(parts[place] for place, parts in enumerate(whole))
        total = layer.weight.shape[0] // 3

        def mapped(tensor: Tensor, place: int) -> Tensor:
            rows = slice(place * total, (place + 1) * total)
            bias = None if layer.bias is None else layer.bias[rows]
            return self._heads(linear(tensor, layer.weight[rows], bias), "state")

        return tuple(mapped(tensor, place) for place, tensor in enumerate(roles))

    def by_role(self) -> dict[str, Tensor]:
        """Views of the weights and biases of the maps: `state.weight`, `state.bias` and so on."""
        found: dict[str, Tensor] = {}
        for name, layer in cast(Iterable[tuple[str, nn.Linear]], self.maps.items()):
            roles = ROLES if name == "packed" else (name,)
            totals = [self.num_heads * self.widths[role] for role in roles]
            for kind, parameter in (("weight", layer.weight), ("bias", layer.bias)):
                if parameter is not None:
                    parts = parameter.split(totals)
                    found |= {f"{role}.{kind}": p for role, p in zip(roles, parts, strict=True)}
        return found

    def check(self, role: Role, tensor: object) -> None:
        """A tensor that this role can take.

        Raises:
            DtypeError, ShapeError: it is no floating tensor, or not as wide.
        """
        tensor = _check.floating(role, tensor, 2)
        if tensor.shape[-1] != self.sizes[role]:
            raise ShapeError(
                f"{role} has shape {_check.shape_of(tensor)}; the last dimension must be "
                f"{role}_size = {self.sizes[role]}"
            )

    def check_dtypes(self, *tensors: Tensor | None) -> None:
        """Roles in order, of the dtype and on the device of the parameters, or of the first role.

        Under autocast any dtype will do.

        Raises:
            DtypeError: one is not.
        """
        given = {role: t for role, t in zip(ROLES, tensors, strict=True) if t is not None}
        parameter = next(self.parameters(), None)
        expected = given["state"] if parameter is None else parameter
        if torch.is_autocast_enabled(expected.device.type):
            return
        for role, tensor in given.items():
            _check.alike(role, tensor, "state" if parameter is None else "the layer", expected)


def check_roles(name: str, given: Collection[str], known: Collection[str]) -> None:
    """A collection of some of the known roles."""
    several = isinstance(given, Collection) and not isinstance(given, str)
    if not several or any(role not in known for role in given):
        raise ArgumentError(
            f"{name} is {given!r}; a collection of some of {', '.join(map(repr, known))} is "
            f"expected, for example {name}=({next(iter(known))!r},)"
        )
